/** Splitting a payload by the value of a resource attribute, and that value to a path below the root. */
import { Cursor } from "../../src/pdata/wire.ts";

export interface Groups {
  /** Parts (whole resources) by the attribute's value. */
  readonly bySegment: ReadonlyMap<string, readonly Uint8Array[]>;
  /** Resources that lack the attribute, or have it as something else than text. */
  readonly missing: readonly Uint8Array[];
}

/** Resources in front and behind are neighbours in the same part, so most groups are few, long views. */
export function groupByAttribute(parts: readonly Uint8Array[], key: string): Groups {
  const bySegment = new Map<string, Uint8Array[]>();
  const missing: Uint8Array[] = [];
  for (const part of parts) {
    const cursor = new Cursor().reset(part);
    while (cursor.next()) {
      if (cursor.number !== 1) continue;
      const segment = attributeOf(part, cursor.valueStart, cursor.valueEnd, key);
      const view = part.subarray(cursor.fieldStart, cursor.valueEnd);
      if (segment === undefined) missing.push(view);
      else {
        const group = bySegment.get(segment);
        if (group === undefined) bySegment.set(segment, [view]);
        else group.push(view);
      }
    }
  }
  return { bySegment, missing };
}

/** The text of an attribute of ResourceX.resource. */
function attributeOf(bytes: Uint8Array, start: number, end: number, key: string) {
  const resource = new Cursor().reset(bytes, start, end);
  while (resource.next()) {
    if (resource.number !== 1) continue;
    const attribute = new Cursor().reset(bytes, resource.valueStart, resource.valueEnd);
    while (attribute.next()) {
      if (attribute.number !== 1) continue;
      const text = textOf(bytes, attribute.valueStart, attribute.valueEnd, key);
      if (text !== undefined) return text;
    }
  }
  return undefined;
}

/** The text of a KeyValue with this key. Key and value stand in either order. */
function textOf(bytes: Uint8Array, start: number, end: number, key: string) {
  const cursor = new Cursor().reset(bytes, start, end);
  let isKey = key === "";
  let text: string | undefined;
  while (cursor.next()) {
    if (cursor.number === 1) isKey = cursor.string() === key;
    else if (cursor.number === 2) {
      const value = new Cursor().reset(bytes, cursor.valueStart, cursor.valueEnd);
      // Of a oneof the last member counts.
      while (value.next())
        if (value.number <= 7) text = value.number === 1 ? value.string() : undefined;
    }
  }
  return isKey ? text : undefined;
}

/**
 * The path for one value: `/` makes directories, as in the Collector, but nothing leads out of the root: empty
 * steps, `.`, `..` and NUL are removed.
 */
export function pathOf(prefix: string, segment: string, suffix: string): string {
  const steps = segment
    .replaceAll("\0", "")
    .split(/[/\\]/)
    .filter((step) => step !== "" && step !== "." && step !== "..");
  return prefix + steps.join("/") + suffix;
}
