import { defineExporter } from "../../src/component.ts";
import { config } from "./config.ts";
import { PrometheusExporter } from "./exporter.ts";

export const factory = defineExporter({
  type: "prometheus",
  summary: "Shows the last value of every metric series to Prometheus and other scrapers.",
  stability: { metrics: "beta" },
  config,
  example: { endpoint: "localhost:9464" },
  create: ({ config: parsed, settings }) => new PrometheusExporter(parsed, settings),
});
