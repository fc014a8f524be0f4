import {
  copyWithout,
  type HistogramPoint,
  histogramFields,
  readHistogram,
  sameArrays,
  writeHistogram,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import {
  type DeltaPoint,
  type HistogramTotal,
  joined,
  orderProblem,
  type Reason,
} from "./totals.ts";

export function histogramTotal(point: DeltaPoint, out: Writer): Outcome<Reason> {
  const { series, states } = point;
  const read = readHistogram(point);
  if (read.noRecordedValue) return "kept";
  const total = states.find(series, "") as HistogramTotal | undefined;
  const begun = beginning(read);
  if (total === undefined) return states.set(series, "", begun) ? "kept" : "limit";
  const problem = orderProblem(point, read, total);
  if (problem !== undefined) return problem;
  const next = isAddable(point, read, total) ? sumOf(begun, total) : begun;
  if (!states.set(series, "", next)) return "limit";
  copyWithout(point, histogramFields, out);
  writeStart(next.startNs, out);
  writeHistogram(next, out);
  return "written";
}

function beginning(read: HistogramPoint): HistogramTotal {
  const { startNs, timeNs, count, sum, min, max, counts, bounds } = read;
  const heldBytes = 120 + counts.byteLength + bounds.byteLength;
  return { startNs, timeNs, count, sum: finite(sum), min, max, counts, bounds, heldBytes };
}

function isAddable(point: DeltaPoint, read: HistogramPoint, total: HistogramTotal): boolean {
  if (read.counts.length !== total.counts.length || !sameArrays(read.bounds, total.bounds)) {
    point.note("bounds_changed");
    return false;
  }
  if (Number.isSafeInteger(read.count + total.count)) return true;
  point.note("overflow");
  return false;
}

/** What only one of the two knows is unknown of both. */
function sumOf(delta: HistogramTotal, total: HistogramTotal): HistogramTotal {
  return {
    ...total,
    ...joined(delta, total),
    count: total.count + delta.count,
    sum: finite(both(total.sum, delta.sum, (a, b) => a + b)),
    min: both(total.min, delta.min, Math.min),
    max: both(total.max, delta.max, Math.max),
    counts: countSum(total.counts, delta.counts),
  };
}

function countSum(a: Float64Array, b: Float64Array): Float64Array {
  const sum = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) sum[i] = a[i]! + b[i]!;
  return sum;
}

const finite = (value: number | undefined) => (Number.isFinite(value) ? value : undefined);

const both = (
  a: number | undefined,
  b: number | undefined,
  combine: (a: number, b: number) => number,
) => (a === undefined || b === undefined ? undefined : combine(a, b));
