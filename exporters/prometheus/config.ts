import { accepted, durationWithDefault, section, z } from "../../src/config/fields.ts";
import { httpServerKeys } from "../../src/config/fragments/http-server.ts";
import { checkServerEndpoint } from "../../src/config/fragments/server-endpoint.ts";
import { type TranslationStrategy, translationStrategies } from "../../src/prometheus/names.ts";

const keys = section({
  endpoint: z.string().default("").describe("Where Prometheus scrapes /metrics, host:port."),
  ...httpServerKeys(),
  namespace: z.string().default("").describe("Put before the name of every metric."),
  const_labels: z
    .record(z.string(), z.string())
    .default({})
    .describe("Labels of every series; a label that the series has itself stays."),
  send_timestamps: z
    .boolean()
    .default(false)
    .describe(
      "Write the points' times; Prometheus then no longer notices by itself that a series ended.",
    ),
  metric_expiration: durationWithDefault("5m").describe(
    "A series that got no point for so long is no longer shown.",
  ),
  resource_to_telemetry_conversion: section({
    enabled: z.boolean().default(false).describe("Make labels of all resource attributes."),
    exclude_service_attributes: z
      .boolean()
      .default(false)
      .describe("But not of service.name, service.namespace and service.instance.id."),
  })
    .prefault({})
    .describe("The older form of resource_constant_labels."),
  resource_constant_labels: section({
    included: z
      .array(z.string())
      .default([])
      .describe("Resource attributes that become labels; `*` and `?` are wildcards."),
    excluded: z.array(z.string()).default([]).describe("Except these."),
  })
    .prefault({})
    .describe("Resource attributes as labels of every series; none unless `included` is set."),
  enable_open_metrics: z
    .boolean()
    .default(false)
    .describe("Offer OpenMetrics to scrapers that ask for it; with it come exemplars."),
  add_metric_suffixes: z
    .boolean()
    .default(true)
    .describe("Append unit and type to names; translation_strategy, if set, decides instead."),
  translation_strategy: z
    .enum(["", ...translationStrategies], {
      error: (issue) => `invalid translation_strategy: ${String(issue.input)}`,
    })
    .default("")
    .describe(
      "How names are made: UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation.",
    ),
  without_scope_info: z.boolean().default(false).describe("Leave out the otel_scope_* labels."),
  sending_queue: accepted(
    z.unknown(),
    "points are booked in memory at once, there is nothing to queue",
  ),
});

/** The keys of the Collector's prometheus exporter. */
export const config = keys.superRefine((value, context) => {
  if (value.endpoint === "") {
    context.addIssue({
      code: "custom",
      path: ["endpoint"],
      message: "expecting a non-blank address to run the Prometheus metrics handler",
    });
  } else checkServerEndpoint(value, context);
  if (value.metric_expiration < 0) {
    context.addIssue({
      code: "custom",
      path: ["metric_expiration"],
      message: "metric_expiration must not be negative",
    });
  }
  for (const name of ["", "__name__"]) {
    if (!Object.hasOwn(value.const_labels, name)) continue;
    context.addIssue({
      code: "custom",
      path: ["const_labels", name],
      message: `${JSON.stringify(name)} is not a valid label name`,
    });
  }
  const { included, excluded } = value.resource_constant_labels;
  if (included.length === 0 && excluded.length > 0) {
    context.addIssue({
      code: "custom",
      path: ["resource_constant_labels", "excluded"],
      message: "has no effect without `included`",
    });
  }
});

export type PrometheusConfig = z.output<typeof config>;

/** The strategy in force: translation_strategy, else what add_metric_suffixes says. */
export function strategyOf(value: PrometheusConfig): TranslationStrategy {
  if (value.translation_strategy !== "") return value.translation_strategy;
  return value.add_metric_suffixes
    ? "UnderscoreEscapingWithSuffixes"
    : "UnderscoreEscapingWithoutSuffixes";
}
