import { defineReceiver } from "../../src/component.ts";
import { config } from "./config.ts";
import { StatsdReceiver } from "./receiver.ts";

export const factory = defineReceiver({
  type: "statsd",
  summary: "Receives StatsD and DogStatsD lines over UDP or TCP and aggregates them.",
  stability: { metrics: "beta" },
  config,
  example: { endpoint: "localhost:0" },
  create: ({ config: parsed, next, settings }) =>
    // Without a pipeline of metrics there is nobody to aggregate for.
    next.metrics === undefined ? {} : new StatsdReceiver(parsed, next.metrics, settings),
});
