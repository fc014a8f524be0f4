/**
 * The exponential histogram in OTLP:
 *
 *     ExponentialHistogramDataPoint = 4: count fixed64  5: sum double  6: scale zigzag  7: zero_count fixed64
 *                                     8: positive  9: negative (Buckets)  12: min  13: max  14: zero_threshold
 *     Buckets                       = 1: offset zigzag  2: bucket_counts, packed varints
 *
 * Attributes, times, flags and exemplars are the caller's.
 */
import { Cursor, readVarint, type Writer, wireFixed64, wireVarint } from "../pdata/wire.ts";
import type { Buckets } from "./exponential-buckets.ts";
import { ExponentialHistogram, type ExponentialHistogramOptions } from "./exponential-histogram.ts";
import { maxScale, minScale } from "./exponential-scale.ts";

/** Writes the fields of a data point that the histogram knows. */
export function writeExponentialFields(out: Writer, histogram: ExponentialHistogram): void {
  const h = histogram.folded();
  writeFixed64(out, 4, h.count);
  if (!Number.isNaN(h.sum)) writeDouble(out, 5, h.sum);
  // Without buckets the scale means nothing; as the Collector, zero.
  const scale = h.positive.isEmpty && h.negative.isEmpty ? 0 : h.scale;
  out.tag(6, wireVarint);
  out.sint32(scale);
  writeFixed64(out, 7, h.zeroCount);
  writeBuckets(out, 8, h.positive);
  writeBuckets(out, 9, h.negative);
  if (h.min <= h.max) {
    writeDouble(out, 12, h.min);
    writeDouble(out, 13, h.max);
  }
  if (h.zeroThreshold > 0) writeDouble(out, 14, h.zeroThreshold);
}

function writeFixed64(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.fixed32(value % 2 ** 32);
  out.fixed32(Math.floor(value / 2 ** 32));
}

function writeDouble(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.double(value);
}

function writeBuckets(out: Writer, field: number, buckets: Buckets): void {
  if (buckets.isEmpty) return;
  const message = out.begin(field, 1);
  out.tag(1, wireVarint);
  out.sint32(buckets.low);
  const counts = out.begin(2, 1);
  for (let i = buckets.low; i <= buckets.high; i++) out.varint(buckets.at(i));
  out.end(counts);
  out.end(message);
}

/**
 * Reads the data point at [start, end) of verified bytes, at scale min(options.scale, its own) or as its range
 * demands. The count is that of the buckets, whatever the point's own count says.
 */
export function readExponentialPoint(
  bytes: Uint8Array,
  start: number,
  end: number,
  options: ExponentialHistogramOptions = {},
): ExponentialHistogram {
  const h = new ExponentialHistogram(options);
  let [sum, min, max, scale] = [Number.NaN, Number.NaN, Number.NaN, 0];
  const bucketsAt: { readonly to: Buckets; readonly start: number; readonly end: number }[] = [];
  const cursor = new Cursor().reset(bytes, start, end);
  while (cursor.next()) {
    const { number, valueStart, valueEnd } = cursor;
    if (number === 5) sum = cursor.double();
    else if (number === 6) scale = cursor.sint32();
    else if (number === 7) h.zeroCount = Number(cursor.fixed64());
    else if (number === 8) bucketsAt.push({ to: h.positive, start: valueStart, end: valueEnd });
    else if (number === 9) bucketsAt.push({ to: h.negative, start: valueStart, end: valueEnd });
    else if (number === 12) min = cursor.double();
    else if (number === 13) max = cursor.double();
    else if (number === 14) h.zeroThreshold = Math.max(cursor.double(), 0) || 0;
  }
  for (const at of bucketsAt) readBuckets(h, at.to, scale, cursor.reset(bytes, at.start, at.end));
  h.count = h.zeroCount + h.positive.total() + h.negative.total();
  if (h.count > 0) {
    h.sum = sum;
    h.min = min;
    h.max = max;
  }
  return h;
}

function readBuckets(h: ExponentialHistogram, to: Buckets, scale: number, cursor: Cursor): void {
  const place = indexPlacer(scale);
  const { bytes } = cursor;
  /** Where counts stand: a packed list, or one count. The offset may stand behind them. */
  const ranges: [start: number, end: number][] = [];
  let index = 0;
  while (cursor.next()) {
    if (cursor.number === 1) index = cursor.sint32();
    else if (cursor.number === 2) ranges.push([cursor.valueStart, cursor.valueEnd]);
  }
  const used = usedRange(bytes, ranges);
  if (used === undefined) return;
  // At once: growing bucket by bucket takes longer than reading them.
  h.reserve(to, place(index + used[0]), place(index + used[1]), clampScale(scale));
  for (const [start, end] of ranges) {
    for (let p = start; p < end; ) {
      const [count, next] = readVarint(bytes, p);
      h.addBucket(to, place(index++), clampScale(scale), count);
      p = next;
    }
  }
}

/** Places of the first and the last count that is not zero. */
function usedRange(
  bytes: Uint8Array,
  ranges: readonly [start: number, end: number][],
): [first: number, last: number] | undefined {
  let first = -1;
  let last = -1;
  let i = 0;
  for (const [start, end] of ranges) {
    for (let p = start; p < end; i++) {
      const [count, next] = readVarint(bytes, p);
      if (count !== 0) last = i;
      if (count !== 0 && first < 0) first = i;
      p = next;
    }
  }
  return first < 0 ? undefined : [first, last];
}

const clampScale = (scale: number) => Math.min(Math.max(scale, minScale), maxScale);

/** Draws indices of any scale and sender into the doubles' range, at the clamped scale. */
function indexPlacer(scale: number): (index: number) => number {
  if (scale < minScale) return (index) => (index < 0 ? -1 : 0);
  const factor = 2 ** -Math.min(Math.max(scale - maxScale, 0), 40);
  const lowest = Math.floor(-1075 * 2 ** clampScale(scale));
  const highest = Math.ceil(1024 * 2 ** clampScale(scale)) - 1;
  return (index) => Math.min(Math.max(Math.floor(index * factor), lowest), highest);
}
