import {
  bytesOfBuckets,
  copyWithout,
  type HistogramBuckets,
  type HistogramPoint,
  type HistogramValues,
  hasSum,
  haveSameBounds,
  histogramFields,
  ownBuckets,
  readHistogram,
  writeHistogram,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type DeltaPoint, orderProblem, type Reason, Total, wordsOfTimes } from "./totals.ts";

const bytesOf = (buckets: HistogramBuckets) => 120 + bytesOfBuckets(buckets);
/** Beside the counts. */
const wordsOfHead = wordsOfTimes + 5;

class HistogramTotal extends Total implements HistogramValues {
  declare shape: HistogramBuckets;
  count = 0;
  has = 0;
  sum = Number.NaN;
  min = Number.NaN;
  max = Number.NaN;

  constructor(point: DeltaPoint, read: HistogramPoint) {
    super();
    this.begin(point, read);
  }

  get counts(): Float64Array {
    return this.shape.counts;
  }

  get heldBytes(): number {
    return bytesOf(this.shape);
  }

  get words(): number {
    return wordsOfHead + this.shape.counts.length;
  }

  begin(point: DeltaPoint, read: HistogramPoint): void {
    this.beginTimes(point);
    this.shape = ownBuckets(read);
    this.count = read.count;
    this.has = read.has;
    this.min = read.min;
    this.max = read.max;
    this.#setSum(read.sum);
  }

  /** What only one of the two knows is unknown of both. */
  add(point: DeltaPoint, read: HistogramPoint): void {
    this.extendTimes(point);
    this.count += read.count;
    this.has &= read.has;
    this.min = Math.min(this.min, read.min);
    this.max = Math.max(this.max, read.max);
    this.#setSum(this.sum + read.sum);
    const { counts } = this.shape;
    for (let i = 0; i < counts.length; i++) counts[i]! += read.counts[i]!;
  }

  #setSum(sum: number): void {
    this.sum = sum;
    if (!Number.isFinite(sum)) this.has &= ~hasSum;
  }

  save(to: Float64Array, at: number): void {
    this.saveTimes(to, at);
    let i = at + wordsOfTimes;
    to[i++] = this.count;
    to[i++] = this.has;
    to[i++] = this.sum;
    to[i++] = this.min;
    to[i++] = this.max;
    const { counts } = this.shape;
    for (let k = 0; k < counts.length; k++) to[i++] = counts[k]!;
  }

  load(from: Float64Array, at: number): void {
    this.loadTimes(from, at);
    let i = at + wordsOfTimes;
    this.count = from[i++]!;
    this.has = from[i++]!;
    this.sum = from[i++]!;
    this.min = from[i++]!;
    this.max = from[i++]!;
    const { counts } = this.shape;
    for (let k = 0; k < counts.length; k++) counts[k] = from[i++]!;
  }
}

export function histogramTotal(point: DeltaPoint, out: Writer): Outcome<Reason> {
  const { series, states } = point;
  if (point.noRecordedValue) return "kept";
  const read = readHistogram(point);
  const total = states.find(series, "", 0, 0) as HistogramTotal | undefined;
  if (total === undefined) {
    return states.add(series, "", 0, 0, new HistogramTotal(point, read)) ? "kept" : "limit";
  }
  const problem = orderProblem(point, total);
  if (problem !== undefined) return problem;
  const isAdded = isAddable(point, read, total);
  if (!states.change(total, isAdded ? total.heldBytes : bytesOf(read))) return "limit";
  if (isAdded) total.add(point, read);
  else total.begin(point, read);
  copyWithout(point, histogramFields, out);
  writeStart(total.beginHigh, total.beginLow, out);
  writeHistogram(total, out);
  return "written";
}

function isAddable(point: DeltaPoint, read: HistogramPoint, total: HistogramTotal): boolean {
  if (!haveSameBounds(read, total.shape)) {
    point.note("bounds_changed");
    return false;
  }
  if (Number.isSafeInteger(read.count + total.count)) return true;
  point.note("overflow");
  return false;
}
