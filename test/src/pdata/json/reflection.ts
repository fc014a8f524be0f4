/* oxlint-disable typescript/no-unsafe-type-assertion -- The schema says what each value is. */
import * as fc from "fast-check";
import protobuf from "protobufjs";
import { type Field, type MessageName, otlpMessages } from "../../../../src/pdata/otlp-schema.ts";

/** A message as plain data: 64-bit integers are bigint, fields that are absent are absent. */
export type Plain = { [name: string]: unknown };

const protoTypes: Readonly<Record<string, string>> = {
  traceId: "bytes",
  spanId: "bytes",
  enum: "int32",
};

/** The schema as protobufjs sees it: a second implementation of the wire format. */
const root = new protobuf.Root();
for (const [name, fields] of Object.entries(otlpMessages)) {
  const type = new protobuf.Type(name);
  const oneofs = new Map<string, string[]>();
  for (const field of fields) {
    const kind = field.message ?? protoTypes[field.kind] ?? field.kind;
    const rule = field.repeated === true ? "repeated" : undefined;
    const options = field.packed === true ? { packed: true } : {};
    type.add(new protobuf.Field(field.name, field.number, kind, rule, undefined, options));
    if (field.oneof !== undefined) {
      oneofs.set(field.oneof, [...(oneofs.get(field.oneof) ?? []), field.name]);
    }
  }
  for (const [oneof, members] of oneofs) type.add(new protobuf.OneOf(oneof, members));
  root.add(type);
}

const isWide = (field: Field) => ["int64", "uint64", "fixed64", "sfixed64"].includes(field.kind);

/** The bytes that protobufjs makes of plain data. */
export function encodePlain(name: MessageName, value: Plain): Uint8Array {
  const type = root.lookupType(name);
  return Buffer.from(type.encode(type.create(toLongs(name, value))).finish());
}

function toLongs(name: MessageName, value: Plain): Plain {
  return mapFields(name, value, (field, item) => {
    if (field.message !== undefined) return toLongs(field.message, item as Plain);
    if (!isWide(field)) return item;
    const big = item as bigint;
    const unsigned = field.kind === "uint64" || field.kind === "fixed64";
    return {
      low: Number(BigInt.asIntN(32, big)),
      high: Number(BigInt.asIntN(32, big >> 32n)),
      unsigned,
    };
  });
}

/** The plain data that protobufjs reads from bytes. */
export function decodePlain(name: MessageName, bytes: Uint8Array): Plain {
  const type = root.lookupType(name);
  return fromLongs(name, type.decode(bytes));
}

function fromLongs(name: MessageName, value: Plain): Plain {
  return mapFields(name, value, (field, item) => {
    if (field.message !== undefined) return fromLongs(field.message, item as Plain);
    if (field.kind === "bytes" || protoTypes[field.kind] === "bytes") {
      return Buffer.from(item as Uint8Array);
    }
    return isWide(field) ? BigInt((item as { toString(): string }).toString()) : item;
  });
}

/** Plain data as the JSON mapping has it, by a direct reading of the specification. */
export function toJsonValue(name: MessageName, value: Plain): Plain {
  return mapFields(name, value, (field, item) => {
    if (field.message !== undefined) return toJsonValue(field.message, item as Plain);
    if (isWide(field)) return String(item);
    if (field.kind === "bytes") return Buffer.from(item as Uint8Array).toString("base64");
    if (field.kind === "traceId" || field.kind === "spanId") {
      return Buffer.from(item as Uint8Array).toString("hex");
    }
    return field.kind === "double" && !Number.isFinite(item) ? String(item) : item;
  });
}

function mapFields(
  name: MessageName,
  value: Plain,
  change: (field: Field, item: unknown) => unknown,
): Plain {
  const result: Plain = {};
  for (const field of otlpMessages[name]) {
    if (!Object.hasOwn(value, field.name)) continue;
    const item = value[field.name];
    if (Array.isArray(item)) {
      if (item.length > 0) result[field.name] = item.map((each) => change(field, each));
    } else result[field.name] = change(field, item);
  }
  return result;
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const doubles = fc.oneof(
  finite,
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 5e-324, 1e21),
);
const unsigned64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(1n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 10n ** 9n, 10n ** 18n, 2n ** 64n - 1n),
);
const signed64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-1n, -(2n ** 63n), 2n ** 63n - 1n, -(2n ** 53n) - 1n),
);
const signed32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const unsigned32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((each) => Buffer.from(each));

const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: "binary", maxLength: 40 }),
  bytes: fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
  traceId: bytes(16),
  spanId: bytes(8),
  bool: fc.boolean(),
  enum: signed32,
  int32: signed32,
  sint32: signed32,
  uint32: unsigned32,
  fixed32: unsigned32,
  int64: signed64,
  sfixed64: signed64,
  uint64: unsigned64,
  fixed64: unsigned64,
  double: doubles,
};

const isZero = (item: unknown) =>
  item === "" || item === false || item === 0n || Object.is(item, 0) || isEmptyBytes(item);
const isEmptyBytes = (item: unknown) => item instanceof Uint8Array && item.length === 0;

/** Messages with any subset of their fields; nesting ends `levels` below. */
export function arbitraryMessage(name: MessageName, levels: number): fc.Arbitrary<Plain> {
  const fields = otlpMessages[name].filter((field) => field.number !== 1000);
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of fields) {
    if (field.message !== undefined && levels === 0) continue;
    const one =
      field.message === undefined
        ? scalars[field.kind]!
        : arbitraryMessage(field.message, levels - 1);
    members[field.name] = field.repeated === true ? fc.array(one, { maxLength: 3 }) : one;
  }
  return fc
    .record(members, { requiredKeys: [] })
    .map((value) => withoutDefaults(name, keepOneMember(name, value)));
}

/** Without zeros of fields without presence, which the wire cannot tell from absent ones. */
function withoutDefaults(name: MessageName, value: Plain): Plain {
  for (const field of otlpMessages[name]) {
    const item = value[field.name];
    if (Array.isArray(item) ? item.length === 0 : field.presence !== true && isZero(item)) {
      delete value[field.name];
    }
  }
  return value;
}

/** A oneof has one member. */
function keepOneMember(name: MessageName, value: Plain): Plain {
  const taken = new Set<string>();
  for (const field of otlpMessages[name]) {
    if (field.oneof === undefined || !Object.hasOwn(value, field.name)) continue;
    if (taken.has(field.oneof)) delete value[field.name];
    taken.add(field.oneof);
  }
  return value;
}
