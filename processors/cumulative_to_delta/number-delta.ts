import {
  copyWithout,
  numberFields,
  readNumber,
  writeStart,
  writeValue,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import {
  type CumulativePoint,
  type FirstPoints,
  type LastNumber,
  type Reason,
  startKey,
  startOf,
} from "./reasons.ts";

const maxInt64 = 2n ** 63n - 1n;

export function numberDelta(
  point: CumulativePoint,
  first: FirstPoints,
  out: Writer,
): Outcome<Reason> {
  const { startNs, timeNs, value, noRecordedValue } = readNumber(point);
  if (noRecordedValue || value === undefined) return "no_recorded_value";
  // NaN is the mark of a series that ended, in Prometheus: it passes.
  if (Number.isNaN(value)) return "kept";
  if (value === Infinity || value === -Infinity) return "not_finite";
  const { series, states } = point;
  const variant = startKey(startNs) + (typeof value === "bigint" ? "i" : "d");
  const last = states.find(series, variant) as LastNumber | undefined;
  if (last !== undefined && timeNs < last.timeNs) {
    if (value <= last.value) return "out_of_order";
    point.note("clock_set_back");
  }
  if (!states.set(series, variant, { timeNs, value, heldBytes: 64 })) return "limit";
  if (last === undefined) return first.isKept(startNs, timeNs) ? "kept" : "initial";
  const delta = difference(value, last.value);
  if (delta === undefined) return "reset";
  copyWithout(point, numberFields, out);
  writeStart(startOf(last, timeNs), out);
  writeValue(delta, out);
  return "written";
}

/** undefined: the value fell, or the difference is none that a point can hold. Both are of one kind. */
function difference(value: number | bigint, last: number | bigint): number | bigint | undefined {
  if (value < last) return undefined;
  if (typeof value === "bigint") {
    const delta = value - (last as bigint);
    return delta > maxInt64 ? undefined : delta;
  }
  const delta = value - (last as number);
  return delta === Infinity ? undefined : delta;
}
