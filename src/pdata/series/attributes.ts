/**
 * Attributes as names and texts: what series identity and labels are made of.
 *
 *     KeyValue = key:1 value:2        either order
 *     AnyValue = string:1 | bool:2 | int:3 | double:4 | array:5 | map:6 | bytes:7
 */
import { Cursor } from "../wire.ts";

export interface Attribute {
  readonly key: string;
  /** The value as text (OpenTelemetry: AnyValue to string): decimal, shortest double, JSON, base64. */
  readonly text: string;
  /** Field number of the value in AnyValue; 0: no value. */
  readonly type: number;
  /** A text value's bytes, each as a character, where it may not be UTF-8: the text would not tell it from others. */
  readonly raw?: string;
}

/** The KeyValue fields `number` of the message at [start, end), sorted by key. */
export function decodeAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  number: number,
): Attribute[] {
  const attributes: Attribute[] = [];
  const cursor = new Cursor().reset(bytes, start, end);
  while (cursor.next()) {
    if (cursor.number !== number) continue;
    attributes.push(decodeKeyValue(bytes, cursor.valueStart, cursor.valueEnd));
  }
  return attributes.toSorted((a, b) => compareText(a.key, b.key));
}

/** Code unit order, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function decodeKeyValue(bytes: Uint8Array, start: number, end: number): Attribute {
  const { key, value } = splitKeyValue(bytes, start, end);
  const { type, raw } = value;
  const text = textOf(value);
  return raw === undefined ? { key, text, type } : { key, text, type, raw };
}

function splitKeyValue(
  bytes: Uint8Array,
  start: number,
  end: number,
): { key: string; value: AnyValue } {
  const cursor = new Cursor().reset(bytes, start, end);
  let key = "";
  let value: AnyValue = absent;
  while (cursor.next()) {
    if (cursor.number === 1) {
      key = cursor.string();
    } else if (cursor.number === 2) {
      const given = decodeValue(bytes, cursor.valueStart, cursor.valueEnd);
      // A value given twice is merged: what sets no member changes nothing.
      if (given.type !== 0) value = given;
    }
  }
  return { key, value };
}

type Json = string | number | bigint | boolean | null | Json[] | Map<string, Json>;

interface AnyValue {
  readonly type: number;
  readonly json: Json;
  readonly raw?: string;
}

/** Stands in texts where the bytes were no UTF-8. */
const replacement = "\u{FFFD}";
const absent: AnyValue = { type: 0, json: null };

function textOf({ type, json }: AnyValue): string {
  if (type === 0) return "";
  if (typeof json === "string") return json;
  return typeof json === "number" ? String(json) : jsonText(json);
}

function decodeValue(bytes: Uint8Array, start: number, end: number): AnyValue {
  const cursor = new Cursor().reset(bytes, start, end);
  let value = absent;
  while (cursor.next()) {
    const json = decodeMember(cursor);
    if (json === undefined) continue;
    value = { type: cursor.number, json };
    if (typeof json === "string" && json.includes(replacement)) {
      value = { ...value, raw: Buffer.from(cursor.view()).toString("latin1") };
    }
  }
  return value;
}

function decodeMember(cursor: Cursor): Json | undefined {
  switch (cursor.number) {
    case 1:
      return cursor.string();
    case 2:
      return cursor.varint() !== 0;
    case 3:
      return BigInt.asIntN(64, cursor.varint64());
    case 4:
      return cursor.double();
    case 5:
      return children(cursor).map(([from, to]) => decodeValue(cursor.bytes, from, to).json);
    case 6:
      return new Map(children(cursor).map(([from, to]) => entry(cursor.bytes, from, to)));
    case 7:
      return Buffer.from(cursor.view()).toString("base64");
    default:
      return undefined;
  }
}

/** Ranges of the field 1 of a list's message. */
function children(list: Cursor): [start: number, end: number][] {
  const found: [number, number][] = [];
  const cursor = new Cursor().reset(list.bytes, list.valueStart, list.valueEnd);
  while (cursor.next()) {
    if (cursor.number === 1) found.push([cursor.valueStart, cursor.valueEnd]);
  }
  return found;
}

function entry(bytes: Uint8Array, start: number, end: number): [string, Json] {
  const { key, value } = splitKeyValue(bytes, start, end);
  return [key, value.json];
}

/** JSON with the keys of maps sorted; numbers that JSON cannot say become texts. */
function jsonText(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return JSON.stringify(String(value));
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  if (value instanceof Map) {
    const keys = [...value.keys()].toSorted(compareText);
    return `{${keys.map((key) => `${JSON.stringify(key)}:${jsonText(value.get(key)!)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Equal for equal sets, whatever their order; `attributes` are sorted by key. */
export function canonicalText(attributes: readonly Attribute[]): string {
  return JSON.stringify(
    attributes.map(({ key, text, type, raw }) =>
      raw === undefined ? [key, type, text] : [key, type, text, raw],
    ),
  );
}
