import type { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import type { Explanations } from "../../src/metrics/point-findings.ts";
import type { SeriesState } from "../../src/metrics/series-states.ts";
import type { PointInHand } from "../../src/metrics/temporality-converter.ts";

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

/** What was added up. */
interface Total extends SeriesState {
  /** Of the first delta; 0: unknown. */
  readonly startNs: bigint;
  /** Of the last delta. */
  readonly timeNs: bigint;
}

export interface NumberTotal extends Total {
  readonly value: number | bigint;
}

export interface HistogramTotal extends Total {
  readonly count: number;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly counts: Float64Array;
  readonly bounds: Float64Array;
}

export interface ExponentialTotal extends Total {
  readonly histogram: ExponentialHistogram;
}

export type AnyTotal = NumberTotal | HistogramTotal | ExponentialTotal;
export type DeltaPoint = PointInHand<AnyTotal, Reason>;

interface Interval {
  readonly startNs: bigint;
  readonly timeNs: bigint;
}

/** Why a delta does not follow what was added up; undefined: it does, maybe after a gap, which is noted. */
export function orderProblem(
  point: DeltaPoint,
  { startNs, timeNs }: Interval,
  total: Interval,
): "older_start" | "out_of_order" | undefined {
  // 0 is no time: such a delta stands in no order, and is added.
  if (startNs !== 0n && startNs < total.startNs) return "older_start";
  if (timeNs !== 0n && timeNs <= total.timeNs) return "out_of_order";
  if (startNs > total.timeNs && total.timeNs !== 0n) point.note("gap");
  return undefined;
}

/** The interval of the sum with one more delta. */
export const joined = (delta: Interval, total: Interval): Interval => ({
  startNs: total.startNs,
  timeNs: delta.timeNs === 0n ? total.timeNs : delta.timeNs,
});
