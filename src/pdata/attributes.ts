/** Reading and editing the attributes of one message without decoding the rest of it. */

import { type AttributeValue, readAnyValue, writeKeyValue } from "./any-value.ts";
import type { MessageName } from "./otlp-schema.ts";
import { otlpMessages } from "./otlp-schema.ts";
import { drop, keep, type MetricKind, type Verdict } from "./rewriter.ts";
import { Cursor, decodeUtf8, Writer } from "./wire.ts";

export {
  type AttributeValue,
  readAnyValue,
  readKeyValues,
  writeAnyValue,
  writeKeyValue,
} from "./any-value.ts";

/** Field number of the attributes of a message (filteredAttributes of an exemplar). */
export function attributesField(message: MessageName): number {
  const field = otlpMessages[message].find((f) => /^(filteredA|a)ttributes$/u.test(f.name));
  if (field === undefined) throw new Error(`BUG: ${message} has no attributes`);
  return field.number;
}

/** Field number of the attributes of a data point. */
export const pointAttributesField: Readonly<Record<MetricKind, number>> = {
  gauge: attributesField("NumberDataPoint"),
  sum: attributesField("NumberDataPoint"),
  histogram: attributesField("HistogramDataPoint"),
  exponentialHistogram: attributesField("ExponentialHistogramDataPoint"),
  summary: attributesField("SummaryDataPoint"),
  none: 0,
};

/**
 * Walks the attributes of one message; reused like Cursor. After `next`, the key lies at [keyStart, keyEnd)
 * and the AnyValue at [valueStart, valueEnd) of `bytes`; an absent key or value is an empty range.
 */
export class AttributeCursor {
  bytes: Uint8Array = new Uint8Array(0);
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  /** The whole field. */
  fieldStart = 0;
  fieldEnd = 0;
  #number = 0;
  readonly #fields = new Cursor();
  readonly #inner = new Cursor();

  /** `number` is the field number of the attributes in the message at [start, end). */
  reset(bytes: Uint8Array, start: number, end: number, number: number): this {
    this.bytes = bytes;
    this.#number = number;
    this.#fields.reset(bytes, start, end);
    return this;
  }

  next(): boolean {
    const c = this.#fields;
    while (c.next()) {
      if (c.number !== this.#number) continue;
      this.fieldStart = c.fieldStart;
      this.fieldEnd = c.valueEnd;
      this.#split(c.valueStart, c.valueEnd);
      return true;
    }
    return false;
  }

  /** Short key and value fields in either order directly, everything else through a cursor. */
  #split(start: number, end: number): void {
    const b = this.bytes;
    const first = b[start];
    const middle = start + 2 + b[start + 1]!;
    if (end - start < 128 && middle + 2 <= end && end === middle + 2 + b[middle + 1]!) {
      if (first === 0x0a && b[middle] === 0x12) {
        this.#set(start + 2, middle, middle + 2, end);
        return;
      }
      if (first === 0x12 && b[middle] === 0x0a) {
        this.#set(middle + 2, end, start + 2, middle);
        return;
      }
    }
    this.#splitSlowly(start, end);
  }

  #splitSlowly(start: number, end: number): void {
    const c = this.#inner.reset(this.bytes, start, end);
    this.#set(start, start, start, start);
    while (c.next()) {
      if (c.number === 1) {
        this.keyStart = c.valueStart;
        this.keyEnd = c.valueEnd;
      } else if (c.number === 2 && setsMember(c.bytes, c.valueStart, c.valueEnd)) {
        // A value given twice is merged: what sets no member changes nothing.
        this.valueStart = c.valueStart;
        this.valueEnd = c.valueEnd;
      }
    }
  }

  #set(keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.valueStart = valueStart;
    this.valueEnd = valueEnd;
  }

  /** Whether the key is this UTF-8 text. */
  keyIs(key: Uint8Array): boolean {
    const { length } = key;
    const start = this.keyStart;
    if (this.keyEnd - start !== length) return false;
    const b = this.bytes;
    // From the end: keys of one namespace differ there.
    for (let i = length - 1; i >= 0; i--) if (b[start + i] !== key[i]) return false;
    return true;
  }

  key(): string {
    return decodeUtf8(this.bytes, this.keyStart, this.keyEnd);
  }

  value(): AttributeValue {
    return readAnyValue(this.bytes, this.valueStart, this.valueEnd);
  }

  /** The text of a string value; undefined for a value of another kind. */
  text(): string | undefined {
    const b = this.bytes;
    const start = this.valueStart;
    const length = this.valueEnd - start;
    // One short string field, by far the most frequent value.
    if (length >= 2 && length < 128 && b[start] === 0x0a && b[start + 1] === length - 2) {
      return decodeUtf8(b, start + 2, this.valueEnd);
    }
    const value = this.value();
    return typeof value === "string" ? value : undefined;
  }
}

const members = new Cursor();

function setsMember(bytes: Uint8Array, start: number, end: number): boolean {
  const c = members.reset(bytes, start, end);
  while (c.next()) if (c.number <= 7) return true;
  return false;
}

const finder = new AttributeCursor();

/**
 * Finds an attribute by its key (UTF-8); the last of equal keys. The result is a reused cursor: read it
 * before the next call.
 */
export function findAttribute(
  bytes: Uint8Array,
  start: number,
  end: number,
  number: number,
  key: Uint8Array,
): AttributeCursor | undefined {
  const c = finder.reset(bytes, start, end, number);
  let found = -1;
  let foundEnd = 0;
  while (c.next()) {
    if (!c.keyIs(key)) continue;
    found = c.fieldStart;
    foundEnd = c.fieldEnd;
  }
  if (found < 0) return undefined;
  c.reset(bytes, found, foundEnd, number).next();
  return c;
}

/** What to do with one attribute: keep, drop, or write its whole new field to `out` and return replaced. */
export type AttributeEdit = (attribute: AttributeCursor, out: Writer) => Verdict;

const editCursor = new AttributeCursor();

/**
 * Shows each attribute of the message at [start, end) to `edit` and writes the message as it leaves it to
 * `out`; all other fields are copied. false: nothing changed and nothing was written. To add an attribute,
 * write it behind (`writeKeyValue`, or the bytes of `encodeAttribute`). `edit` must not nest another edit.
 */
export function rewriteAttributes(
  message: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
  number: number,
  edit: AttributeEdit,
  out: Writer,
): boolean {
  const { bytes, start, end } = message;
  const c = editCursor.reset(bytes, start, end, number);
  const begin = out.position;
  let copied = start;
  let changed = false;
  while (c.next()) {
    out.raw(bytes, copied, c.fieldStart);
    const mark = out.position;
    const verdict = edit(c, out);
    if (verdict === keep) {
      out.position = mark;
      copied = c.fieldStart;
      continue;
    }
    if (verdict === drop) out.position = mark;
    copied = c.fieldEnd;
    changed = true;
  }
  if (!changed) {
    out.position = begin;
    return false;
  }
  out.raw(bytes, copied, end);
  return true;
}

/** The bytes of a whole attribute field, to be written again and again with `out.raw`. */
export function encodeAttribute(number: number, key: string, value: AttributeValue): Uint8Array {
  const out = new Writer(64);
  writeKeyValue(out, number, key, value);
  return out.take();
}
