import { defineProcessor } from "../../src/component.ts";
import { TemporalityStage } from "../../src/metrics/temporality-stage.ts";
import { config } from "./config.ts";
import { cumulativeToDelta } from "./cumulative-to-delta.ts";

export const factory = defineProcessor({
  type: "cumulative_to_delta",
  aliases: ["cumulativetodelta"],
  stability: { metrics: "beta" },
  state: "perSeries",
  summary: "Turns cumulative counters and histograms into deltas.",
  config,
  example: {},
  create: ({ config: parsed, settings }) => {
    const options = cumulativeToDelta(parsed, settings);
    return { stage: (next) => new TemporalityStage(options, settings, next) };
  },
});
