import { accepted, optionalSection, section, z } from "../../src/config/fields.ts";
import { grpcServer } from "../../src/config/fragments/grpc-server.ts";
import { httpServer } from "../../src/config/fragments/http-server.ts";
import { urlPathOf } from "./url-path.ts";

const zeroTimeouts = { readHeaderTimeout: "0s", writeTimeout: "0s", idleTimeout: "0s" };

/** A missing slash is added; what is no URL is refused, with the Collector's text. */
const urlPath = () =>
  z.string().transform((text, context) => {
    const { path, problem } = urlPathOf(text);
    if (problem !== undefined) {
      context.addIssue({
        code: "custom",
        message: `invalid HTTP URL path set for signal: ${problem}`,
      });
    }
    return path;
  });

const grpc = grpcServer("localhost:4317");
const http = httpServer("localhost:4318", zeroTimeouts)
  .extend({
    traces_url_path: urlPath().default("/v1/traces").describe("Path for traces."),
    metrics_url_path: urlPath().default("/v1/metrics").describe("Path for metrics."),
    logs_url_path: urlPath().default("/v1/logs").describe("Path for logs."),
    profiles_url_path: accepted(urlPath(), "profiles are not received in this version"),
  })
  .superRefine(
    ({ traces_url_path: traces, metrics_url_path: metrics, logs_url_path: logs }, context) => {
      if (new Set([traces, metrics, logs]).size === 3) return;
      context.addIssue({
        code: "custom",
        message: "traces_url_path, metrics_url_path and logs_url_path must be different paths",
      });
    },
  );

const protocols = section({
  grpc: optionalSection("default", grpc).describe("OTLP/gRPC; on when named."),
  http: optionalSection("default", http).describe("OTLP/HTTP, protobuf and JSON; on when named."),
});

export const config = section({
  protocols: protocols.prefault({}).describe("At least one of grpc and http."),
}).superRefine((value, context) => {
  if (value.protocols.grpc === undefined && value.protocols.http === undefined) {
    context.addIssue({
      code: "custom",
      message: "must specify at least one protocol when using the OTLP receiver",
    });
  }
});

export type OtlpReceiverConfig = z.output<typeof config>;
export type GrpcConfig = NonNullable<OtlpReceiverConfig["protocols"]["grpc"]>;
export type HttpConfig = NonNullable<OtlpReceiverConfig["protocols"]["http"]>;
