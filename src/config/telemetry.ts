/** `service::telemetry`: the service's own logs and metrics, every upstream key classed. */
import {
  accepted,
  durationWithDefault,
  int,
  optionalSection,
  refused,
  type Secret,
  secret,
  section,
  z,
} from "./fields.ts";
import { hintFor } from "./suggest.ts";

const noTraces = "this version emits no spans about itself";
const noOwnLogExport = "own logs are written to output_paths only";
const zapOnly = "the log has no such output";

const sampling = section({
  enabled: z.boolean().default(true).describe("Thin out equal lines."),
  tick: durationWithDefault("10s").describe("Period in which lines are counted."),
  initial: int().default(10).describe("Equal lines let through in each period."),
  thereafter: int().default(100).describe("After those, every n-th; 0: none."),
});

const logs = section({
  level: z
    .string()
    .default("info")
    .transform((level, context) => {
      // An unset variable leaves "", which is the Collector's default too.
      const name = level === "" ? "info" : level.toLowerCase();
      const known = ["debug", "info", "warn", "error", "dpanic", "panic", "fatal"] as const;
      const found = known.find((candidate) => candidate === name);
      if (found !== undefined) return found;
      context.addIssue({
        code: "custom",
        message: `unrecognized level: ${JSON.stringify(level)}`,
        params: { hint: hintFor(level, ["debug", "info", "warn", "error"], "values") },
      });
      return z.NEVER;
    })
    .describe("Least important level that is written: debug, info, warn, error."),
  encoding: z.enum(["console", "json"]).default("console").describe("Form of a line."),
  output_paths: z.array(z.string()).default(["stderr"]).describe("stderr, stdout or files."),
  error_output_paths: z
    .array(z.string())
    .default(["stderr"])
    .describe("Where failures of the log itself are told."),
  sampling: sampling.prefault({}).describe("Thins out equal lines."),
  initial_fields: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("Fields added to every line."),
  development: accepted(z.boolean(), zapOnly).describe("Development mode of the log."),
  disable_caller: accepted(z.boolean(), zapOnly).describe("Leave out the code's line."),
  disable_stacktrace: accepted(z.boolean(), zapOnly).describe("Leave out stack traces."),
  disable_zap_resource: accepted(z.boolean(), zapOnly).describe("Leave out the resource."),
  processors: accepted(z.array(z.unknown()), noOwnLogExport).describe("Export of own logs."),
});

/** Declarative config writes periods as whole milliseconds. */
const milliseconds = (defaultMs: number) => z.int().nonnegative().default(defaultMs);

const includeExclude = section({
  included: z.array(z.string()).optional().describe("Names; `*` and `?` are wildcards."),
  excluded: z.array(z.string()).optional().describe("Names; `*` and `?` are wildcards."),
});

const prometheusPull = section({
  host: z.string().default("localhost").describe("Address to listen on."),
  port: z.int().min(0).max(65535).default(9464).describe("Port to listen on."),
  without_type_suffix: z.boolean().default(false).describe("No `_total` behind counters."),
  without_units: z.boolean().default(false).describe("No unit behind names."),
  without_scope_info: z.boolean().default(false).describe("No scope labels and otel_scope_info."),
  with_resource_constant_labels: includeExclude
    .optional()
    .describe("Resource attributes that become labels of every metric."),
  translation_strategy: refused("set without_type_suffix and without_units instead").describe(
    "How names are translated.",
  ),
});

const headerList = z
  .union([z.array(section({ name: z.string(), value: secret() })), z.record(z.string(), secret())])
  .optional()
  .transform((headers): { name: string; value: Secret }[] => {
    if (headers === undefined) return [];
    if (Array.isArray(headers)) return headers;
    return Object.entries(headers).map(([name, value]) => ({ name, value }));
  });

