import { accepted, durationWithDefault, int, section, z } from "../../src/config/fields.ts";
import { Regex } from "../../src/regex/regex.ts";

const initialValues = ["auto", "keep", "drop"] as const;
export type InitialValue = (typeof initialValues)[number];

/** In the order of the Collector's error texts. */
const metricTypes = ["exponentialhistogram", "histogram", "sum"] as const;
export type MetricType = (typeof metricTypes)[number];

const regexpReason = "each metric is looked at once and the verdict kept, within a bound";
const regexpConfig = section({
  cacheenabled: accepted(z.boolean(), regexpReason),
  cachemaxnumentries: accepted(int(), regexpReason),
});

const match = section({
  metrics: z
    .array(z.string())
    .default([])
    .describe("Names of metrics, or regular expressions that a name contains."),
  match_type: z.string().default("").describe("strict or regexp; goes with `metrics`."),
  regexp: regexpConfig.optional().describe("Options of match_type regexp."),
  metric_types: z
    .array(z.string())
    .default([])
    .describe("sum, histogram, exponentialhistogram; all where empty."),
});

export type MatchConfig = z.output<typeof match>;

/** The keys of the Collector's cumulativetodelta processor, and `max_series`. */
export const config = section({
  include: match.prefault({}).describe("Only these metrics are converted; all where empty."),
  exclude: match.prefault({}).describe("These metrics are not converted, whatever include says."),
  max_staleness: durationWithDefault("1h").describe(
    "A series without a point for so long is forgotten; 0: never.",
  ),
  initial_value: z
    .string()
    .default("auto")
    .describe(
      "The first point of a series: auto (kept if the series began after the service), keep or drop.",
    ),
  max_series: int()
    .positive()
    .default(500_000)
    .describe("Series remembered; points of further ones are dropped."),
}).superRefine((value, context) => {
  const fail = (path: string[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  for (const key of ["include", "exclude"] as const) {
    const problem = matchProblem(key, value[key]);
    if (problem !== undefined) fail([key], problem);
  }
  if (!(initialValues as readonly string[]).includes(value.initial_value)) {
    fail(["initial_value"], `unknown initial_value: ${value.initial_value}`);
  }
});

export type CumulativeToDeltaConfig = z.output<typeof config>;

/** In the Collector's words. */
function matchProblem(key: string, { metrics, match_type, metric_types }: MatchConfig) {
  if (metrics.length > 0 && match_type === "")
    return "match_type must be set if metrics are supplied";
  if (match_type !== "" && metrics.length === 0)
    return "metrics must be supplied if match_type is set";
  if (match_type !== "" && match_type !== "strict" && match_type !== "regexp") {
    return `unrecognized match_type: '${match_type}', valid types are: [regexp strict]`;
  }
  const wrong = metric_types.find(
    (type) => !(metricTypes as readonly string[]).includes(type.toLowerCase()),
  );
  if (wrong !== undefined) {
    return `found invalid metric type in ${key}.metric_types: ${wrong}. Valid values are [${metricTypes.join(" ")}]`;
  }
  return match_type === "regexp" ? patternProblem(metrics) : undefined;
}

function patternProblem(patterns: readonly string[]): string | undefined {
  for (const pattern of patterns) {
    try {
      Regex.compile(pattern);
    } catch (error) {
      return (error as Error).message;
    }
  }
  return undefined;
}
