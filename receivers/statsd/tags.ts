/** Tags to attributes: once a series, not once a line. */
import { writeKeyValue } from "../../src/pdata/any-value.ts";
import { decodeUtf8, Writer } from "../../src/pdata/wire.ts";
import type { Line } from "./line.ts";

export interface Attribute {
  readonly key: string;
  readonly value: string | boolean;
}

const comma = 44;
const colon = 58;

/**
 * The attributes of a line by key, the last of equal keys counting; undefined: a tag is malformed, and the
 * line's error range says which.
 */
export function attributesOf(line: Line, simpleTags: boolean): Map<string, string> | undefined {
  const attributes = new Map<string, string>();
  if (!addTags(line, line.tagsStart, line.tagsEnd, simpleTags, attributes)) return undefined;
  const { moreTags } = line;
  for (let i = 0; i < moreTags.length; i += 2) {
    if (!addTags(line, moreTags[i]!, moreTags[i + 1]!, simpleTags, attributes)) return undefined;
  }
  if (line.containerEnd > line.containerStart) {
    attributes.set("container.id", decodeUtf8(line.bytes, line.containerStart, line.containerEnd));
  }
  return attributes;
}

function addTags(
  line: Line,
  tagsStart: number,
  tagsEnd: number,
  simpleTags: boolean,
  attributes: Map<string, string>,
): boolean {
  const { bytes } = line;
  for (let start = tagsStart; start < tagsEnd; ) {
    let end = start;
    let colonAt = -1;
    for (; end < tagsEnd && bytes[end] !== comma; end++) {
      if (colonAt < 0 && bytes[end] === colon) colonAt = end;
    }
    const keyEnd = colonAt < 0 ? end : colonAt;
    const valueStart = colonAt < 0 ? end : colonAt + 1;
    if (end > start && (keyEnd === start || (valueStart === end && !simpleTags))) {
      line.errorStart = start;
      line.errorEnd = end;
      return false;
    }
    if (end > start) {
      attributes.set(decodeUtf8(bytes, start, keyEnd), decodeUtf8(bytes, valueStart, end));
    }
    start = end + 1;
  }
  return true;
}

/** Sorted by key, so that the order of tags does not matter. */
export function sorted(attributes: ReadonlyMap<string, string>): Attribute[] {
  return [...attributes]
    .map(([key, value]) => ({ key, value }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** One text for one set of attributes. */
export function canonicalText(attributes: readonly Attribute[]): string {
  let text = "";
  for (const { key, value } of attributes)
    text += `${key.length}:${key}${String(value).length}:${value}`;
  return text;
}

const writer = new Writer(256);

/** KeyValue fields of the given number, to be copied into every point of the series. */
export function encodeAttributes(field: number, attributes: readonly Attribute[]): Uint8Array {
  writer.reset();
  for (const { key, value } of attributes) writeKeyValue(writer, field, key, value);
  // Node's pool: a buffer of its own would cost each series more than the attributes themselves.
  return Buffer.from(writer.bytes.subarray(0, writer.position));
}