const otlpTls = section({
  ca_file: z.string().optional().describe("CA certificates, PEM."),
  cert_file: z.string().optional().describe("Client certificate, PEM."),
  key_file: z.string().optional().describe("Client key, PEM."),
  insecure: z.boolean().optional().describe("Clear text."),
});

const otlpShape = {
  endpoint: z.string().default("http://localhost:4318").describe("Base URL or host:port."),
  headers: headerList.describe("Headers: a list of name and value, or a map."),
  headers_list: refused("write the headers as a list under `headers`").describe("k=v,k=v"),
  compression: z.enum(["gzip", "none"]).optional().describe("Compression of requests."),
  timeout: z.int().nonnegative().optional().describe("Milliseconds."),
  temporality_preference: z
    .enum(["cumulative", "delta", "low_memory", "lowmemory"])
    .optional()
    .describe("Temporality of counters and histograms."),
  default_histogram_aggregation: refused("own histograms have explicit buckets").describe(
    "Aggregation of histograms.",
  ),
  insecure: z.boolean().optional().describe("gRPC: clear text."),
  certificate: z.string().optional().describe("CA certificates, PEM."),
  client_certificate: z.string().optional().describe("Client certificate, PEM."),
  client_key: z.string().optional().describe("Client key, PEM."),
  certificate_file: z.string().optional().describe("As certificate."),
  client_certificate_file: z.string().optional().describe("As client_certificate."),
  client_key_file: z.string().optional().describe("As client_key."),
  tls: otlpTls.optional().describe("TLS files."),
};

const otlp = section({
  protocol: z.enum(["grpc", "http/protobuf"]).default("http/protobuf").describe("Transport."),
  ...otlpShape,
});

/** The newer spelling has the protocol in the key. */
const otlpOf = section(otlpShape);

type OtlpInput = z.output<typeof otlpOf>;

const flatten = (protocol: "grpc" | "http/protobuf", value: OtlpInput) => ({
  protocol,
  endpoint: value.endpoint,
  headers: value.headers,
  compression: value.compression,
  timeout: value.timeout,
  temporality_preference: value.temporality_preference,
  insecure: value.insecure ?? value.tls?.insecure,
  certificate: value.certificate ?? value.certificate_file ?? value.tls?.ca_file,
  client_certificate:
    value.client_certificate ?? value.client_certificate_file ?? value.tls?.cert_file,
  client_key: value.client_key ?? value.client_key_file ?? value.tls?.key_file,
});

const pushExporter = section({
  otlp: optionalSection("default", otlp).describe("Pushes OTLP; `protocol` says how."),
  otlp_grpc: optionalSection("default", otlpOf).describe("Pushes OTLP over gRPC."),
  otlp_http: optionalSection("default", otlpOf).describe("Pushes OTLP over HTTP."),
  console: optionalSection("default", section({})).describe("Writes to standard output."),
}).transform((exporter, context) => {
  const { otlp_grpc: grpc, otlp_http: http } = exporter;
  if (Object.values(exporter).filter((value) => value !== undefined).length !== 1) {
    context.addIssue({ code: "custom", message: "must have exactly one exporter" });
    return z.NEVER;
  }
  if (exporter.otlp !== undefined) return { otlp: flatten(exporter.otlp.protocol, exporter.otlp) };
  if (grpc !== undefined) return { otlp: flatten("grpc", grpc) };
  if (http !== undefined) return { otlp: flatten("http/protobuf", http) };
  return { console: {} };
});

const pull = section({
  exporter: section({
    prometheus: prometheusPull.prefault({}).describe("Serves /metrics."),
  })
    .prefault({})
    .describe("What is served."),
  producers: refused("there are no other producers of own metrics").describe("Bridges."),
  cardinality_limits: refused("own metrics have bounded labels").describe("Limits."),
});

const periodic = section({
  interval: milliseconds(60_000).describe("Milliseconds between two pushes."),
  timeout: milliseconds(30_000).describe("Milliseconds one push may take."),
  exporter: pushExporter.describe("Where to."),
  producers: refused("there are no other producers of own metrics").describe("Bridges."),
  cardinality_limits: refused("own metrics have bounded labels").describe("Limits."),
});

