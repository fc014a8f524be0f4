/**
 * The points whose temporality is converted, read and written in part; what is not named stays as bytes.
 *
 *     NumberDataPoint        = 2: start  3: time  4: double | 6: int (fixed64)  8: flags
 *     HistogramDataPoint     = 2: start  3: time  4: count  5: sum  6: bucket counts  7: bounds  10: flags
 *                              11: min  12: max
 *     ExponentialHistogramDP = 2: start  3: time  4: count  5: sum  6: scale  10: flags, the rest as in
 *                              exponential-histogram-otlp.ts
 */

import { Cursor, dataViewOf, type Writer, wireFixed64, wireLength } from "../pdata/wire.ts";
import type { ExponentialHistogram } from "./exponential-histogram.ts";
import { readExponentialPoint } from "./exponential-histogram-otlp.ts";
import { maxScale } from "./exponential-scale.ts";

/** A message body. */
export interface PointRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

interface PointHead {
  /** Nanoseconds since 1970; 0: unknown. */
  startNs: bigint;
  timeNs: bigint;
  /** DataPointFlags: the series has ended, there is no value. */
  noRecordedValue: boolean;
}

export interface NumberPoint extends PointHead {
  /** bigint: an integer. */
  value: number | bigint | undefined;
}

export interface HistogramPoint extends PointHead {
  /** Exact up to 2^53, as all counts. */
  count: number;
  sum: number | undefined;
  min: number | undefined;
  max: number | undefined;
  counts: Float64Array;
  /** Shared with other points: never written to. */
  bounds: Float64Array;
}

export interface ExponentialPoint extends PointHead {
  /** As the sender says; the histogram's may be lower. */
  scale: number;
  count: number;
  hasSum: boolean;
  histogram: ExponentialHistogram;
}

const cursor = new Cursor();

export function readNumber({ bytes, start, end }: PointRange): NumberPoint {
  const point: NumberPoint = {
    startNs: 0n,
    timeNs: 0n,
    noRecordedValue: false,
    value: undefined,
  };
  const c = cursor.reset(bytes, start, end);
  while (c.next()) {
    if (c.number === 2) point.startNs = c.fixed64();
    else if (c.number === 3) point.timeNs = c.fixed64();
    else if (c.number === 4) point.value = c.double();
    else if (c.number === 6) point.value = dataViewOf(bytes).getBigInt64(c.valueStart, true);
    else if (c.number === 8) point.noRecordedValue = (c.varint() & 1) !== 0;
  }
  return point;
}

export function readHistogram({ bytes, start, end }: PointRange): HistogramPoint {
  const point: HistogramPoint = {
    startNs: 0n,
    timeNs: 0n,
    noRecordedValue: false,
    count: 0,
    sum: undefined,
    min: undefined,
    max: undefined,
    counts: none,
    bounds: none,
  };
  const view = dataViewOf(bytes);
  const c = cursor.reset(bytes, start, end);
  while (c.next()) {
    const { number, valueStart, valueEnd } = c;
    if (number === 2) point.startNs = c.fixed64();
    else if (number === 3) point.timeNs = c.fixed64();
    else if (number === 4) point.count = uint64At(view, valueStart);
    else if (number === 5) point.sum = c.double();
    else if (number === 6) point.counts = moreCounts(point.counts, view, valueStart, valueEnd);
    else if (number === 7) point.bounds = moreBounds(point.bounds, view, valueStart, valueEnd);
    else if (number === 10) point.noRecordedValue = (c.varint() & 1) !== 0;
    else if (number === 11) point.min = c.double();
    else if (number === 12) point.max = c.double();
  }
  return point;
}

const none = new Float64Array(0);

/** `before` with room for a packed list or a single value, eight bytes each; a list may come in pieces. */
function withRoom(before: Float64Array, start: number, end: number): Float64Array {
  const values = new Float64Array(before.length + (end - start) / 8);
  if (before.length > 0) values.set(before);
  return values;
}

// Two loops and not one with a reader handed in: they run once a bucket.
function moreCounts(before: Float64Array, view: DataView, start: number, end: number) {
  const values = withRoom(before, start, end);
  for (let p = start, i = before.length; p < end; p += 8) values[i++] = uint64At(view, p);
  return values;
}

/** One array for points that have equal bounds and come one after another: it is kept for each series. */
let recentBounds: Float64Array = none;

