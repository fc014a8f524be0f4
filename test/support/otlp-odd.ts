/**
 * Other legal forms of the same OTLP message: fields in any order, tags, lengths and numbers longer than they need
 * be, one message in several fields, values that later ones replace, packed and unpacked, unknown fields anywhere,
 * the scope list of OTLP before 0.19. `modelOf` reads the same from it, but for the unknown fields.
 */
import { type Field, type MessageName, otlpMessages } from "../../src/pdata/otlp-schema.ts";
import { type RawField, rawFields } from "./otlp-model.ts";
import { lengthDelimited, varint } from "./otlp-random.ts";

/** mulberry32. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  one<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

/** Fields that must keep their order among each other. */
type Group = Buffer[];

export function oddForm(name: MessageName, message: Uint8Array, dice: Dice): Buffer {
  const known = new Map(otlpMessages[name].map((field) => [field.number, field]));
  const groups = new Map<string, Group>();
  const moved = dice.below(3);
  for (const raw of rawFields(message)) {
    const field = known.get(raw.number);
    const key = field?.oneof ?? String(field === undefined ? "unknown" : raw.number);
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    const number = moved === 0 && isScopeList(name, raw.number) ? 1000 : raw.number;
    if (field === undefined) group.push(encode(raw, dice));
    else group.push(...before(name, field, dice), ...formsOf(field, { ...raw, number }, dice));
  }
  if (moved === 1 && [...groups.keys()].some((key) => isScopeList(name, Number(key)))) {
    groups.set("old scopes", [
      encode({ number: 1000, wireType: 2, value: strayScope(name) }, dice),
    ]);
  }
  if (dice.below(4) === 0) groups.set("stray", [unknownField(dice)]);
  return Buffer.concat(interleave([...groups.values()], dice));
}

const isScopeList = (name: MessageName, number: number) =>
  number === 2 && /^Resource[SML]/u.test(name);

/** A scope with an item that does not count. */
function strayScope(name: MessageName): Buffer {
  const empty = Buffer.alloc(0);
  return lengthDelimited(
    2,
    name === "ResourceMetrics" ? lengthDelimited(5, lengthDelimited(1, empty)) : empty,
  );
}

/** Values of a singular field or oneof that what follows replaces. */
function before(owner: MessageName, field: Field, dice: Dice): Buffer[] {
  if (field.repeated === true || dice.below(3) > 0) return [];
  const members = otlpMessages[owner].filter(({ oneof }) => oneof === field.oneof);
  const other = field.oneof === undefined ? field : dice.one(members);
  if (other.message !== undefined && other.oneof === undefined) return [];
  return [encode({ number: other.number, ...strayValue(other, dice) }, dice)];
}

function strayValue({ kind, message }: Field, dice: Dice): { wireType: number; value: Buffer } {
  const random = (length: number) => Buffer.from(Array.from({ length }, () => dice.below(128)));
  if (kind === "message") {
    const isData = /^(Gauge|Sum|Histogram|ExponentialHistogram|Summary)$/u.test(message!);
    return { wireType: 2, value: isData ? lengthDelimited(1, Buffer.alloc(0)) : Buffer.alloc(0) };
  }
  if (kind === "string" || kind === "bytes") return { wireType: 2, value: random(dice.below(9)) };
  if (kind === "traceId") return { wireType: 2, value: random(16) };
  if (kind === "spanId") return { wireType: 2, value: random(8) };
  if (kind === "fixed32") return { wireType: 5, value: random(4) };
  if (kind === "fixed64" || kind === "sfixed64" || kind === "double") {
    return { wireType: 1, value: random(8) };
  }
  return { wireType: 0, value: varint(BigInt(dice.below(3))) };
}

/** The field in one or several fields. */
function formsOf(field: Field, raw: RawField, dice: Dice): Buffer[] {
  if (field.packed === true && raw.wireType === 2) return packedForms(field, raw, dice);
  if (field.message === undefined) return [encode(raw, dice)];
  const bodies = [raw.value];
  if (field.repeated !== true && field.oneof === undefined && dice.below(3) === 0) {
    const inner = rawFields(raw.value).map((one) => encode(one, dice));
    const middle = dice.below(inner.length + 1);
    bodies.splice(0, 1, Buffer.concat(inner.slice(0, middle)), Buffer.concat(inner.slice(middle)));
  }
  return bodies.map((body) => {
    const value = oddForm(field.message!, body, dice);
    return encode({ number: raw.number, wireType: 2, value }, dice);
  });
}

/** Some values packed, some not. */
function packedForms({ kind }: Field, raw: RawField, dice: Dice): Buffer[] {
  const isFixed = kind === "fixed64" || kind === "double";
  const wireType = isFixed ? 1 : 0;
  const forms: Buffer[] = [];
  for (let p = 0; p < raw.value.length; ) {
    let end = isFixed ? p + 8 : p + 1;
    if (!isFixed) while (raw.value[end - 1]! > 127) end++;
    const value = raw.value.subarray(p, end);
    const form = dice.below(2) === 0 ? { wireType, value } : { wireType: 2, value };
    forms.push(encode({ number: raw.number, ...form }, dice));
    p = end;
  }
  return forms;
}

function unknownField(dice: Dice): Buffer {
  const number = dice.one([18, 99, 1001, 536_870_911]);
  const value = Buffer.alloc(8, dice.below(100));
  const wireType = dice.one([0, 1, 2, 5]);
  const length = { 0: 1, 1: 8, 2: 3, 5: 4 }[wireType]!;
  return encode({ number, wireType, value: value.subarray(0, length) }, dice);
}

function encode({ number, wireType, value }: RawField, dice: Dice): Buffer {
  const tag = long(varint(BigInt(number * 8 + wireType)), dice);
  if (wireType === 0) return Buffer.concat([tag, long(value, dice)]);
  if (wireType !== 2) return Buffer.concat([tag, value]);
  return Buffer.concat([tag, long(varint(BigInt(value.length)), dice), value]);
}

/** The varint, in up to ten bytes. */
function long(value: Buffer, dice: Dice): Buffer {
  const room = 10 - value.length;
  if (room === 0 || dice.below(6) > 0) return value;
  const longer = Buffer.concat([value, Buffer.alloc(1 + dice.below(room), 0x80)]);
  longer[value.length - 1]! |= 0x80;
  longer[longer.length - 1] = 0;
  return longer;
}

/** All fields; those of one group in their order. */
function interleave(groups: Group[], dice: Dice): Buffer[] {
  const fields: Buffer[] = [];
  const left = groups.map((group) => [...group]).filter((group) => group.length > 0);
  while (left.length > 0) {
    const at = dice.below(left.length);
    fields.push(left[at]!.shift()!);
    if (left[at]!.length === 0) left.splice(at, 1);
  }
  return fields;
}
