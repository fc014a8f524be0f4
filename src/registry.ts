/**
 * The components of this version: one row each, with a literal import() so that what a config does not name
 * is never loaded. The only file that knows component folders; handed to the engine as a value.
 */
import type { Factory, Kind } from "./component.ts";
import type { Registry } from "./config/registry-contract.ts";

interface Row {
  readonly kind: Kind;
  readonly type: string;
  /** Older spellings, as in the factory (a test compares them): known without loading it. */
  readonly aliases: readonly string[];
  readonly load: () => Promise<{ readonly factory: Factory }>;
}

const row = (
  kind: Kind,
  type: string,
  load: Row["load"],
  aliases: readonly string[] = [],
): Row => ({ kind, type, aliases, load });

const rows: readonly Row[] = [
  row("receiver", "http_metrics", () => import("../receivers/http_metrics/factory.ts")),
  row("receiver", "nop", () => import("../receivers/nop/factory.ts")),
  row("receiver", "otlp", () => import("../receivers/otlp/factory.ts")),
  row("receiver", "statsd", () => import("../receivers/statsd/factory.ts")),
  row("processor", "attributes", () => import("../processors/attributes/factory.ts")),
  row("processor", "batch", () => import("../processors/batch/factory.ts")),
  row(
    "processor",
    "cumulative_to_delta",
    () => import("../processors/cumulative_to_delta/factory.ts"),
    ["cumulativetodelta"],
  ),
  row(
    "processor",
    "delta_to_cumulative",
    () => import("../processors/delta_to_cumulative/factory.ts"),
    ["deltatocumulative"],
  ),
  row("processor", "memory_limiter", () => import("../processors/memory_limiter/factory.ts")),
  row(
    "processor",
    "metrics_transform",
    () => import("../processors/metrics_transform/factory.ts"),
    ["metricstransform"],
  ),
  row("processor", "percentiles", () => import("../processors/percentiles/factory.ts")),
  row("processor", "relabel", () => import("../processors/relabel/factory.ts")),
  row("processor", "resource", () => import("../processors/resource/factory.ts")),
  row("exporter", "debug", () => import("../exporters/debug/factory.ts")),
  row("exporter", "file", () => import("../exporters/file/factory.ts")),
  row("exporter", "nop", () => import("../exporters/nop/factory.ts")),
  row("exporter", "otlp_grpc", () => import("../exporters/otlp_grpc/factory.ts"), ["otlp"]),
  row("exporter", "otlp_http", () => import("../exporters/otlp_http/factory.ts"), ["otlphttp"]),
  row("exporter", "prometheus", () => import("../exporters/prometheus/factory.ts")),
  row("connector", "forward", () => import("../connectors/forward/factory.ts")),
  row("extension", "basic_auth", () => import("../extensions/basic_auth/factory.ts"), [
    "basicauth",
  ]),
  row(
    "extension",
    "bearer_token_auth",
    () => import("../extensions/bearer_token_auth/factory.ts"),
    ["bearertokenauth"],
  ),
  row("extension", "health_check", () => import("../extensions/health_check/factory.ts")),
  row("extension", "pprof", () => import("../extensions/pprof/factory.ts")),
  row("extension", "zpages", () => import("../extensions/zpages/factory.ts")),
];

export const registry: Registry = {
  types: (kind) => rows.filter((candidate) => candidate.kind === kind),
  find: async (kind, type) => {
    const found = rows.find((candidate) => candidate.kind === kind && candidate.type === type);
    return found === undefined ? undefined : (await found.load()).factory;
  },
};

/** Every factory, for documentation, schema and tests. */
export function allFactories(): Promise<Factory[]> {
  return Promise.all(rows.map(async ({ load }) => (await load()).factory));
}