const reader = section({
  pull: optionalSection("default", pull).describe("Waits to be scraped."),
  periodic: optionalSection("none", periodic).describe("Pushes."),
}).superRefine((value, context) => {
  if ((value.pull === undefined) === (value.periodic === undefined)) {
    context.addIssue({ code: "custom", message: "must have exactly one of pull and periodic" });
  }
});

const metrics = section({
  level: z
    .string()
    .default("normal")
    .transform((level, context) => {
      const known = ["none", "basic", "normal", "detailed"] as const;
      const found = known.find((candidate) => candidate === level.toLowerCase());
      if (found !== undefined) return found;
      const message = `unknown metrics level ${JSON.stringify(level)}`;
      context.addIssue({
        code: "custom",
        message,
        params: { hint: hintFor(level, known, "values") },
      });
      return z.NEVER;
    })
    .describe("How much is measured."),
  readers: z
    .array(reader)
    .optional()
    .describe("Who gets own metrics; by default a Prometheus endpoint on localhost:8888."),
  address: accepted(z.string(), "the Collector ignores it since 0.123; configure readers").describe(
    "Ignored.",
  ),
  views: refused("own metrics cannot be reshaped; use a pipeline").describe("Reshapes metrics."),
}).superRefine((value, context) => {
  if (value.level === "none" || value.readers === undefined || value.readers.length > 0) return;
  context.addIssue({
    code: "custom",
    message: "collector telemetry metrics reader should exist when metric level is not none",
    path: ["readers"],
  });
});

const traces = section({
  level: accepted(z.string(), noTraces).describe("How much is traced."),
  propagators: accepted(z.array(z.string()), noTraces).describe("Header formats."),
  processors: accepted(z.array(z.unknown()), noTraces).describe("Export of own spans."),
  sampler: accepted(z.unknown(), noTraces).describe("Share of spans."),
  limits: accepted(z.unknown(), noTraces).describe("Bounds of spans."),
});

type AttributeValue = string | number | boolean | null;

const attributeValue = z.union([z.string(), z.number(), z.boolean()]).nullable();

const attributeList = z.array(
  section({
    name: z.string().describe("Attribute name."),
    value: attributeValue.describe("Attribute value."),
    type: z.string().optional().describe("Declarative config's type name; the value decides."),
  }),
);

/** A plain map, or the declarative `attributes` list; null takes a default attribute away. */
const resource = z
  .object({
    attributes: z
      .union([attributeList, attributeValue])
      .optional()
      .describe("Declarative list of name and value."),
    schema_url: accepted(z.string(), "own telemetry carries no schema URL").describe("Schema."),
    detectors: refused("set the attributes themselves").describe("Detection."),
    "detection/development": refused("set the attributes themselves").describe("Detection."),
    attributes_list: refused("write them under `attributes`").describe("k=v,k=v"),
  })
  .catchall(attributeValue)
  .transform((value): Readonly<Record<string, AttributeValue>> => {
    const { attributes, schema_url: _url, ...plain } = value as Record<string, unknown>;
    const listed = Array.isArray(attributes)
      ? attributes.map((attribute: z.output<typeof attributeList>[number]) => [
          attribute.name,
          attribute.value,
        ])
      : [];
    return { ...(plain as Record<string, AttributeValue>), ...Object.fromEntries(listed) };
  });

export const telemetry = section({
  logs: logs.prefault({}).describe("The service's log."),
  metrics: metrics.prefault({}).describe("Metrics about the service."),
  traces: traces.optional().describe("Spans about the service."),
  resource: resource.prefault({}).describe("Attributes of own telemetry."),
});

/** Durations in milliseconds; `traces` only carries keys without effect. */
export type TelemetryConfig = Omit<z.output<typeof telemetry>, "traces">;
