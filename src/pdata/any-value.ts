/**
 * AnyValue to and from JavaScript values. Integers are bigint and doubles number, so that both survive.
 *
 *     KeyValue  = 1: key (string)  2: value (AnyValue)
 *     AnyValue  = one of  1: string  2: bool  3: int64 varint  4: double  5: ArrayValue  6: KeyValueList  7: bytes
 *     ArrayValue = repeated 1: AnyValue          KeyValueList = repeated 1: KeyValue
 */
import { Cursor, type Writer, wireFixed64, wireVarint } from "./wire.ts";

/** undefined: a value with no member set. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | AttributeValue[]
  | Map<string, AttributeValue>
  | undefined;

/** The value of the AnyValue at [start, end). Bytes are copied. The last member counts, as in protobuf. */
export function readAnyValue(bytes: Uint8Array, start: number, end: number): AttributeValue {
  const c = new Cursor().reset(bytes, start, end);
  let value: AttributeValue;
  while (c.next()) {
    if (c.number >= 1 && c.number <= 7) value = readMember(c);
  }
  return value;
}

function readMember(c: Cursor): AttributeValue {
  switch (c.number) {
    case 1:
      return c.string();
    case 2:
      return c.varint64() !== 0n;
    case 3:
      return BigInt.asIntN(64, c.varint64());
    case 4:
      return c.double();
    case 5:
      return readArray(c.bytes, c.valueStart, c.valueEnd);
    case 6:
      return readKeyValues(c.bytes, c.valueStart, c.valueEnd, 1);
    default:
      return Uint8Array.from(c.view());
  }
}

function readArray(bytes: Uint8Array, start: number, end: number): AttributeValue[] {
  const c = new Cursor().reset(bytes, start, end);
  const values: AttributeValue[] = [];
  while (c.next()) if (c.number === 1) values.push(readAnyValue(bytes, c.valueStart, c.valueEnd));
  return values;
}

/** The repeated KeyValue fields of one number in the message at [start, end). The last of equal keys counts. */
export function readKeyValues(
  bytes: Uint8Array,
  start: number,
  end: number,
  number: number,
): Map<string, AttributeValue> {
  const c = new Cursor().reset(bytes, start, end);
  const values = new Map<string, AttributeValue>();
  while (c.next()) if (c.number === number) readKeyValue(c, values);
  return values;
}

function readKeyValue(at: Cursor, into: Map<string, AttributeValue>): void {
  const c = new Cursor().reset(at.bytes, at.valueStart, at.valueEnd);
  let key = "";
  let value: AttributeValue;
  while (c.next()) {
    if (c.number === 1) key = c.string();
    // A value given twice is merged: what sets no member changes nothing.
    else if (c.number === 2) value = readAnyValue(c.bytes, c.valueStart, c.valueEnd) ?? value;
  }
  into.set(key, value);
}

/** Writes the body of an AnyValue. */
export function writeAnyValue(out: Writer, value: AttributeValue): void {
  if (typeof value === "string") {
    out.string(1, value);
  } else if (typeof value === "boolean") {
    out.tag(2, wireVarint);
    out.varint(value ? 1 : 0);
  } else if (typeof value === "bigint") {
    out.tag(3, wireVarint);
    out.varint64(value);
  } else if (typeof value === "number") {
    out.tag(4, wireFixed64);
    out.double(value);
  } else if (value !== undefined) {
    writeComposite(out, value);
  }
}

function writeComposite(
  out: Writer,
  value: Uint8Array | AttributeValue[] | Map<string, AttributeValue>,
): void {
  if (value instanceof Uint8Array) return out.lengthDelimited(7, value);
  const isArray = Array.isArray(value);
  const handle = out.begin(isArray ? 5 : 6, 1);
  if (isArray) for (const item of value) writeArrayItem(out, item);
  else for (const [key, item] of value) writeKeyValue(out, 1, key, item);
  out.end(handle);
}

function writeArrayItem(out: Writer, value: AttributeValue): void {
  const handle = out.begin(1, 1);
  writeAnyValue(out, value);
  out.end(handle);
}

/** Writes a KeyValue field of the given number. */
export function writeKeyValue(
  out: Writer,
  number: number,
  key: string,
  value: AttributeValue,
): void {
  const handle = out.begin(number, 1);
  out.string(1, key);
  const valueHandle = out.begin(2, 1);
  writeAnyValue(out, value);
  out.end(valueHandle);
  out.end(handle);
}
