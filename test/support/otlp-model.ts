/**
 * What any legal protobuf form of an OTLP message means, by a plain reader of its own: singular messages given
 * twice are merged, the last of a oneof or of a singular scalar counts, packed and unpacked are one, the scope list
 * of OTLP before 0.19 counts where there is no other. Unknown fields are kept in their order.
 */
import { type Field, type MessageName, otlpMessages } from "../../src/pdata/otlp-schema.ts";

export interface RawField {
  readonly number: number;
  readonly wireType: number;
  /** Without a length. */
  readonly value: Buffer;
}

/** The fields of a message. */
export function rawFields(message: Uint8Array): RawField[] {
  const bytes = Buffer.from(message);
  const fields: RawField[] = [];
  for (let p = 0; p < bytes.length; ) {
    const tag = varintAt(bytes, p);
    const wireType = Number(tag.value & 7n);
    let start = tag.end;
    let end = start + (wireType === 1 ? 8 : 4);
    if (wireType === 0) end = varintAt(bytes, start).end;
    if (wireType === 2) {
      const length = varintAt(bytes, start);
      start = length.end;
      end = start + Number(length.value);
    }
    fields.push({ number: Number(tag.value >> 3n), wireType, value: bytes.subarray(start, end) });
    p = end;
  }
  return fields;
}

function varintAt(bytes: Buffer, start: number): { value: bigint; end: number } {
  let value = 0n;
  for (let p = start, shift = 0n; ; p++, shift += 7n) {
    value |= BigInt(bytes[p]! & 127) << shift;
    if (bytes[p]! < 128) return { value: BigInt.asUintN(64, value), end: p + 1 };
  }
}

/** Texts and bytes in hex, numbers in hex of their bytes or decimal, so that everything can be compared. */
export type Model = { [name: string]: Model[] | Model | string[] | string };

/** The meaning of the message. */
export function modelOf(name: MessageName, message: Uint8Array): Model {
  const model = merge(name, message, {});
  return /^Resource[SML]/u.test(name) ? withOneScopeList(model) : model;
}

function merge(name: MessageName, message: Uint8Array, model: Model): Model {
  const known = new Map(otlpMessages[name].map((field) => [field.number, field]));
  for (const raw of rawFields(message)) {
    const field = known.get(raw.number);
    if (field === undefined) append(model, "unknown", [unknownText(raw)]);
    else take(name, field, raw, model);
  }
  return model;
}

const unknownText = ({ number, wireType, value }: RawField) =>
  `${number}/${wireType}/${wireType === 0 ? varintAt(value, 0).value : value.toString("hex")}`;

function take(owner: MessageName, field: Field, raw: RawField, model: Model): void {
  const { name, message, repeated, oneof } = field;
  if (repeated === true) {
    return append(model, name, message ? [modelOf(message, raw.value)] : scalars(field, raw));
  }
  if (oneof !== undefined) {
    for (const other of otlpMessages[owner]) if (other.oneof === oneof) delete model[other.name];
  }
  if (message === undefined) model[name] = scalars(field, raw)[0]!;
  else model[name] = merge(message, raw.value, (model[name] as Model | undefined) ?? {});
}

function append(model: Model, name: string, values: (Model | string)[]): void {
  if (values.length === 0) return;
  model[name] = [...((model[name] as Model[] | undefined) ?? []), ...values] as Model[];
}

/** The values of a scalar field, several where it is packed. */
function scalars({ kind, packed }: Field, { wireType, value }: RawField): string[] {
  if (wireType === 0) return [varintAt(value, 0).value.toString()];
  if (wireType !== 2 || packed !== true) return [value.toString("hex")];
  const values: string[] = [];
  for (let p = 0; p < value.length; ) {
    const isFixed = kind === "fixed64" || kind === "double";
    const varint = isFixed ? { value: 0n, end: p + 8 } : varintAt(value, p);
    values.push(isFixed ? value.toString("hex", p, varint.end) : varint.value.toString());
    p = varint.end;
  }
  return values;
}

function withOneScopeList(model: Model): Model {
  const old = Object.keys(model).find((name) => name.startsWith("deprecated"));
  if (old === undefined) return model;
  const { [old]: scopes, ...rest } = model;
  const name = old.replace("deprecatedS", "s");
  return rest[name] === undefined ? { ...rest, [name]: scopes! } : rest;
}
