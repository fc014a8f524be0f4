import { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import { writeExponentialFields } from "../../src/metrics/exponential-histogram-otlp.ts";
import { minScale } from "../../src/metrics/exponential-scale.ts";
import {
  copyWithout,
  type ExponentialPoint,
  exponentialFields,
  readExponential,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type DeltaPoint, orderProblem, type Reason, Total, wordsOfTimes } from "./totals.ts";

/** Of each sign, as in the Collector: a wider range lowers the scale. */
const maxBuckets = 160;

const bytesOf = (histogram: ExponentialHistogram) => 120 + histogram.heldBytes;

class ExponentialTotal extends Total {
  /** Never changed, only replaced. */
  declare shape: ExponentialHistogram;

  constructor(point: DeltaPoint, histogram: ExponentialHistogram) {
    super();
    this.beginTimes(point);
    this.shape = histogram;
  }

  get heldBytes(): number {
    return bytesOf(this.shape);
  }

  get words(): number {
    return wordsOfTimes;
  }

  save(to: Float64Array, at: number): void {
    this.saveTimes(to, at);
  }

  load(from: Float64Array, at: number): void {
    this.loadTimes(from, at);
  }
}

export function exponentialTotal(point: DeltaPoint, out: Writer): Outcome<Reason> {
  const { series, states } = point;
  if (point.noRecordedValue) return "kept";
  const read = readExponential(point, maxBuckets);
  const begun = beginning(read);
  const total = states.find(series, "", 0, 0) as ExponentialTotal | undefined;
  if (total === undefined) {
    return states.add(series, "", 0, 0, new ExponentialTotal(point, begun)) ? "kept" : "limit";
  }
  const problem = orderProblem(point, total);
  if (problem !== undefined) return problem;
  const isAddable = Number.isSafeInteger(read.count + total.shape.count);
  if (!isAddable) point.note("overflow");
  const next = isAddable ? sumOf(begun, read.scale, total.shape) : begun;
  if (!states.change(total, bytesOf(next))) return "limit";
  total.shape = next;
  if (isAddable) total.extendTimes(point);
  else total.beginTimes(point);
  copyWithout(point, exponentialFields, out);
  writeStart(total.beginHigh, total.beginLow, out);
  writeExponentialFields(out, next);
  return "written";
}

function beginning({ histogram, count, hasSum }: ExponentialPoint): ExponentialHistogram {
  histogram.count = count;
  if (!hasSum) histogram.sum = Number.NaN;
  return histogram;
}

function sumOf(
  delta: ExponentialHistogram,
  scale: number,
  total: ExponentialHistogram,
): ExponentialHistogram {
  // The lower scale of the two, also where one of them has no buckets.
  const lower = Math.max(Math.min(scale, total.scale), minScale);
  const histogram = new ExponentialHistogram({ scale: lower, maxSize: maxBuckets });
  histogram.merge(total);
  histogram.merge(delta);
  if (!Number.isFinite(histogram.sum)) histogram.sum = Number.NaN;
  return histogram;
}
