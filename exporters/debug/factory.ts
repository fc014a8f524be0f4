import { defineExporter } from "../../src/component.ts";
import { config } from "./config.ts";
import { DebugExporter } from "./debug-exporter.ts";

export const factory = defineExporter({
  type: "debug",
  summary: "Writes telemetry as text to the log or the console, to look at.",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  config,
  example: {},
  create: ({ config: parsed, settings }) => new DebugExporter(parsed, settings),
});
