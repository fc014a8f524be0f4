import {
  copyWithout,
  numberFields,
  readNumber,
  writeStart,
  writeValue,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type DeltaPoint, joined, type NumberTotal, orderProblem, type Reason } from "./totals.ts";

const heldBytes = 72;

export function numberTotal(point: DeltaPoint, out: Writer): Outcome<Reason> {
  const { series, states } = point;
  const { startNs, timeNs, value, noRecordedValue } = readNumber(point);
  // The mark of a series that ended adds nothing.
  if (noRecordedValue || value === undefined) return "kept";
  if (typeof value === "number" && !Number.isFinite(value)) return "not_finite";
  if (series.parent.monotonic && value < 0) return "negative";
  const total = states.find(series, "") as NumberTotal | undefined;
  const begun = { startNs, timeNs, value, heldBytes };
  if (total === undefined) return states.set(series, "", begun) ? "kept" : "limit";
  const problem = orderProblem(point, begun, total);
  if (problem !== undefined) return problem;
  const sum = add(total.value, value);
  if (sum === undefined) point.note("overflow");
  const next = sum === undefined ? begun : { ...joined(begun, total), value: sum, heldBytes };
  if (!states.set(series, "", next)) return "limit";
  copyWithout(point, numberFields, out);
  writeStart(next.startNs, out);
  writeValue(next.value, out);
  return "written";
}

/** Integers stay integers; with a double among them the sum is a double. undefined: it is beyond both. */
function add(a: number | bigint, b: number | bigint): number | bigint | undefined {
  if (typeof a === "bigint" && typeof b === "bigint") {
    const sum = a + b;
    return BigInt.asIntN(64, sum) === sum ? sum : undefined;
  }
  const sum = Number(a) + Number(b);
  return Number.isFinite(sum) ? sum : undefined;
}
