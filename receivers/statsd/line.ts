/**
 * One StatsD line, in the dialects of Etsy and Datadog, read from the bytes of the packet:
 *
 *     name:value[:value…]|type[|@rate][|#tag:value,…][|c:container][|T<unix seconds>][|e:…][|card:…]
 *
 * Runs once a line, so it makes no objects and no strings: the parts are offsets in one reused object.
 */
import { isNanText, parseNumber, parseSeconds } from "./number.ts";

/** Why a line is not taken; the label of rmt_statsd_refused_lines. */
export type Refusal =
  | "format"
  | "empty_name"
  | "empty_value"
  | "type"
  | "value"
  | "non_finite"
  | "sample_rate"
  | "tag"
  | "timestamp"
  | "part"
  | "too_long"
  | "negative_counter"
  | "overflow"
  | "unmapped_type"
  | "series_limit"
  | "set_limit"
  | "memory_budget";

export type LineType = "c" | "g" | "ms" | "h" | "d" | "s";
/** By type code: the number that takes part in a series' identity. */
export const lineTypes: readonly LineType[] = ["c", "g", "ms", "h", "d", "s"];
export const gaugeCode = 1;
export const setCode = 5;

const colon = 58;
const pipe = 124;
const at = 64;
const hash = 35;
const plus = 43;
const minus = 45;
const letterC = 99;
const letterD = 100;
const letterE = 101;
const letterG = 103;
const letterH = 104;
const letterM = 109;
const letterS = 115;
const letterT = 84;

/** A weight of more would no longer be counted exactly. */
const smallestRate = 1e-9;

/** The parts of the line that was parsed last. */
export class Line {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  nameEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  typeCode = 0;
  /** The first `valueCount` are the line's numbers, in order; a set has none. */
  readonly values: number[] = [];
  /** Whether each of them has a sign, which makes a gauge's value relative. */
  readonly areSigned: boolean[] = [];
  valueCount = 0;
  /** 1 unless between 0 and 1. */
  rate = 1;
  /** Without the #; empty: none. */
  tagsStart = 0;
  tagsEnd = 0;
  containerStart = 0;
  containerEnd = 0;
  /** Unix seconds; 0: none. */
  timestamp = 0;
  /** Starts and ends of further tag parts; a line mostly has one. */
  readonly moreTags: number[] = [];
  /** What the refusal is about. */
  errorStart = 0;
  errorEnd = 0;

  /** Reads [start, end), which is not empty; undefined: it is well-formed. */
  parse(bytes: Uint8Array, start: number, end: number): Refusal | undefined {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.rate = 1;
    this.timestamp = 0;
    this.tagsStart = 0;
    this.tagsEnd = 0;
    this.containerStart = 0;
    this.containerEnd = 0;
    if (this.moreTags.length > 0) this.moreTags.length = 0;
    let p = start;
    let byte = 0;
    while (p < end && (byte = bytes[p]!) !== colon && byte !== pipe) p++;
    if (p === end || byte === pipe) return this.#refuse("format", start, p);
    this.nameEnd = p;
    this.valueStart = ++p;
    let packed = false;
    while (p < end && (byte = bytes[p]!) !== pipe) {
      if (byte === colon) packed = true;
      p++;
    }
    if (p === end) return this.#refuse("format", start, end);
    this.valueEnd = p;
    return this.#readRest(packed);
  }

