/**
 * Random OTLP requests from a seed, as bytes: all messages and fields, edge values, both packed forms, unknown
 * fields, and the fields in any order. Singular fields and oneof members occur at most once.
 */
import {
  type Field,
  type FieldKind,
  type MessageName,
  otlpMessages,
  requestMessages,
} from "../../src/pdata/otlp-schema.ts";
import type { Signal } from "../../src/pdata/payload.ts";

export type RandomOrder = "ascending" | "descending" | "shuffled";

export interface RandomOptions {
  readonly order: RandomOrder;
  /** Fields that no OTLP message has. */
  readonly unknown: boolean;
}

/** A request of the signal; the same seed and options give the same bytes. */
export function randomRequest(signal: Signal, seed: number, options: RandomOptions): Buffer {
  return new RandomOtlp(seed, options).message(requestMessages[signal], 0);
}

/** The body of any message. */
export function randomMessage(name: MessageName, seed: number, options: RandomOptions): Buffer {
  return new RandomOtlp(seed, options).message(name, 0);
}

const varintKinds: ReadonlySet<FieldKind> = new Set([
  "bool",
  "enum",
  "int32",
  "uint32",
  "sint32",
  "int64",
  "uint64",
]);
const fixed64Kinds: ReadonlySet<FieldKind> = new Set(["fixed64", "sfixed64", "double"]);
const integers = [0n, 1n, 127n, 128n, 300n, (1n << 53n) + 1n, (1n << 63n) - 1n];
const doubles = [0, -0, 1.5, -1e300, 5e-324, Number.MAX_VALUE, Infinity, -Infinity];
const texts = ["", "a", "service.name", "größe €", "日本", "x".repeat(126), "y".repeat(300)];

class RandomOtlp {
  readonly #options: RandomOptions;
  #state: number;

  constructor(seed: number, options: RandomOptions) {
    this.#state = seed | 0;
    this.#options = options;
  }

  message(name: MessageName, depth: number): Buffer {
    const fields: { number: number; bytes: Buffer }[] = [];
    const taken = new Set<string>();
    for (const field of this.#shuffle(otlpMessages[name])) {
      // The old scope list gives a request a second meaning; tests for it write it by hand.
      if (field.number === 1000) continue;
      if (field.oneof !== undefined && (taken.has(field.oneof) || this.#below(3) === 0)) continue;
      if (field.oneof !== undefined) taken.add(field.oneof);
      const bytes = this.#field(field, depth);
      for (const one of bytes) fields.push({ number: field.number, bytes: one });
    }
    if (this.#options.unknown && this.#below(3) === 0) fields.push(this.#unknownField());
    return Buffer.concat(this.#ordered(fields).map((field) => field.bytes));
  }

  #ordered<F extends { number: number }>(fields: F[]): F[] {
    const { order } = this.#options;
    if (order === "ascending") return fields.toSorted((a, b) => a.number - b.number);
    if (order === "descending") return fields.toSorted((a, b) => b.number - a.number);
    return this.#shuffle(fields);
  }

  /** The bytes of all occurrences of a field. */
  #field(field: Field, depth: number): Buffer[] {
    const count = this.#count(field, depth);
    if (field.packed !== true) return this.#times(count, () => this.#single(field, depth));
    const values = this.#times(count, () => this.#scalar(field.kind));
    if (this.#below(2) === 0) return values.map((v) => Buffer.concat([tagOf(field), v]));
    return [lengthDelimited(field.number, Buffer.concat(values))];
  }

  #count(field: Field, depth: number): number {
    const isValue = field.message === "AnyValue" || field.message === "KeyValue";
    if (isValue && depth > 6 && this.#below(3) > 0) return 0;
    if (field.repeated === true) return this.#below(depth === 0 ? 3 : 4);
    return field.oneof !== undefined || this.#below(4) > 0 ? 1 : 0;
  }

  #single(field: Field, depth: number): Buffer {
    if (field.kind === "message") {
      return lengthDelimited(field.number, this.message(field.message!, depth + 1));
    }
    const value = this.#scalar(field.kind);
    const isLength = !varintKinds.has(field.kind) && tagType(field.kind) === 2;
    return isLength ? lengthDelimited(field.number, value) : Buffer.concat([tagOf(field), value]);
  }

  #scalar(kind: FieldKind): Buffer {
    if (kind === "string") return Buffer.from(this.#pick(texts));
    if (kind === "bytes") return this.#bytes(this.#below(20));
    if (kind === "traceId") return this.#bytes(this.#pick([0, 16]));
    if (kind === "spanId") return this.#bytes(this.#pick([0, 8]));
    if (kind === "bool") return varint(BigInt(this.#below(2)));
    if (kind === "int64") return varint(this.#pick([...integers, -1n, -(1n << 63n)]));
    if (kind === "uint64") return varint(this.#pick([...integers, (1n << 64n) - 1n]));
    if (varintKinds.has(kind)) return varint(this.#pick([0n, 1n, 2n, 127n, (1n << 31n) - 1n]));
    const fixed = Buffer.alloc(kind === "fixed32" ? 4 : 8);
    if (kind === "fixed32") fixed.writeUInt32LE(this.#pick([0, 1, 257, 0xffffffff]));
    else if (kind === "double") fixed.writeDoubleLE(this.#pick(doubles));
    else fixed.writeBigInt64LE(this.#pick([...integers, -1n]));
    return fixed;
  }

  #unknownField(): { number: number; bytes: Buffer } {
    const number = this.#pick([17, 99, 1001, 536_870_911]);
    const bytes = this.#pick([
      Buffer.concat([tag(number, 0), varint(this.#pick(integers))]),
      Buffer.concat([tag(number, 1), this.#bytes(8)]),
      lengthDelimited(number, this.#bytes(this.#below(200))),
      Buffer.concat([tag(number, 5), this.#bytes(4)]),
    ]);
    return { number, bytes };
  }

  #bytes(length: number): Buffer {
    return Buffer.from(this.#times(length, () => this.#below(256)));
  }

  #times<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!;
  }

  #shuffle<T>(from: readonly T[]): T[] {
    const result = [...from];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }

  /** mulberry32. */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
}

function tagType(kind: FieldKind): number {
  if (varintKinds.has(kind)) return 0;
  if (fixed64Kinds.has(kind)) return 1;
  return kind === "fixed32" ? 5 : 2;
}

const tagOf = (field: Field) => tag(field.number, tagType(field.kind));

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export function tag(number: number, wireType: number): Buffer {
  return varint(BigInt(number * 8 + wireType));
}

export function lengthDelimited(number: number, body: Uint8Array): Buffer {
  return Buffer.concat([tag(number, 2), varint(BigInt(body.length)), body]);
}
