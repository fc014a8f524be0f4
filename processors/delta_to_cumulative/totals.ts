import { isLess } from "../../src/metrics/point-codec.ts";
import type { Explanations } from "../../src/metrics/point-findings.ts";
import type { PointInHand } from "../../src/metrics/point-list.ts";
import { SeriesState } from "../../src/metrics/series-state.ts";

/** Why a point is dropped, or what is counted of one that goes on. */
export type Reason =
  | "older_start"
  | "out_of_order"
  | "not_finite"
  | "negative"
  | "limit"
  | "gap"
  | "bounds_changed"
  | "overflow";

/** Empty: nothing that needs an explanation. */
export const explanations: Explanations<Reason> = {
  limit: "",
  older_start: "A delta began before the first one of its series and is dropped.",
  out_of_order: "A delta ends no later than the last one of its series and is dropped.",
  not_finite: "A delta is NaN or infinite: it is dropped, for it would spoil its sum for ever.",
  negative:
    "A monotonic sum has a negative delta: it is dropped, for the sum would seem to begin anew.",
  gap: "A delta begins later than the last one of its series ended: deltas were lost, or nothing happened.",
  bounds_changed: "The bounds of a histogram changed: its series begins anew.",
  overflow: "A sum grew beyond what a point can hold: its series begins anew.",
};

export type DeltaPoint = PointInHand<Total, Reason>;

/** How many numbers `saveTimes` writes. */
export const wordsOfTimes = 4;

/** What was added up; its series has one only, whatever the start time: `find` is asked without variants. */
export abstract class Total extends SeriesState {
  /** Of the first delta; 0: unknown. */
  beginHigh = 0;
  beginLow = 0;
  /** Of the last delta. */
  timeHigh = 0;
  timeLow = 0;

  /** The delta is the first one. */
  beginTimes({ startHigh, startLow, timeHigh, timeLow }: DeltaPoint): void {
    this.beginHigh = startHigh;
    this.beginLow = startLow;
    this.timeHigh = timeHigh;
    this.timeLow = timeLow;
  }

  /** The delta is one more. */
  extendTimes({ timeHigh, timeLow }: DeltaPoint): void {
    if (timeHigh === 0 && timeLow === 0) return;
    this.timeHigh = timeHigh;
    this.timeLow = timeLow;
  }

  saveTimes(to: Float64Array, at: number): void {
    to[at] = this.beginHigh;
    to[at + 1] = this.beginLow;
    to[at + 2] = this.timeHigh;
    to[at + 3] = this.timeLow;
  }

  loadTimes(from: Float64Array, at: number): void {
    this.beginHigh = from[at]!;
    this.beginLow = from[at + 1]!;
    this.timeHigh = from[at + 2]!;
    this.timeLow = from[at + 3]!;
  }
}

/** Why a delta does not follow what was added up; undefined: it does, maybe after a gap, which is noted. */
export function orderProblem(
  point: DeltaPoint,
  total: Total,
): "older_start" | "out_of_order" | undefined {
  const { startHigh, startLow, timeHigh, timeLow } = point;
  // 0 is no time: such a delta stands in no order, and is added.
  const hasStart = startHigh !== 0 || startLow !== 0;
  const hasTime = timeHigh !== 0 || timeLow !== 0;
  const totalHasTime = total.timeHigh !== 0 || total.timeLow !== 0;
  if (hasStart && isLess(startHigh, startLow, total.beginHigh, total.beginLow)) {
    return "older_start";
  }
  if (hasTime && !isLess(total.timeHigh, total.timeLow, timeHigh, timeLow)) return "out_of_order";
  if (totalHasTime && isLess(total.timeHigh, total.timeLow, startHigh, startLow)) point.note("gap");
  return undefined;
}
