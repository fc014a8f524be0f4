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
import {
  type DeltaPoint,
  type ExponentialTotal,
  joined,
  orderProblem,
  type Reason,
} from "./totals.ts";

/** Of each sign, as in the Collector: a wider range lowers the scale. */
const maxBuckets = 160;

export function exponentialTotal(point: DeltaPoint, out: Writer): Outcome<Reason> {
  const { series, states } = point;
  const read = readExponential(point, maxBuckets);
  if (read.noRecordedValue) return "kept";
  const begun = beginning(read);
  const total = states.find(series, "") as ExponentialTotal | undefined;
  if (total === undefined) return states.set(series, "", begun) ? "kept" : "limit";
  const problem = orderProblem(point, read, total);
  if (problem !== undefined) return problem;
  const isAddable = Number.isSafeInteger(read.count + total.histogram.count);
  if (!isAddable) point.note("overflow");
  const next = isAddable ? sumOf(begun, read.scale, total) : begun;
  if (!states.set(series, "", next)) return "limit";
  copyWithout(point, exponentialFields, out);
  writeStart(next.startNs, out);
  writeExponentialFields(out, next.histogram);
  return "written";
}

function beginning(read: ExponentialPoint): ExponentialTotal {
  const { startNs, timeNs, histogram, hasSum } = read;
  histogram.count = read.count;
  if (!hasSum) histogram.sum = Number.NaN;
  return { startNs, timeNs, histogram, heldBytes: 120 + histogram.heldBytes };
}

function sumOf(delta: ExponentialTotal, scale: number, total: ExponentialTotal): ExponentialTotal {
  // The lower scale of the two, also where one of them has no buckets.
  const lower = Math.max(Math.min(scale, total.histogram.scale), minScale);
  const histogram = new ExponentialHistogram({ scale: lower, maxSize: maxBuckets });
  histogram.merge(total.histogram);
  histogram.merge(delta.histogram);
  if (!Number.isFinite(histogram.sum)) histogram.sum = Number.NaN;
  return { ...joined(delta, total), histogram, heldBytes: 120 + histogram.heldBytes };
}
