/**
 * Prometheus metric families from a collection of the SDK, named as the Collector's reader names them:
 * `without_units` and `without_type_suffix` (both true for the default reader) leave unit and `_total` out.
 */
import type {
  DataPoint,
  Histogram,
  MetricData,
  ResourceMetrics,
  ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import type { IncludeExclude, PrometheusReaderConfig } from "./config.ts";
import type { SdkModules } from "./sdk.ts";

export type LabelPairs = readonly (readonly [name: string, value: string])[];

export interface Sample {
  /** Appended to the family's name: `_bucket`, `_sum`, `_count` or nothing. */
  readonly suffix: string;
  readonly labels: LabelPairs;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

export type NamingOptions = Omit<PrometheusReaderConfig, "host" | "port">;
type Attributes = Readonly<Record<string, unknown>>;

/** All families by name, with target_info and the two counters of promhttp's own errors. */
export function familiesOf(
  collected: ResourceMetrics,
  options: NamingOptions,
  gatheringErrors: number,
  sdk: SdkModules,
): Family[] {
  const { attributes } = collected.resource;
  const constant = constantLabels(attributes, options.with_resource_constant_labels);
  const families = [targetInfo(attributes), handlerErrors(gatheringErrors)];
  for (const { scope, metrics } of collected.scopeMetrics) {
    const shared = options.without_scope_info ? constant : [...constant, ...scopeLabels(scope)];
    for (const metric of metrics) {
      const family = metricFamily(metric, options, shared, sdk);
      if (family !== undefined && family.samples.length > 0) families.push(family);
    }
  }
  return families.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Exponential histograms have no text form; the service has none. */
function metricFamily(
  metric: MetricData,
  options: NamingOptions,
  shared: LabelPairs,
  sdk: SdkModules,
): Family | undefined {
  const { DataPointType } = sdk.metrics;
  const { description: help, unit, name } = metric.descriptor;
  const { dataPointType: kind } = metric;
  if (kind === DataPointType.EXPONENTIAL_HISTOGRAM) return undefined;
  const monotonic = kind === DataPointType.SUM && metric.isMonotonic;
  const base = { name: familyName(name, unit, monotonic, options), help };
  if (kind === DataPointType.HISTOGRAM) {
    const samples = metric.dataPoints.flatMap((point) => histogramSamples(point, shared));
    return { ...base, type: "histogram", samples };
  }
  const samples = metric.dataPoints.map((point) => ({
    suffix: "",
    labels: [...labelsOf(point.attributes), ...shared],
    value: point.value,
  }));
  return { ...base, type: monotonic ? "counter" : "gauge", samples };
}

function histogramSamples(
  { attributes, value }: DataPoint<Histogram>,
  shared: LabelPairs,
): Sample[] {
  const labels = [...labelsOf(attributes), ...shared];
  const { boundaries, counts } = value.buckets;
  const samples: Sample[] = [];
  let below = 0;
  for (let i = 0; i < boundaries.length; i++) {
    below += counts[i] ?? 0;
    const le = ["le", String(boundaries[i])] as const;
    samples.push({ suffix: "_bucket", labels: [...labels, le], value: below });
  }
  samples.push({ suffix: "_bucket", labels: [...labels, ["le", "+Inf"]], value: value.count });
  if (value.sum !== undefined) samples.push({ suffix: "_sum", labels, value: value.sum });
  samples.push({ suffix: "_count", labels, value: value.count });
  return samples;
}

/** Units of the catalogue; others of the SDK's own metrics are appended as they are. */
const unitWords: Readonly<Record<string, string>> = {
  s: "seconds",
  By: "bytes",
  ms: "milliseconds",
};

/** otelcol_process_memory_rss, By -> otelcol_process_memory_rss_bytes; a word that is there is not repeated. */
function familyName(
  name: string,
  unit: string,
  monotonic: boolean,
  options: NamingOptions,
): string {
  const words = clean(name).split("_");
  const withTotal = monotonic && !options.without_type_suffix;
  const kept = withTotal ? words.filter((word) => word !== "total") : words;
  const unitWord =
    unit === "" || unit === "1" || unit.startsWith("{") ? "" : (unitWords[unit] ?? clean(unit));
  if (!options.without_units && unitWord !== "" && !kept.includes(unitWord)) kept.push(unitWord);
  if (withTotal) kept.push("total");
  return kept.join("_");
}

/** Names of metrics and labels: what Prometheus does not allow becomes one underscore. */
function clean(name: string): string {
  const cleaned = name.replace(/[^A-Za-z0-9_]+/gu, "_");
  return /^[0-9]/u.test(cleaned) ? `_${cleaned}` : cleaned;
}

function labelsOf(attributes: Attributes): [string, string][] {
  return Object.entries(attributes).map(([name, value]) => [clean(name), labelText(value)]);
}

function labelText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function scopeLabels(scope: ScopeMetrics["scope"]): LabelPairs {
  return [
    ["otel_scope_name", scope.name],
    ["otel_scope_version", scope.version ?? ""],
    ["otel_scope_schema_url", scope.schemaUrl ?? ""],
  ];
}

function constantLabels(attributes: Attributes, wanted: IncludeExclude | undefined): LabelPairs {
  if (wanted === undefined) return [];
  const { included, excluded } = wanted;
  return labelsOf(attributes).filter((_, i) => {
    const name = Object.keys(attributes)[i] ?? "";
    const taken = included === undefined || included.some((pattern) => matches(pattern, name));
    return taken && !excluded?.some((pattern) => matches(pattern, name));
  });
}

/** `*` is any text, `?` any one character. Walks both from the left, returning to the last star on a mismatch. */
function matches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (pattern[p] === "?" || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

function targetInfo(attributes: Attributes): Family {
  const samples = [{ suffix: "", labels: labelsOf(attributes), value: 1 }];
  return { name: "target_info", help: "Target metadata", type: "gauge", samples };
}

/** Encoding cannot fail here; the series stands for those who alert on it. */
function handlerErrors(gathering: number): Family {
  const counts = { encoding: 0, gathering };
  return {
    name: "promhttp_metric_handler_errors_total",
    help: "Total number of internal errors encountered by the promhttp metric handler.",
    type: "counter",
    samples: Object.entries(counts).map(([cause, value]) => ({
      suffix: "",
      labels: [["cause", cause]],
      value,
    })),
  };
}
