import { type Environment, otlpVariable, parsePairs, variable } from "./environment.ts";
import type { Pair } from "./metrics/attribute-bytes.ts";
import type { Problems } from "./problems.ts";
import type { Target } from "./sending/post.ts";
import type { HttpOptions, StartOptions, SystemOptions } from "./types.ts";

/** Every option with its value: given, from the environment, or by default. */
export interface Settings {
  /** Undefined: nothing is sent. */
  readonly target: Target | undefined;
  readonly resource: readonly Pair[];
  readonly isGzip: boolean;
  readonly isDelta: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly maxSeriesPerMetric: number;
  readonly maxQueueBytes: number;
  readonly exitFlushMs: number;
  /** Undefined: servers are not measured. */
  readonly http: HttpOptions | undefined;
  /** Undefined: the process is not measured. */
  readonly system: SystemOptions | undefined;
  readonly isDisabled: boolean;
}

const defaultEndpoint = "http://127.0.0.1:4318";
const metricsPath = "/v1/metrics";

/** What cannot be used is reported and replaced by its default. */
export function resolveSettings(
  options: StartOptions,
  env: Environment,
  problems: Problems,
): Settings {
  const isDisabled = variable(env, "OTEL_SDK_DISABLED")?.toLowerCase() === "true";
  const isSending =
    !isDisabled && (options.export ?? variable(env, "OTEL_METRICS_EXPORTER") !== "none");
  const { http = true, system = true } = options;
  const number = (name: NumericOption, fallback: number, least: number, fromEnv?: string) =>
    numberOf({ name, given: options[name], fromEnv, fallback, least }, problems);
  checkProtocol(env, problems);
  return {
    target: isSending ? targetOf(options, env, problems) : undefined,
    resource: resourceOf(options, env, problems),
    isGzip: isSecond(
      ["compression", "none", "gzip"],
      options.compression ?? otlpVariable(env, "COMPRESSION"),
      problems,
    ),
    isDelta: isSecond(
      ["temporality", "cumulative", "delta"],
      options.temporality ?? variable(env, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
      problems,
    ),
    intervalMs: number("intervalMs", 10_000, 1, variable(env, "OTEL_METRIC_EXPORT_INTERVAL")),
    timeoutMs: number("timeoutMs", 10_000, 1, otlpVariable(env, "TIMEOUT")),
    maxSeriesPerMetric: number("maxSeriesPerMetric", 2000, 1),
    maxQueueBytes: number("maxQueueBytes", 4 * 1024 * 1024, 1),
    exitFlushMs: number("exitFlushMs", 500, 0),
    http: isDisabled || http === false ? undefined : objectOr(http),
    system: isDisabled || system === false ? undefined : objectOr(system),
    isDisabled,
  };
}

/** Of two words the first is the default. */
function isSecond(
  [option, first, second]: readonly [string, string, string],
  given: unknown,
  problems: Problems,
): boolean {
  const value = typeof given === "string" ? given.toLowerCase() : (given ?? first);
  if (value !== first && value !== second) {
    const shown = typeof value === "string" ? value : `a ${typeof value}`;
    problems.report("invalid_option", `${option} cannot be ${shown}; ${first} is used`, option);
  }
  return value === second;
}

/** Options as they come from JavaScript: whatever is no object has none. */
export function objectOr<T extends object>(
  given: T | boolean | null | undefined,
): T | Record<string, never> {
  return typeof given === "object" && given !== null ? given : {};
}

type NumericOption =
  | "intervalMs"
  | "timeoutMs"
  | "maxSeriesPerMetric"
  | "maxQueueBytes"
  | "exitFlushMs";
interface Numeric {
  readonly name: NumericOption;
  readonly given: number | undefined;
  readonly fromEnv: string | undefined;
  readonly fallback: number;
  readonly least: number;
}

function numberOf(option: Numeric, problems: Problems): number {
  const { name, given, fromEnv, fallback, least } = option;
  if (given === undefined && fromEnv === undefined) return fallback;
  const value = given ?? Number(fromEnv);
  if (Number.isFinite(value) && value >= least) return value;
  problems.report("invalid_option", `${name} cannot be ${value}; ${fallback} is used`, name);
  return fallback;
}

function checkProtocol(env: Environment, problems: Problems): void {
  const protocol = otlpVariable(env, "PROTOCOL");
  if (protocol === undefined || protocol === "http/protobuf") return;
  const message = `OTEL_EXPORTER_OTLP_PROTOCOL ${protocol} is not offered; http/protobuf is used`;
  problems.report("unsupported_protocol", message);
}

function targetOf(options: StartOptions, env: Environment, problems: Problems): Target | undefined {
  const given = endpointOf(options, env);
  const url = urlOf(given);
  const headers = Object.fromEntries(
    parsePairs(otlpVariable(env, "HEADERS"), "OTEL_EXPORTER_OTLP_HEADERS", problems),
  );
  if (url !== undefined) return { url, headers: { ...headers, ...options.headers } };
  const shown = JSON.stringify(given.text).replace(/\/\/[^/@]*@/u, "//");
  const message = `the endpoint ${shown} is no http or https URL; nothing is sent`;
  problems.report("invalid_option", message);
  return undefined;
}

interface Endpoint {
  readonly text: string;
  /** Complete: no path is added. */
  readonly isVerbatim: boolean;
}

function endpointOf({ endpoint }: StartOptions, env: Environment): Endpoint {
  const verbatim = variable(env, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
  if (endpoint === undefined && verbatim !== undefined) return { text: verbatim, isVerbatim: true };
  const text = endpoint ?? variable(env, "OTEL_EXPORTER_OTLP_ENDPOINT") ?? defaultEndpoint;
  return { text, isVerbatim: false };
}

function urlOf({ text, isVerbatim }: Endpoint): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  if (!isVerbatim && !url.pathname.endsWith(metricsPath)) {
    url.pathname = url.pathname.replace(/\/$/u, "") + metricsPath;
  }
  return url;
}

/** A version 4 UUID. Unique is enough; node:crypto would take as long to load as all of this. */
function randomId(): string {
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replaceAll("x", () =>
    Math.floor(Math.random() * 16).toString(16),
  );
}

/** What tells this process from others; an option beats OTEL_SERVICE_NAME beats OTEL_RESOURCE_ATTRIBUTES. */
function resourceOf(options: StartOptions, env: Environment, problems: Problems): Pair[] {
  const variables = "OTEL_RESOURCE_ATTRIBUTES";
  const attributes = new Map<string, Pair[1]>([
    ["service.name", "unknown_service:node"],
    ["service.instance.id", randomId()],
    ...parsePairs(variable(env, variables), variables, problems),
  ]);
  const name = variable(env, "OTEL_SERVICE_NAME");
  if (name !== undefined) attributes.set("service.name", name);
  for (const [key, value] of Object.entries(objectOr(options.resource))) {
    if (value !== undefined) attributes.set(key, value);
  }
  const { serviceName } = options;
  if (typeof serviceName === "string" && serviceName !== "") {
    attributes.set("service.name", serviceName);
  } else if (serviceName !== undefined) {
    problems.report("invalid_option", "serviceName is no text", "serviceName");
  }
  attributes.set("telemetry.sdk.name", "repomind-telemetry");
  attributes.set("telemetry.sdk.language", "nodejs");
  return [...attributes].filter(([, value]) => isValue(value));
}

const isValue = (value: unknown) =>
  typeof value === "string" ||
  typeof value === "boolean" ||
  (typeof value === "number" && Number.isFinite(value));
