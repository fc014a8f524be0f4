import { writeExponentialFields } from "../../src/metrics/exponential-histogram-otlp.ts";
import {
  copyWithout,
  type ExponentialPoint,
  exponentialExtremes,
  exponentialFields,
  readExponential,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import {
  type CumulativePoint,
  type FirstPoints,
  type LastExponential,
  type Reason,
  startKey,
  startOf,
} from "./reasons.ts";

/** SDKs send 160. */
const maxBuckets = 1280;

export function exponentialDelta(
  point: CumulativePoint,
  first: FirstPoints,
  out: Writer,
): Outcome<Reason> {
  const read = readExponential(point, maxBuckets);
  const { startNs, timeNs, count, scale, histogram } = read;
  if (read.noRecordedValue) return "no_recorded_value";
  const { series, states } = point;
  const variant = startKey(startNs);
  const last = states.find(series, variant) as LastExponential | undefined;
  if (last !== undefined && timeNs < last.timeNs) {
    if (count <= last.count) return "out_of_order";
    point.note("clock_set_back");
  }
  const state = { timeNs, count, scale, histogram, heldBytes: 96 + histogram.heldBytes };
  if (!states.set(series, variant, state)) return "limit";
  if (last === undefined) {
    if (!first.isKept(startNs, timeNs)) return "initial";
    copyWithout(point, exponentialExtremes, out);
    return "written";
  }
  const delta = difference(read, last);
  if (delta === undefined) return "reset";
  copyWithout(point, exponentialFields, out);
  writeStart(startOf(last, timeNs), out);
  writeExponentialFields(out, delta);
  return "written";
}

/** undefined: something fell that only rises, or the scale rose, which only falls. */
function difference({ count, scale, hasSum, histogram }: ExponentialPoint, last: LastExponential) {
  if (count < last.count || scale > last.scale) return undefined;
  const delta = histogram.difference(last.histogram);
  if (delta === undefined) return undefined;
  delta.count = count - last.count;
  if (!hasSum) delta.sum = Number.NaN;
  return delta;
}
