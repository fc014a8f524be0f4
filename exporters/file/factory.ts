import { defineExporter } from "../../src/component.ts";
import { config } from "./config.ts";
import { FileExporter } from "./file-exporter.ts";

export const factory = defineExporter({
  type: "file",
  summary: "Writes telemetry to files, as lines of OTLP/JSON or as length-prefixed protobuf.",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  config,
  example: { path: "./telemetry.json" },
  create: ({ config: parsed, settings }) => new FileExporter(parsed, settings),
});