function moreBounds(
  before: Float64Array,
  view: DataView,
  start: number,
  end: number,
): Float64Array {
  if (before.length === 0 && areRecent(view, start, end)) return recentBounds;
  const values = withRoom(before, start, end);
  for (let p = start, i = before.length; p < end; p += 8) values[i++] = view.getFloat64(p, true);
  recentBounds = values;
  return values;
}

function areRecent(view: DataView, start: number, end: number): boolean {
  if (recentBounds.length * 8 !== end - start) return false;
  for (let p = start, i = 0; p < end; p += 8) {
    if (!Object.is(view.getFloat64(p, true), recentBounds[i++])) return false;
  }
  return true;
}

const uint64At = (view: DataView, p: number) =>
  view.getUint32(p + 4, true) * 2 ** 32 + view.getUint32(p, true);

/** @param maxBuckets Of each sign; a wider range lowers the histogram's scale. */
export function readExponential(range: PointRange, maxBuckets: number): ExponentialPoint {
  const { bytes, start, end } = range;
  const options = { scale: maxScale, maxSize: maxBuckets };
  const histogram = readExponentialPoint(bytes, start, end, options);
  const point = {
    startNs: 0n,
    timeNs: 0n,
    noRecordedValue: false,
    scale: 0,
    count: 0,
    hasSum: false,
    histogram,
  };
  const c = cursor.reset(bytes, start, end);
  while (c.next()) {
    if (c.number === 2) point.startNs = c.fixed64();
    else if (c.number === 3) point.timeNs = c.fixed64();
    else if (c.number === 4) point.count = Number(c.fixed64());
    else if (c.number === 5) point.hasSum = true;
    else if (c.number === 6) point.scale = unzigzag(c.varint());
    else if (c.number === 10) point.noRecordedValue = (c.varint() & 1) !== 0;
  }
  if (!Number.isFinite(histogram.sum)) histogram.sum = Number.NaN;
  return point;
}

function unzigzag(value: number): number {
  const low = value % 2 ** 32;
  return low % 2 === 0 ? low / 2 : -(low + 1) / 2;
}

export function sameArrays(a: Float64Array, b: Float64Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** Copies a point without these fields; their new form is then written behind. */
export function copyWithout(range: PointRange, fields: ReadonlySet<number>, out: Writer): void {
  const { bytes, start, end } = range;
  const c = cursor.reset(bytes, start, end);
  let from = start;
  while (c.next()) {
    if (!fields.has(c.number)) continue;
    out.raw(bytes, from, c.fieldStart);
    from = c.valueEnd;
  }
  out.raw(bytes, from, end);
}

export const numberFields: ReadonlySet<number> = new Set([2, 4, 6]);
/** All but the bounds. */
export const histogramFields: ReadonlySet<number> = new Set([2, 4, 5, 6, 11, 12]);
export const histogramExtremes: ReadonlySet<number> = new Set([11, 12]);
export const exponentialFields: ReadonlySet<number> = new Set([2, 4, 5, 6, 7, 8, 9, 12, 13, 14]);
export const exponentialExtremes: ReadonlySet<number> = new Set([12, 13]);

export function writeStart(startNs: bigint, out: Writer): void {
  if (startNs === 0n) return;
  out.tag(2, wireFixed64);
  out.fixed64(startNs);
}

export function writeValue(value: number | bigint, out: Writer): void {
  out.tag(typeof value === "bigint" ? 6 : 4, wireFixed64);
  if (typeof value === "bigint") out.fixed64(value);
  else out.double(value);
}

export interface HistogramValues {
  readonly count: number;
  readonly sum: number | undefined;
  readonly counts: Float64Array;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

export function writeHistogram(values: HistogramValues, out: Writer): void {
  const { count, sum, counts, min, max } = values;
  out.tag(4, wireFixed64);
  writeUint64(count, out);
  writeDouble(5, sum, out);
  if (counts.length > 0) {
    out.tag(6, wireLength);
    out.varint(counts.length * 8);
    for (const bucket of counts) writeUint64(bucket, out);
  }
  writeDouble(11, min, out);
  writeDouble(12, max, out);
}

function writeUint64(value: number, out: Writer): void {
  out.fixed32(value % 2 ** 32);
  out.fixed32(Math.floor(value / 2 ** 32));
}

function writeDouble(field: number, value: number | undefined, out: Writer): void {
  if (value === undefined) return;
  out.tag(field, wireFixed64);
  out.double(value);
}