  /** In the order in which the Collector looks: names, type, parts, values. */
  #readRest(packed: boolean): Refusal | undefined {
    const { start, end, valueStart, valueEnd } = this;
    if (this.nameEnd === start) return this.#refuse("empty_name", start, start);
    if (valueEnd === valueStart) return this.#refuse("empty_value", valueEnd, valueEnd);
    const typeStart = valueEnd + 1;
    const typeEnd = this.#readType(typeStart);
    if (typeEnd < 0) return this.#refuse("type", typeStart, this.#partEnd(typeStart));
    if (typeEnd < end) {
      const refusal = this.#readParts(typeEnd + 1);
      if (refusal !== undefined) return refusal;
    }
    return this.#readValues(packed);
  }

  #refuse(refusal: Refusal, errorStart: number, errorEnd: number): Refusal {
    this.errorStart = errorStart;
    this.errorEnd = errorEnd;
    return refusal;
  }

  /** Position behind the type; -1: it is none. */
  #readType(p: number): number {
    const { bytes, end } = this;
    const first = p < end ? bytes[p]! : 0;
    let code = -1;
    let after = p + 1;
    if (first === letterC) code = 0;
    else if (first === letterG) code = 1;
    else if (first === letterM && after < end && bytes[after] === letterS) {
      code = 2;
      after++;
    } else if (first === letterH) code = 3;
    else if (first === letterD) code = 4;
    else if (first === letterS) code = 5;
    if (code < 0 || (after < end && bytes[after] !== pipe)) return -1;
    this.typeCode = code;
    return after;
  }

  #partEnd(from: number): number {
    let p = from;
    while (p < this.end && this.bytes[p] !== pipe) p++;
    return p;
  }

  /** The parts behind the type; an empty one ends them, as in the Collector. */
  #readParts(from: number): Refusal | undefined {
    const { bytes, end } = this;
    let start = from;
    while (start < end) {
      const partEnd = this.#partEnd(start);
      if (partEnd === start) return undefined;
      const first = bytes[start]!;
      if (first === hash) this.#readTags(start + 1, partEnd);
      else {
        const refusal = this.#readPart(first, start, partEnd);
        if (refusal !== undefined) return refusal;
      }
      start = partEnd + 1;
    }
    return undefined;
  }

  #readTags(start: number, end: number): void {
    if (this.tagsEnd > 0) this.moreTags.push(start, end);
    else {
      this.tagsStart = start;
      this.tagsEnd = end;
    }
  }

  #readPart(first: number, start: number, end: number): Refusal | undefined {
    if (first === at) return this.#readRate(start + 1, end);
    if (first === letterT) return this.#readTimestamp(start + 1, end);
    const isTwoLetters = this.bytes[start + 1] === colon && start + 1 < end;
    if (first === letterC && isTwoLetters) {
      this.containerStart = start + 2;
      this.containerEnd = end;
      return undefined;
    }
    if ((first === letterE && isTwoLetters) || this.#isCardinality(start, end)) return undefined;
    return this.#refuse("part", start, end);
  }

  #isCardinality(start: number, end: number): boolean {
    return end - start >= 5 && Buffer.from(this.bytes.subarray(start, start + 5)).equals(card);
  }

  #readRate(start: number, end: number): Refusal | undefined {
    const rate = parseNumber(this.bytes, start, end);
    if (!Number.isFinite(rate) || (rate > 0 && rate < smallestRate)) {
      return this.#refuse("sample_rate", start, end);
    }
    this.rate = rate > 0 && rate < 1 ? rate : 1;
    return undefined;
  }

  #readTimestamp(start: number, end: number): Refusal | undefined {
    if (this.typeCode > gaugeCode) return this.#refuse("timestamp", start - 1, start - 1);
    this.timestamp = parseSeconds(this.bytes, start, end);
    return Number.isNaN(this.timestamp) ? this.#refuse("timestamp", start, end) : undefined;
  }

  #readValues(packed: boolean): Refusal | undefined {
    this.valueCount = 0;
    if (this.typeCode === setCode) return undefined;
    if (!packed) return this.#readValue(this.valueStart, this.valueEnd);
    let start = this.valueStart;
    for (let p = start; p <= this.valueEnd; p++) {
      if (p < this.valueEnd && this.bytes[p] !== colon) continue;
      const refusal = this.#readValue(start, p);
      if (refusal !== undefined) return refusal;
      start = p + 1;
    }
    return undefined;
  }

  #readValue(start: number, end: number): Refusal | undefined {
    if (start === end) return this.#refuse("empty_value", start, end);
    const value = parseNumber(this.bytes, start, end);
    // Infinity - Infinity is NaN: one comparison for both.
    if (value - value !== 0) return this.#noNumber(value, start, end);
    const first = this.bytes[start];
    this.areSigned[this.valueCount] = first === plus || first === minus;
    this.values[this.valueCount++] = value;
    return undefined;
  }

  #noNumber(value: number, start: number, end: number): Refusal {
    const isNumber = !Number.isNaN(value) || isNanText(this.bytes, start, end);
    return this.#refuse(isNumber ? "non_finite" : "value", start, end);
  }
}

const card = Buffer.from("card:");

/** `_e{…}` and `_sc|…`: DogStatsD events and service checks. */
export function isEvent(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== 95 || end - start < 4) return false;
  const head = Buffer.from(bytes.buffer, bytes.byteOffset + start, 4).toString("latin1");
  return head.startsWith("_e{") || head === "_sc|";
}
