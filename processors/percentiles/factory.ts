import { defineProcessor } from "../../src/component.ts";
import { config } from "./config.ts";
import { PercentilesStage } from "./stage.ts";

export const factory = defineProcessor({
  type: "percentiles",
  stability: { metrics: "beta" },
  state: "perProcess",
  summary: "Computes quantiles of what passes by and adds them as metrics.",
  config,
  example: {},
  create: ({ config: parsed, settings }) => ({
    stage: (next) => new PercentilesStage(parsed, settings, next),
  }),
});
