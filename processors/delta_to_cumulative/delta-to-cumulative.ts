import { type Conversion, cumulative, delta } from "../../src/metrics/temporality-converter.ts";
import type { TemporalityStageOptions } from "../../src/metrics/temporality-stage.ts";
import { type DeltaToCumulativeConfig, maxSeriesOf } from "./config.ts";
import { exponentialTotal } from "./exponential-total.ts";
import { histogramTotal } from "./histogram-total.ts";
import { numberTotal } from "./number-total.ts";
import { explanations, type Reason, type Total } from "./totals.ts";

export function deltaToCumulative(
  config: DeltaToCumulativeConfig,
): TemporalityStageOptions<Total, Reason> {
  return {
    conversion,
    explanations,
    noteCounter: "rmt_delta_to_cumulative_discontinuities",
    states: {
      maxSeries: maxSeriesOf(config),
      limitKey: "max_streams",
      maxStaleMs: config.max_stale,
    },
  };
}

const conversion: Conversion<Total, Reason> = {
  temporality: cumulative,
  takes: ({ temporality }) => temporality === delta,
  convert(point, out) {
    const { kind } = point.series.parent;
    if (kind === "sum") return numberTotal(point, out);
    return kind === "histogram" ? histogramTotal(point, out) : exponentialTotal(point, out);
  },
};
