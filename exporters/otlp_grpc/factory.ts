import { defineExporter } from "../../src/component.ts";
import { config } from "./config.ts";
import { OtlpGrpcExporter } from "./exporter.ts";

export const factory = defineExporter({
  type: "otlp_grpc",
  aliases: ["otlp"],
  summary: "Sends telemetry to an OTLP backend over gRPC.",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  config,
  example: { endpoint: "127.0.0.1:4317", tls: { insecure: true } },
  create: ({ config: parsed, settings }) => new OtlpGrpcExporter(parsed, settings),
});
