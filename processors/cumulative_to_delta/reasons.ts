import type { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import type { Explanations } from "../../src/metrics/point-findings.ts";
import type { SeriesState } from "../../src/metrics/series-states.ts";
import type { PointInHand } from "../../src/metrics/temporality-converter.ts";

/** Why a point is dropped, or what is counted of one that goes on. */
export type Reason =
  | "initial"
  | "reset"
  | "bucket_mismatch"
  | "no_recorded_value"
  | "not_finite"
  | "out_of_order"
  | "clock_set_back"
  | "limit";

/** Empty: nothing that needs an explanation. */
export const explanations: Explanations<Reason> = {
  initial: "",
  no_recorded_value: "",
  limit: "",
  reset: "A cumulative value fell: its series began anew.",
  bucket_mismatch:
    "Points in histogram series have different bucket boundaries; some data will be dropped.",
  not_finite:
    "A cumulative value is infinite: the point is dropped and the series goes on without it.",
  out_of_order: "A point is older than the last one of its series and is dropped.",
  clock_set_back:
    "Time went back in a series whose value rose: taken as a clock that was set back.",
};

/** The last point of a series. */
export interface LastPoint extends SeriesState {
  readonly timeNs: bigint;
}

export interface LastNumber extends LastPoint {
  readonly value: number | bigint;
}

export interface LastHistogram extends LastPoint {
  readonly count: number;
  readonly sum: number | undefined;
  readonly counts: Float64Array;
  readonly bounds: Float64Array;
}

export interface LastExponential extends LastPoint {
  readonly count: number;
  readonly scale: number;
  readonly histogram: ExponentialHistogram;
}

export type Last = LastNumber | LastHistogram | LastExponential;
export type CumulativePoint = PointInHand<Last, Reason>;

/** What all kinds of points ask. */
export interface FirstPoints {
  /** Whether the first point of a series is a delta since its start. */
  isKept(startNs: bigint, timeNs: bigint): boolean;
}

/** A delta begins where the last point stood, but never behind its own end. */
export const startOf = (last: LastPoint, timeNs: bigint): bigint =>
  last.timeNs > timeNs ? timeNs : last.timeNs;

let lastStartNs = 0n;
let lastStart = "0";

/** A start time as a part of a key; the points of one process mostly have the same. */
export function startKey(startNs: bigint): string {
  if (startNs !== lastStartNs) {
    lastStartNs = startNs;
    lastStart = startNs.toString(36);
  }
  return lastStart;
}
