/** The include and exclude sections, with the Collector's rules and texts. */
import { accepted, int, optionalSection, section, z } from "../../src/config/fields.ts";
import type { Signal } from "../../src/pdata/payload.ts";
import { Regex } from "../../src/regex/regex.ts";

const attribute = section({
  key: z.string().default("").describe("Attribute that must exist."),
  value: z.unknown().optional().describe("Value it must have; any where absent."),
});

const library = section({
  name: z.string().default("").describe("Name of the instrumentation scope."),
  version: z.string().optional().describe("Its version; any where absent, none where empty."),
});

const severityNumber = section({
  min: int().default(0).describe("Lowest severity number that matches."),
  match_undefined: z.boolean().default(false).describe("Records without a severity match."),
});

const regexpReason = "verdicts are always kept, within a bound";
const regexpConfig = section({
  cacheenabled: accepted(z.boolean(), regexpReason),
  cachemaxnumentries: accepted(int(), regexpReason),
});

const names = () => z.array(z.string()).default([]);

export const matchFields = section({
  match_type: z.string().default("").describe("strict: equal texts; regexp: regular expressions."),
  regexp: optionalSection("none", regexpConfig).describe("Options of match_type regexp."),
  services: names().describe("service.name of the resource is one of these."),
  span_names: names().describe("The span's name is one of these."),
  span_kinds: names().describe("The span's kind is one of these (SPAN_KIND_SERVER …)."),
  log_bodies: names().describe("The record's body, as text, is one of these."),
  log_severity_texts: names().describe("The record's severity text is one of these."),
  log_severity_number: optionalSection("none", severityNumber).describe(
    "The record's severity number is at least this.",
  ),
  metric_names: names().describe("The metric's name is one of these."),
  attributes: z
    .array(attribute)
    .default([])
    .describe("All of these are attributes of the span, record or data point."),
  resources: z
    .array(attribute)
    .default([])
    .describe("All of these are attributes of the resource."),
  libraries: z.array(library).default([]).describe("The instrumentation scope is one of these."),
});

export type MatchConfig = z.output<typeof matchFields>;

const kindNames = [
  "SPAN_KIND_CLIENT",
  "SPAN_KIND_CONSUMER",
  "SPAN_KIND_INTERNAL",
  "SPAN_KIND_PRODUCER",
  "SPAN_KIND_SERVER",
];

/** What each list is called in errors. */
const lists = {
  services: "service name",
  span_names: "span name",
  span_kinds: "span kind",
  log_bodies: "log record body",
  log_severity_texts: "log record severity text",
  metric_names: "metric name",
} as const;

/** Why a section is wrong for whatever signal. */
export function matchProblem(match: MatchConfig): string | undefined {
  for (const [key, name] of Object.entries(lists) as [keyof typeof lists, string][]) {
    const problem = listProblem(match[key], match.match_type);
    if (problem !== undefined) return `error creating ${name} filters: ${problem}`;
  }
  const libraryTexts = match.libraries.flatMap(({ name, version }) => [name, version ?? ""]);
  const problem = listProblem(libraryTexts, match.match_type);
  if (problem !== undefined) return `error creating library name filters: ${problem}`;
  return attributeProblem("attribute", match) ?? attributeProblem("resource", match);
}

function listProblem(texts: readonly string[], matchType: string): string | undefined {
  if (texts.length === 0 || matchType === "strict") return undefined;
  if (matchType !== "regexp") return wrongType(matchType);
  return texts.map(patternProblem).find((problem) => problem !== undefined);
}

const wrongType = (matchType: string) =>
  `unrecognized match_type: '${matchType}', valid types are: [regexp strict]`;

function patternProblem(pattern: string): string | undefined {
  try {
    Regex.compile(pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function attributeProblem(what: "attribute" | "resource", match: MatchConfig): string | undefined {
  for (const { key, value } of what === "attribute" ? match.attributes : match.resources) {
    const problem = valueProblem(key, value, match.match_type);
    if (problem !== undefined) return `error creating ${what} filters: ${problem}`;
  }
  return undefined;
}

function valueProblem(key: string, value: unknown, matchType: string): string | undefined {
  if (key === "") return "can't have empty key in the list of attributes";
  if (value === undefined || value === null || matchType === "strict") return undefined;
  if (matchType !== "regexp") return wrongType(matchType);
  if (typeof value === "string") return patternProblem(value);
  return `match_type=regexp for ${JSON.stringify(key)} only supports Str, but found ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (typeof value === "boolean") return "Bool";
  if (typeof value === "bigint") return "Int";
  if (typeof value === "number") return Number.isInteger(value) ? "Int" : "Double";
  return Array.isArray(value) ? "Slice" : "Map";
}

const shared = ["attributes", "libraries", "resources"] as const;
const usable: Readonly<Record<Signal, readonly (keyof MatchConfig)[]>> = {
  traces: [...shared, "services", "span_names", "span_kinds"],
  logs: [...shared, "log_bodies", "log_severity_texts", "log_severity_number"],
  metrics: [...shared, "services", "metric_names"],
};

const isGiven = (match: MatchConfig, key: keyof MatchConfig) => {
  const value = match[key];
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
};

/** Whether a section says anything about items of a signal. */
const concerns = (match: MatchConfig, signal: Signal) =>
  usable[signal].some((key) => isGiven(match, key));

/** Why a section is wrong for a signal. */
export const signalProblem = (match: MatchConfig, signal: Signal): string | undefined =>
  signalProblems[signal](match);

const signalProblems: Readonly<Record<Signal, (match: MatchConfig) => string | undefined>> = {
  traces: spanProblem,
  logs: logProblem,
  metrics: metricProblem,
};

const logKeys = ["log_bodies", "log_severity_texts", "log_severity_number"] as const;

function spanProblem(match: MatchConfig): string | undefined {
  for (const key of [...logKeys, "metric_names"] as const) {
    if (isGiven(match, key)) return `${key} should not be specified for trace spans`;
  }
  if (!concerns(match, "traces")) {
    return `at least one of "attributes", "libraries",  or "resources" field must be specified`;
  }
  if (match.match_type !== "strict") return undefined;
  if (match.span_kinds.every((kind) => kindNames.includes(kind))) return undefined;
  return `span_kinds string must match one of the standard span kinds when match_type=strict: [${kindNames.join(" ")}]`;
}

function logProblem(match: MatchConfig): string | undefined {
  const others = ["services", "span_names", "span_kinds", "metric_names"] as const;
  if (others.some((key) => isGiven(match, key))) {
    return "services, span_names, span_kinds and metric_names are not valid for log records";
  }
  if (concerns(match, "logs")) return undefined;
  return `at least one of "attributes", "libraries", "span_kinds", "resources", "log_bodies", "log_severity_texts" or "log_severity_number" field must be specified`;
}

/** The Collector refuses services, attributes and libraries, too; here they count. */
function metricProblem(match: MatchConfig): string | undefined {
  if ((["span_names", "span_kinds", ...logKeys] as const).some((key) => isGiven(match, key))) {
    return `"span_names", "span_kinds", "log_bodies", "log_severity_texts" and "log_severity_number" are not valid for metrics`;
  }
  if (concerns(match, "metrics")) return undefined;
  return `at least one of "metric_names" or "resources" field must be specified`;
}
