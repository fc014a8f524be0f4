import { optionalSection, section, z } from "../../src/config/fields.ts";
import { grpcServer } from "../../src/config/fragments/grpc-server.ts";
import { httpServer } from "../../src/config/fragments/http-server.ts";

const zeroTimeouts = { readHeaderTimeout: "0s", writeTimeout: "0s", idleTimeout: "0s" };

/** A missing slash is added; what is no URL path is refused, with the Collector's text. */
const urlPath = (defaultPath: string) =>
  z
    .string()
    .default(defaultPath)
    .transform((text, context) => {
      const path = text.startsWith("/") ? text : `/${text}`;
      if (/%(?![0-9a-fA-F]{2})/u.test(path) || text.startsWith(":")) {
        context.addIssue({
          code: "custom",
          message: `invalid HTTP URL path set for signal: parse ${JSON.stringify(text)}: invalid URL escape`,
        });
      }
      return path;
    });

const grpc = grpcServer("localhost:4317");
const http = httpServer("localhost:4318", zeroTimeouts).extend({
  traces_url_path: urlPath("/v1/traces").describe("Path for traces."),
  metrics_url_path: urlPath("/v1/metrics").describe("Path for metrics."),
  logs_url_path: urlPath("/v1/logs").describe("Path for logs."),
});

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
