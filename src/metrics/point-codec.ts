/**
 * The points whose temporality is converted, read and written in part; what is not named stays as bytes.
 *
 *     NumberDataPoint        = 2: start  3: time  4: double | 6: int (fixed64)  8: flags
 *     HistogramDataPoint     = 2: start  3: time  4: count  5: sum  6: bucket counts  7: bounds  10: flags
 *                              11: min  12: max
 *     ExponentialHistogramDP = 2: start  3: time  4: count  5: sum  6: scale  10: flags, the rest as in
 *                              exponential-histogram-otlp.ts
 */
import { equalBytes } from "../pdata/series/hash.ts";
import { uint64At } from "../pdata/series/point.ts";
import { Cursor, type Writer, wireFixed64, wireLength } from "../pdata/wire.ts";
import type { ExponentialHistogram } from "./exponential-histogram.ts";
import { readExponentialPoint } from "./exponential-histogram-otlp.ts";
import { maxScale } from "./exponential-scale.ts";

/** A message body. */
export interface PointBody {
  readonly bytes: Uint8Array;
  /** Of the same bytes. */
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

/** Where the values of a number point lie; -1: absent. */
export interface NumberPoint extends PointBody {
  readonly startTimeAt: number;
  readonly valueAt: number;
  readonly valueIsInt: boolean;
}

/** A number as two halves that order it: an integer's 32 bits each; a double itself, and 0. */
export interface NumberValue {
  isInt: boolean;
  high: number;
  low: number;
}

/** Bits of `has`. */
export const hasSum = 1;
export const hasMin = 2;
export const hasMax = 4;

/** The values of a histogram point. */
export interface HistogramValues {
  /** Exact up to 2^53, as all counts. */
  count: number;
  /** Which of the next three there are. */
  has: number;
  sum: number;
  min: number;
  max: number;
  counts: Float64Array;
}

export interface HistogramPoint extends HistogramValues {
  /** Shared with other points: never written to. */
  bounds: Float64Array;
}

/** What is remembered of a histogram's buckets. */
export interface HistogramBuckets {
  readonly counts: Float64Array;
  /** Shared with other series. */
  readonly bounds: Float64Array;
}

export interface ExponentialPoint {
  /** As the sender says; the histogram's may be lower. */
  scale: number;
  count: number;
  hasSum: boolean;
  histogram: ExponentialHistogram;
}

const cursor = new Cursor();

/** The halves of a point's value. */
export const valueHigh = ({ view, valueAt, valueIsInt }: NumberPoint): number =>
  valueIsInt ? view.getInt32(valueAt + 4, true) : view.getFloat64(valueAt, true);

export const valueLow = ({ view, valueAt, valueIsInt }: NumberPoint): number =>
  valueIsInt ? view.getUint32(valueAt, true) : 0;

/** Whether one number of two halves is less than another. */
export const isLess = (aHigh: number, aLow: number, bHigh: number, bLow: number): boolean =>
  aHigh < bHigh || (aHigh === bHigh && aLow < bLow);

const none = new Float64Array(0);

/** One object for all points: whoever keeps its counts copies them. */
const histogramInHand: HistogramPoint = {
  count: 0,
  has: 0,
  sum: Number.NaN,
  min: Number.NaN,
  max: Number.NaN,
  counts: none,
  bounds: none,
};

/** Valid until the next call, and its arrays the caller's until then. */
export function readHistogram({ bytes, view, start, end }: PointBody): HistogramPoint {
  const point = histogramInHand;
  point.count = 0;
  point.has = 0;
  point.counts = none;
  point.bounds = none;
  const c = cursor.reset(bytes, start, end);
  while (c.next()) {
    const { number, valueStart, valueEnd } = c;
    if (number === 4) point.count = uint64At(view, valueStart);
    else if (number === 6) point.counts = moreCounts(point.counts, view, valueStart, valueEnd);
    else if (number === 7) point.bounds = moreBounds(point.bounds, view, valueStart, valueEnd);
    else if (number === 5) {
      point.sum = view.getFloat64(valueStart, true);
      point.has |= hasSum;
    } else if (number === 11) {
      point.min = view.getFloat64(valueStart, true);
      point.has |= hasMin;
    } else if (number === 12) {
      point.max = view.getFloat64(valueStart, true);
      point.has |= hasMax;
    }
  }
  return point;
}

/** `before` with room for a packed list or a single value, eight bytes each; a list may come in pieces. */
function withRoom(before: Float64Array, start: number, end: number): Float64Array {
  const values = new Float64Array(before.length + (end - start) / 8);
  if (before.length > 0) values.set(before);
  return values;
}

/** The counts of the last point: the next one mostly has as many. */
let recentCounts: Float64Array = none;

// Two loops and not one with a reader handed in: they run once a bucket.
function moreCounts(before: Float64Array, view: DataView, start: number, end: number) {
  const isRecent = before.length === 0 && recentCounts.length * 8 === end - start;
  const values = isRecent ? recentCounts : withRoom(before, start, end);
  recentCounts = values;
  for (let p = start, i = before.length; p < end; p += 8) values[i++] = uint64At(view, p);
  return values;
}

/** One array for points that have equal bounds and come one after another: it is kept for each series. */
let recentBounds: Float64Array = none;
let recentBoundsView: DataView = new DataView(none.buffer);

function moreBounds(
  before: Float64Array,
  view: DataView,
  start: number,
  end: number,
): Float64Array {
  const { length } = recentBounds;
  if (
    before.length === 0 &&
    length * 8 === end - start &&
    equalBytes(view, start, recentBoundsView, 0, end - start)
  ) {
    return recentBounds;
  }
  const values = withRoom(before, start, end);
  const valuesView = new DataView(values.buffer);
  // As bytes, so that they are found again as bytes.
  for (let p = start, i = before.length * 8; p < end; p += 8, i += 8) {
    valuesView.setBigInt64(i, view.getBigInt64(p, true), true);
  }
  recentBounds = values;
  recentBoundsView = valuesView;
  return values;
}

/** @param maxBuckets Of each sign; a wider range lowers the histogram's scale. */
export function readExponential(body: PointBody, maxBuckets: number): ExponentialPoint {
  const { bytes, start, end } = body;
  const options = { scale: maxScale, maxSize: maxBuckets };
  const histogram = readExponentialPoint(bytes, start, end, options);
  const point = {
    scale: 0,
    count: 0,
    hasSum: false,
    histogram,
  };
  const c = cursor.reset(bytes, start, end);
  while (c.next()) {
    if (c.number === 4) point.count = Number(c.fixed64());
    else if (c.number === 5) point.hasSum = true;
    else if (c.number === 6) point.scale = c.sint32();
  }
  if (!Number.isFinite(histogram.sum)) histogram.sum = Number.NaN;
  return point;
}

export const ownBuckets = ({ counts, bounds }: HistogramBuckets): HistogramBuckets => ({
  counts: counts.slice(),
  bounds,
});

export const bytesOfBuckets = ({ counts, bounds }: HistogramBuckets): number =>
  counts.byteLength + bounds.byteLength;

export const haveSameBounds = (a: HistogramBuckets, b: HistogramBuckets): boolean =>
  a.counts.length === b.counts.length && sameArrays(a.bounds, b.bounds);

export function sameArrays(a: Float64Array, b: Float64Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** A set of field numbers below 32, bit by bit. */
const fieldSet = (...numbers: readonly number[]) =>
  numbers.reduce((set, number) => set | (1 << number), 0);

const numberFields = fieldSet(2, 4, 6);
/** All but the bounds. */
export const histogramFields = fieldSet(2, 4, 5, 6, 11, 12);
export const histogramExtremes = fieldSet(11, 12);
export const exponentialFields = fieldSet(2, 4, 5, 6, 7, 8, 9, 12, 13, 14);
export const exponentialExtremes = fieldSet(12, 13);

/** Copies a point without these fields; their new form is then written behind. */
export function copyWithout(body: PointBody, fields: number, out: Writer): void {
  const { bytes, start, end } = body;
  const c = cursor.reset(bytes, start, end);
  let from = start;
  while (c.next()) {
    if (c.number > 31 || (fields & (1 << c.number)) === 0) continue;
    if (from < c.fieldStart) out.raw(bytes, from, c.fieldStart);
    from = c.valueEnd;
  }
  if (from < end) out.raw(bytes, from, end);
}

export function writeStart(high: number, low: number, out: Writer): void {
  if (high === 0 && low === 0) return;
  out.tag(2, wireFixed64);
  out.fixed32(low);
  out.fixed32(high);
}

/** Writes a point with another start time and value. */
export function writeNumber(
  point: NumberPoint,
  startHigh: number,
  startLow: number,
  value: NumberValue,
  out: Writer,
): void {
  const { bytes, start, end, startTimeAt, valueAt } = point;
  if (startTimeAt < 0 || value.isInt !== point.valueIsInt) {
    copyWithout(point, numberFields, out);
    writeStart(startHigh, startLow, out);
    out.tag(value.isInt ? 6 : 4, wireFixed64);
    writeValue(value, out);
    return;
  }
  // Mostly the fields are there: the copy is written over.
  const shift = out.position - start;
  out.raw(bytes, start, end);
  const written = out.position;
  out.position = shift + startTimeAt;
  out.fixed32(startLow);
  out.fixed32(startHigh);
  out.position = shift + valueAt;
  writeValue(value, out);
  out.position = written;
}

function writeValue({ isInt, high, low }: NumberValue, out: Writer): void {
  if (!isInt) return out.double(high);
  out.fixed32(low);
  out.fixed32(high);
}

const oneCount = new Float64Array(1);

export function writeHistogram(values: HistogramValues, out: Writer): void {
  const { has, counts } = values;
  out.tag(4, wireFixed64);
  oneCount[0] = values.count;
  out.fixed64s(oneCount);
  if ((has & hasSum) !== 0) writeDouble(5, values.sum, out);
  if (counts.length > 0) {
    out.tag(6, wireLength);
    out.varint(counts.length * 8);
    out.fixed64s(counts);
  }
  if ((has & hasMin) !== 0) writeDouble(11, values.min, out);
  if ((has & hasMax) !== 0) writeDouble(12, values.max, out);
}

function writeDouble(field: number, value: number, out: Writer): void {
  out.tag(field, wireFixed64);
  out.double(value);
}
