import { defineExporter } from "../../src/component.ts";
import { config } from "./config.ts";
import { OtlpHttpExporter } from "./exporter.ts";

export const factory = defineExporter({
  type: "otlp_http",
  aliases: ["otlphttp"],
  summary: "Sends telemetry to an OTLP backend over HTTP, as protobuf or JSON.",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  config,
  example: { endpoint: "http://127.0.0.1:4318" },
  create: ({ config: parsed, signals, settings }) =>
    new OtlpHttpExporter(parsed, signals, settings),
});
