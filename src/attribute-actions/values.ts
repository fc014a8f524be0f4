/** Values of attributes as the bytes of an AnyValue, and what actions make of them. */
import { createHash } from "../node-crypto.ts";
import {
  type AttributeValue,
  encodeAttribute,
  readAnyValue,
  writeAnyValue,
} from "../pdata/attributes.ts";
import { decodeAttributes } from "../pdata/series/attributes.ts";
import { Writer } from "../pdata/wire.ts";
import type { Bytes } from "./attribute-set.ts";

/** The bytes of an AnyValue. */
export function encodeValue(value: AttributeValue): Bytes {
  const out = new Writer(64);
  writeAnyValue(out, value);
  const bytes = out.take();
  return { bytes, start: 0, end: bytes.length };
}

export function valueOf({ bytes, start, end }: Bytes): AttributeValue {
  return readAnyValue(bytes, start, end);
}

/** A value from a config file: whole numbers become integers, lists arrays, sections maps. */
export function valueFromConfig(raw: unknown): AttributeValue {
  if (typeof raw === "number") return Number.isSafeInteger(raw) ? BigInt(raw) : raw;
  if (typeof raw === "bigint") return BigInt.asIntN(64, raw);
  if (typeof raw === "string" || typeof raw === "boolean") return raw;
  if (Array.isArray(raw)) return raw.map(valueFromConfig);
  if (typeof raw !== "object" || raw === null) return undefined;
  return new Map(Object.entries(raw).map(([key, value]) => [key, valueFromConfig(value)]));
}

/** Any value as text: decimal numbers, JSON for lists and maps, base64 for bytes. */
export function textOfValue(value: AttributeValue): string {
  if (typeof value === "string") return value;
  const field = encodeAttribute(1, "", value);
  return decodeAttributes(field, 0, field.length, 1)[0]!.text;
}

/** SHA-256 in hexadecimal; "" for what the Collector does not hash: lists, maps, bytes and no value at all. */
export function hashOfValue(value: AttributeValue): string {
  const bytes = bytesToHash(value);
  return bytes === undefined ? "" : createHash("sha256").update(bytes).digest("hex");
}

function bytesToHash(value: AttributeValue): Buffer | undefined {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (typeof value === "boolean") return Buffer.from([value ? 1 : 0]);
  const eight = Buffer.alloc(8);
  if (typeof value === "bigint") eight.writeBigInt64LE(value);
  else if (typeof value === "number") eight.writeDoubleLE(value);
  else return undefined;
  return eight;
}

export type ConvertedType = "int" | "double" | "string";

/** The value as another type; undefined: it cannot be converted, or is of that type already. */
export function convertedValue(value: AttributeValue, to: ConvertedType): AttributeValue {
  if (to === "string") return typeof value === "string" ? undefined : textOfValue(value);
  return to === "int" ? toInt(value) : toDouble(value);
}

const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;

function toInt(value: AttributeValue): bigint | undefined {
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number")
    return Number.isFinite(value) ? within(Math.trunc(value)) : undefined;
  if (typeof value !== "string" || !/^[+-]?\d{1,400}$/u.test(value)) return undefined;
  return within(value.replace("+", ""));
}

function within(value: string | number): bigint | undefined {
  const integer = BigInt(value);
  return integer >= minInt64 && integer <= maxInt64 ? integer : undefined;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/u;
const infinity = /^([+-]?)inf(?:inity)?$/iu;

/** As Go's ParseFloat, without hexadecimal floats. */
function toDouble(value: AttributeValue): number | undefined {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "string") return undefined;
  const sign = infinity.exec(value)?.[1];
  if (sign !== undefined) return sign === "-" ? -Infinity : Infinity;
  if (/^nan$/iu.test(value)) return Number.NaN;
  if (!decimal.test(value)) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}
