/**
 * One data point of a flush:
 *
 *     NumberDataPoint      = 2: start fixed64  3: time fixed64  4: as_double | 6: as_int sfixed64  7: attributes
 *     HistogramDataPoint   = 2: start  3: time  4: count fixed64  5: sum double  6: bucket_counts, packed fixed64
 *                            7: explicit_bounds, packed double  9: attributes
 *     ExponentialHistogramDataPoint = 1: attributes  2: start  3: time  and what the histogram writes
 */
import { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import { writeExponentialFields } from "../../src/metrics/exponential-histogram-otlp.ts";
import { type Writer, wireFixed64, wireLength } from "../../src/pdata/wire.ts";
import type { Buckets, Item, ItemKind } from "./custom-item.ts";
import { type Problem, problem } from "./problem.ts";

export interface Point {
  readonly kind: ItemKind;
  /** Where its attributes stand, as encoded fields. */
  readonly attributesStart: number;
  readonly attributesEnd: number;
  readonly timeNs: bigint | undefined;
  value: number;
  histogram: ExponentialHistogram | undefined;
  buckets: Buckets | undefined;
}

export function pointOf(item: Item, attributesStart: number, attributesEnd: number): Point {
  const { kind, timeNs, value, buckets, values } = item;
  const histogram = kind === "observations" ? observed(values, value) : undefined;
  return { kind, attributesStart, attributesEnd, timeNs, value, histogram, buckets };
}

/** Scale 5: quantiles within 1.1 %. */
function observed(values: readonly number[] | undefined, value: number): ExponentialHistogram {
  const histogram = new ExponentialHistogram();
  if (values === undefined) histogram.add(value);
  else for (let i = 0; i < values.length; i++) histogram.add(values[i]!);
  return histogram;
}

/** Takes another item of the same series and time into the point; on a problem the point stays as it was. */
export function mergeProblem(point: Point, item: Item): Problem | undefined {
  if (item.kind === "gauge") {
    point.value = item.value;
    return undefined;
  }
  if (item.kind === "counter") {
    const sum = point.value + item.value;
    if (!Number.isFinite(sum)) return overflow("value");
    point.value = sum;
    return undefined;
  }
  if (item.kind === "observations") return observe(point.histogram!, item);
  return mergeBuckets(point, item.buckets!);
}

const overflow = (field: string) =>
  problem(field, "overflow", "the sum with the other items of this series is too large");

function observe(histogram: ExponentialHistogram, { values, value }: Item): Problem | undefined {
  const more = observed(values, value);
  if (!Number.isFinite(histogram.sum + more.sum)) return overflow("value");
  histogram.merge(more);
  return undefined;
}

function mergeBuckets(point: Point, more: Buckets): Problem | undefined {
  const { bounds, counts, count, sum } = point.buckets!;
  if (bounds.length !== more.bounds.length || bounds.some((le, i) => le !== more.bounds[i])) {
    const message = "another item of this series has other bounds";
    return problem("buckets", "type_conflict", message);
  }
  const total = count + more.count;
  // Without a sum in one of them the sum of both is not known.
  const sums = sum + more.sum;
  if (!Number.isSafeInteger(total)) return overflow("count");
  if (!Number.isNaN(sums) && !Number.isFinite(sums)) return overflow("sum");
  const merged = counts.map((one, i) => one + more.counts[i]!);
  point.buckets = { bounds, counts: merged, count: total, sum: sums };
  return undefined;
}

/** The times of a flush as bytes of the fields: start and time, and where only time begins. */
export interface FlushTimes {
  readonly startAndTime: Uint8Array;
  readonly time: Uint8Array;
}

const startTag = 0x11;
const timeTag = 0x19;

export function flushTimes(startNs: bigint, timeNs: bigint): FlushTimes {
  const bytes = Buffer.alloc(18);
  bytes[0] = startTag;
  bytes.writeBigUInt64LE(startNs, 1);
  bytes[9] = timeTag;
  bytes.writeBigUInt64LE(timeNs, 10);
  return { startAndTime: bytes, time: bytes.subarray(9) };
}

function ownTime(timeNs: bigint): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes[0] = timeTag;
  bytes.writeBigUInt64LE(timeNs, 1);
  return bytes;
}

/** Field of the points in Gauge, Sum, Histogram and ExponentialHistogram. */
const pointsField = 1;

/** What all points of a flush are written with. */
export interface PointContext {
  readonly out: Writer;
  readonly times: FlushTimes;
  /** In which points have their attributes. */
  readonly attributes: Uint8Array;
}

export function writePoint({ out, times, attributes }: PointContext, point: Point): void {
  const { kind, timeNs, attributesStart: start, attributesEnd: end } = point;
  const flush = kind === "gauge" ? times.time : times.startAndTime;
  const timeFields = timeNs === undefined ? flush : ownTime(timeNs);
  if (kind === "counter" || kind === "gauge") {
    writeNumber(out, point.value, timeFields, end - start);
    out.raw(attributes, start, end);
    return;
  }
  const at = out.begin(pointsField, 2);
  out.raw(timeFields);
  out.raw(attributes, start, end);
  if (kind === "observations") writeExponentialFields(out, point.histogram!);
  else writeBuckets(out, point.buckets!);
  out.end(at);
}

/** All but the attributes, which come behind. */
function writeNumber(
  out: Writer,
  value: number,
  timeFields: Uint8Array,
  attributesLength: number,
): void {
  out.tag(pointsField, wireLength);
  out.varint(timeFields.length + 9 + attributesLength);
  out.raw(timeFields);
  // Fractions and what doubles cannot hold exactly stay doubles.
  if (Number.isSafeInteger(value)) writeInt(out, value);
  else writeDouble(out, 4, value);
}

function writeInt(out: Writer, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  out.tag(6, wireFixed64);
  out.fixed32(value - high * 2 ** 32);
  out.fixed32(high);
}

function writeDouble(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.double(value);
}

function writeCount(out: Writer, count: number): void {
  out.fixed32(count % 2 ** 32);
  out.fixed32(Math.floor(count / 2 ** 32));
}

function writeBuckets(out: Writer, { bounds, counts, count, sum }: Buckets): void {
  out.tag(4, wireFixed64);
  writeCount(out, count);
  if (!Number.isNaN(sum)) writeDouble(out, 5, sum);
  out.tag(6, wireLength);
  out.varint(counts.length * 8);
  for (const one of counts) writeCount(out, one);
  if (bounds.length === 0) return;
  out.tag(7, wireLength);
  out.varint(bounds.length * 8);
  for (const le of bounds) out.double(le);
}
