import { isLess } from "../../src/metrics/point-codec.ts";
import type { Explanations } from "../../src/metrics/point-findings.ts";
import type { PointInHand } from "../../src/metrics/point-list.ts";
import { SeriesState } from "../../src/metrics/series-state.ts";

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
export abstract class LastPoint extends SeriesState {
  timeHigh = 0;
  timeLow = 0;

  setTime({ timeHigh, timeLow }: CumulativePoint): void {
    this.timeHigh = timeHigh;
    this.timeLow = timeLow;
  }

  isAfter({ timeHigh, timeLow }: CumulativePoint): boolean {
    return isLess(timeHigh, timeLow, this.timeHigh, this.timeLow);
  }
}

export type CumulativePoint = PointInHand<LastPoint, Reason>;

/** What all kinds of points ask: whether the first point of a series is a delta since its start. */
export type FirstPoints = (point: CumulativePoint) => boolean;
