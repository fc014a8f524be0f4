/** Attribute values as text, as the Collector's pcommon.Value prints them. */
import { formatAttributeDouble, formatJsonNumber } from "./go-format.ts";
import type { AnyValue, Double, KeyValue } from "./otlp-json.ts";

/** The number behind a double of OTLP/JSON. */
export const numberOf = (value: Double = 0): number => Number(value);

/** `Str(text)`, `Int(1)`, `Map({…})` … */
export const typedText = (value: AnyValue = {}): string => `${typeName(value)}(${asText(value)})`;

function typeName(value: AnyValue): string {
  if (value.stringValue !== undefined) return "Str";
  if (value.intValue !== undefined) return "Int";
  if (value.doubleValue !== undefined) return "Double";
  if (value.boolValue !== undefined) return "Bool";
  if (value.kvlistValue !== undefined) return "Map";
  if (value.arrayValue !== undefined) return "Slice";
  return value.bytesValue === undefined ? "Empty" : "Bytes";
}

/** The value alone; maps and arrays as JSON, bytes in base64, nothing as empty text. */
export function asText(value: AnyValue = {}): string {
  const { stringValue, intValue, doubleValue, boolValue, bytesValue } = value;
  if (doubleValue !== undefined) return formatAttributeDouble(numberOf(doubleValue));
  if (boolValue !== undefined) return String(boolValue);
  if (value.kvlistValue !== undefined || value.arrayValue !== undefined) {
    // encoding/json refuses NaN and infinities, and the Collector prints nothing then.
    return toJson(value) ?? "";
  }
  return stringValue ?? intValue ?? bytesValue ?? "";
}

/** JSON as Go's encoding/json writes it; undefined: there is none. */
function toJson(value: AnyValue = {}): string | undefined {
  const { stringValue, intValue, doubleValue, boolValue, bytesValue } = value;
  if (stringValue !== undefined) return quote(stringValue);
  if (intValue !== undefined) return intValue;
  if (boolValue !== undefined) return String(boolValue);
  if (bytesValue !== undefined) return quote(bytesValue);
  if (doubleValue !== undefined) {
    const number = numberOf(doubleValue);
    return Number.isFinite(number) ? formatJsonNumber(number) : undefined;
  }
  if (value.arrayValue !== undefined) return arrayToJson(value.arrayValue.values ?? []);
  return value.kvlistValue === undefined ? "null" : mapToJson(value.kvlistValue.values ?? []);
}

function arrayToJson(values: readonly AnyValue[]): string | undefined {
  const texts = values.map(toJson);
  return texts.includes(undefined) ? undefined : `[${texts.join(",")}]`;
}

/** Keys in order of their bytes; of two equal ones the last counts. */
function mapToJson(entries: readonly KeyValue[]): string | undefined {
  const members = new Map(entries.map(({ key = "", value }) => [key, value]));
  const keys = [...members.keys()].toSorted((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const texts = keys.map((key) => {
    const text = toJson(members.get(key));
    return text === undefined ? undefined : `${quote(key)}:${text}`;
  });
  return texts.includes(undefined) ? undefined : `{${texts.join(",")}}`;
}

/** Go escapes what could end a script element, too. */
const quote = (text: string) =>
  JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** `key=value` of each attribute. */
export const pairsOf = (attributes: readonly KeyValue[] = []): string[] =>
  attributes.map(({ key = "", value }) => `${key}=${asText(value)}`);
