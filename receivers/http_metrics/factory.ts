import { defineReceiver } from "../../src/component.ts";
import { config } from "./config.ts";
import { HttpMetricsReceiver } from "./receiver.ts";

export const factory = defineReceiver({
  type: "http_metrics",
  stability: { metrics: "beta" },
  summary:
    "Receives metrics of one's own as JSON, and what clients push to a Prometheus Pushgateway.",
  config,
  example: {},
  create: ({ config: parsed, next, settings }) =>
    new HttpMetricsReceiver(parsed, next.metrics, settings),
});
