import { defineProcessor } from "../../src/component.ts";
import { TemporalityStage } from "../../src/metrics/temporality-stage.ts";
import { config } from "./config.ts";
import { deltaToCumulative } from "./delta-to-cumulative.ts";

export const factory = defineProcessor({
  type: "delta_to_cumulative",
  aliases: ["deltatocumulative"],
  stability: { metrics: "alpha" },
  state: "perSeries",
  summary: "Adds deltas up to cumulative counters and histograms.",
  config,
  example: {},
  create: ({ config: parsed, settings }) => {
    const options = deltaToCumulative(parsed);
    return { stage: (next) => new TemporalityStage(options, settings, next) };
  },
});
