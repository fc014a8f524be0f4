/** What is measured: configurations and loads. Peers read the same YAML. */
import type { LoadOptions } from "./load.ts";

export interface Row {
  readonly name: string;
  readonly yaml: string;
  /** Where the system listens. */
  readonly port: number;
  readonly load: LoadOptions;
}

const port = 24317;
const sinkPort = 25317;
const telemetry = "  telemetry: { metrics: { level: none } }";

function forwardYaml(
  signal: string,
  protocol: "grpc" | "http",
  compression: "none" | "gzip",
): string {
  const exporter =
    protocol === "grpc"
      ? `otlp: { endpoint: "127.0.0.1:${sinkPort}", compression: ${compression}, tls: { insecure: true } }`
      : `otlphttp: { endpoint: "http://127.0.0.1:${sinkPort}", compression: ${compression} }`;
  return `receivers: { otlp: { protocols: { ${protocol}: { endpoint: "127.0.0.1:${port}" } } } }
processors: { batch: }
exporters: { ${exporter} }
service:
${telemetry}
  pipelines: { ${signal}: { receivers: [otlp], processors: [batch], exporters: [${protocol === "grpc" ? "otlp" : "otlphttp"}] } }
`;
}

function load(
  shape: LoadOptions["shape"],
  size: number,
  requests: number,
  rest: Partial<LoadOptions> = {},
): LoadOptions {
  return {
    shape,
    size,
    requests,
    protocol: "grpc",
    compression: "none",
    target: port,
    sinkPort,
    connections: 4,
    inFlight: 4,
    ...rest,
  };
}

const forward = (name: string, signal: string, options: LoadOptions): Row => ({
  name,
  port,
  yaml: forwardYaml(signal, options.protocol, options.compression),
  load: options,
});

const prometheusYaml = `receivers: { otlp: { protocols: { grpc: { endpoint: "127.0.0.1:${port}" } } } }
exporters: { prometheus: { endpoint: "127.0.0.1:${port + 1}" } }
service:
${telemetry}
  pipelines: { metrics: { receivers: [otlp], exporters: [prometheus] } }
`;

export const rows: readonly Row[] = [
  forward("gRPC testbed 700 points, none", "metrics", load("testbed", 700, 6000)),
  forward("gRPC repeat 1,000 points, none", "metrics", load("repeat", 1000, 4000)),
  forward("gRPC logs 1,000, none", "logs", load("logs", 1000, 3000)),
  forward("gRPC spans 100, none", "traces", load("spans", 100, 12000)),
  forward("gRPC logs 100, none", "logs", load("logs", 100, 12000)),
  forward("gRPC testbed 700, gzip", "metrics", load("testbed", 700, 3000, { compression: "gzip" })),
  forward(
    "gRPC repeat 1,000, gzip",
    "metrics",
    load("repeat", 1000, 2000, { compression: "gzip" }),
  ),
  forward("HTTP testbed 700, none", "metrics", load("testbed", 700, 6000, { protocol: "http" })),
  forward("HTTP repeat 1,000, none", "metrics", load("repeat", 1000, 4000, { protocol: "http" })),
  {
    name: "gRPC repeat 1,000 -> prometheus",
    port,
    yaml: prometheusYaml,
    load: load("repeat", 1000, 3000, { sinkPort: undefined }),
  },
];
