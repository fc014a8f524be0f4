import {
  bytesOfBuckets,
  copyWithout,
  type HistogramBuckets,
  type HistogramPoint,
  hasMax,
  hasMin,
  hasSum,
  haveSameBounds,
  histogramExtremes,
  histogramFields,
  ownBuckets,
  readHistogram,
  writeHistogram,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type CumulativePoint, type FirstPoints, LastPoint, type Reason } from "./reasons.ts";

const bytesOf = (buckets: HistogramBuckets) => 96 + bytesOfBuckets(buckets);
/** Beside the counts. */
const wordsOfHead = 4;

class LastHistogram extends LastPoint {
  declare shape: HistogramBuckets;
  count = 0;
  /** NaN: unknown. */
  sum = Number.NaN;

  constructor(point: CumulativePoint, read: HistogramPoint) {
    super();
    this.shape = ownBuckets(read);
    this.setHead(point, read);
  }

  get heldBytes(): number {
    return bytesOf(this.shape);
  }

  get words(): number {
    return wordsOfHead + this.shape.counts.length;
  }

  /** All but the buckets. A sum that is not finite tells nothing: the one before still holds. */
  setHead(point: CumulativePoint, { count, has, sum }: HistogramPoint): void {
    this.setTime(point);
    this.count = count;
    if ((has & hasSum) === 0) this.sum = Number.NaN;
    else if (Number.isFinite(sum)) this.sum = sum;
  }

  save(to: Float64Array, at: number): void {
    to[at] = this.timeHigh;
    to[at + 1] = this.timeLow;
    to[at + 2] = this.count;
    to[at + 3] = this.sum;
    const { counts } = this.shape;
    for (let i = 0; i < counts.length; i++) to[at + wordsOfHead + i] = counts[i]!;
  }

  load(from: Float64Array, at: number): void {
    this.timeHigh = from[at]!;
    this.timeLow = from[at + 1]!;
    this.count = from[at + 2]!;
    this.sum = from[at + 3]!;
    const { counts } = this.shape;
    for (let i = 0; i < counts.length; i++) counts[i] = from[at + wordsOfHead + i]!;
  }
}

export function histogramDelta(
  point: CumulativePoint,
  first: FirstPoints,
  out: Writer,
): Outcome<Reason> {
  if (point.noRecordedValue) return "no_recorded_value";
  const read = readHistogram(point);
  const { series, states, startHigh, startLow } = point;
  const last = states.find(series, "", startHigh, startLow) as LastHistogram | undefined;
  if (last === undefined) {
    const state = new LastHistogram(point, read);
    if (!states.add(series, "", startHigh, startLow, state)) return "limit";
    if (!first(point)) return "initial";
    copyWithout(point, histogramExtremes, out);
    return "written";
  }
  if (last.isAfter(point)) {
    if (read.count <= last.count) return "out_of_order";
    point.note("clock_set_back");
  }
  if (!haveSameBounds(read, last.shape)) return replaceBuckets(point, last, read);
  copyWithout(point, histogramFields, out);
  const start = last.isAfter(point) ? point : last;
  writeStart(start.timeHigh, start.timeLow, out);
  states.change(last, last.heldBytes);
  move(point, last, read);
  writeHistogram(read, out);
  return "written";
}

/** The next point is compared with this one. */
function replaceBuckets(
  point: CumulativePoint,
  last: LastHistogram,
  read: HistogramPoint,
): Outcome<Reason> {
  const shape = ownBuckets(read);
  if (!point.states.change(last, bytesOf(shape))) return "limit";
  last.shape = shape;
  last.setHead(point, read);
  return "bucket_mismatch";
}

/** Makes `read` the delta, and the last point what `read` was. */
function move(point: CumulativePoint, last: LastHistogram, read: HistogramPoint): void {
  read.has &= ~(hasMin | hasMax);
  const { counts } = last.shape;
  if (read.count < last.count || hasFallen(read.counts, counts)) {
    // As the Collector: all that was counted since the series began anew.
    point.note("reset");
    last.setHead(point, read);
    counts.set(read.counts);
    return;
  }
  const { count, sum } = last;
  last.setHead(point, read);
  read.count -= count;
  if (Number.isNaN(sum) && Number.isFinite(read.sum)) read.has = 0;
  else if (Number.isFinite(read.sum)) read.sum -= sum;
  for (let i = 0; i < counts.length; i++) {
    const now = read.counts[i]!;
    read.counts[i] = now - counts[i]!;
    counts[i] = now;
  }
}

function hasFallen(counts: Float64Array, last: Float64Array): boolean {
  for (let i = 0; i < counts.length; i++) if (counts[i]! < last[i]!) return true;
  return false;
}
