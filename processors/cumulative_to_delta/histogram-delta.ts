import {
  copyWithout,
  type HistogramPoint,
  histogramExtremes,
  histogramFields,
  readHistogram,
  sameArrays,
  writeHistogram,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import {
  type CumulativePoint,
  type FirstPoints,
  type LastHistogram,
  type Reason,
  startKey,
  startOf,
} from "./reasons.ts";

export function histogramDelta(
  point: CumulativePoint,
  first: FirstPoints,
  out: Writer,
): Outcome<Reason> {
  const read = readHistogram(point);
  const { startNs, timeNs, count } = read;
  if (read.noRecordedValue) return "no_recorded_value";
  const { series, states } = point;
  const variant = startKey(startNs);
  const last = states.find(series, variant) as LastHistogram | undefined;
  if (last !== undefined && timeNs < last.timeNs) {
    if (count <= last.count) return "out_of_order";
    point.note("clock_set_back");
  }
  if (!states.set(series, variant, stateOf(read, last))) return "limit";
  if (last === undefined) {
    if (!first.isKept(startNs, timeNs)) return "initial";
    copyWithout(point, histogramExtremes, out);
    return "written";
  }
  if (!hasSameBuckets(read, last)) return "bucket_mismatch";
  copyWithout(point, histogramFields, out);
  writeStart(startOf(last, timeNs), out);
  const fell = count < last.count || hasFallen(read.counts, last.counts);
  // As the Collector: all that was counted since the series began anew.
  if (fell) point.note("reset");
  writeHistogram(fell ? withoutExtremes(read) : difference(read, last), out);
  return "written";
}

/** A sum that is not finite tells nothing: the one before still holds. */
function stateOf(read: HistogramPoint, last: LastHistogram | undefined): LastHistogram {
  const { timeNs, count, sum, counts, bounds } = read;
  const isKnown = sum === undefined || Number.isFinite(sum);
  const heldBytes = 96 + counts.byteLength + bounds.byteLength;
  return { timeNs, count, sum: isKnown ? sum : last?.sum, counts, bounds, heldBytes };
}

function hasFallen(counts: Float64Array, last: Float64Array): boolean {
  for (let i = 0; i < counts.length; i++) if (counts[i]! < last[i]!) return true;
  return false;
}

function countDifference(counts: Float64Array, last: Float64Array): Float64Array {
  const delta = new Float64Array(counts.length);
  for (let i = 0; i < counts.length; i++) delta[i] = counts[i]! - last[i]!;
  return delta;
}

const hasSameBuckets = (a: LastHistogram | HistogramPoint, b: LastHistogram) =>
  a.counts.length === b.counts.length && sameArrays(a.bounds, b.bounds);

const withoutExtremes = ({ count, sum, counts }: HistogramPoint) => ({ count, sum, counts });

function difference(read: HistogramPoint, last: LastHistogram) {
  const { count, sum, counts } = read;
  return {
    count: count - last.count,
    sum: sumDifference(sum, last.sum),
    counts: countDifference(counts, last.counts),
  };
}

function sumDifference(sum: number | undefined, last: number | undefined): number | undefined {
  if (sum === undefined || !Number.isFinite(sum)) return sum;
  return last === undefined ? undefined : sum - last;
}
