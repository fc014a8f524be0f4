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
import type { Family, HistogramValue, Sample } from "../prometheus/family.ts";
import { LabelSet, labelName, wildcards } from "../prometheus/labels.ts";
import { metricName, type NameResult } from "../prometheus/names.ts";
import type { IncludeExclude, PrometheusReaderConfig } from "./config.ts";
import type { SdkModules } from "./sdk.ts";

export type ReaderNaming = Omit<PrometheusReaderConfig, "host" | "port">;
type Attributes = Readonly<Record<string, unknown>>;
type Pairs = readonly (readonly [key: string, value: unknown])[];

/** All families by name, with target_info and the two counters of promhttp's own errors. */
export function familiesOf(
  collected: ResourceMetrics,
  naming: ReaderNaming,
  gatheringErrors: number,
  sdk: SdkModules,
): Family[] {
  const { attributes } = collected.resource;
  const constant = constantPairs(attributes, naming.with_resource_constant_labels);
  const families = [targetInfo(attributes), handlerErrors(gatheringErrors)];
  for (const { scope, metrics } of collected.scopeMetrics) {
    const shared = naming.without_scope_info ? constant : [...constant, ...scopePairs(scope)];
    for (const metric of metrics) {
      const family = metricFamily(metric, naming, shared, sdk);
      if (family !== undefined && family.samples.length > 0) families.push(family);
    }
  }
  return families.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Exponential histograms have no text form, and a metric without a valid name no line; the service has neither. */
function metricFamily(
  metric: MetricData,
  naming: ReaderNaming,
  shared: Pairs,
  sdk: SdkModules,
): Family | undefined {
  const { DataPointType } = sdk.metrics;
  const { dataPointType: kind } = metric;
  if (kind === DataPointType.EXPONENTIAL_HISTOGRAM) return undefined;
  const type = typeOf(metric, sdk);
  const name = familyName(metric, type, naming);
  if (name === undefined) return undefined;
  const samples: Sample[] =
    kind === DataPointType.HISTOGRAM
      ? metric.dataPoints.map((point) => ({
          labels: labelsOf(point.attributes, shared),
          histogram: histogramOf(point),
        }))
      : metric.dataPoints.map((point) => ({
          labels: labelsOf(point.attributes, shared),
          value: point.value,
        }));
  return { name, type, help: metric.descriptor.description, samples };
}

function typeOf(metric: MetricData, sdk: SdkModules): "counter" | "gauge" | "histogram" {
  const { DataPointType } = sdk.metrics;
  if (metric.dataPointType === DataPointType.HISTOGRAM) return "histogram";
  return metric.dataPointType === DataPointType.SUM && metric.isMonotonic ? "counter" : "gauge";
}

function familyName(
  { descriptor }: MetricData,
  type: "counter" | "gauge" | "histogram",
  naming: ReaderNaming,
): string | undefined {
  const unit = naming.without_units ? "" : descriptor.unit;
  const namedType = naming.without_type_suffix || type === "histogram" ? "other" : type;
  const suffixes = !(naming.without_units && naming.without_type_suffix);
  const options = { utf8: false, suffixes, namespace: "" };
  return nameOf(metricName(descriptor.name, unit, namedType, options));
}

function histogramOf({ value }: DataPoint<Histogram>): HistogramValue {
  const { boundaries, counts } = value.buckets;
  let count = 0;
  const buckets = boundaries.map((le, i) => {
    count += counts[i] ?? 0;
    return { le, count };
  });
  return { buckets, count: value.count, sum: value.sum };
}

/** A key that is no label name at all (only underscores) is left out, as in the Collector. */
function labelsOf(attributes: Attributes, shared: Pairs = []) {
  const labels = new LabelSet();
  for (const [key, value] of [...Object.entries(attributes), ...shared]) {
    const name = nameOf(labelName(key));
    if (name !== undefined) labels.join(name, labelText(value));
  }
  return labels.sorted();
}

const nameOf = (result: NameResult) => (result.error === undefined ? result.name : undefined);

const labelText = (value: unknown) =>
  typeof value === "string" ? value : (JSON.stringify(value) ?? "");

function scopePairs(scope: ScopeMetrics["scope"]): Pairs {
  return [
    ["otel_scope_name", scope.name],
    ["otel_scope_version", scope.version ?? ""],
    ["otel_scope_schema_url", scope.schemaUrl ?? ""],
  ];
}

function constantPairs(attributes: Attributes, wanted: IncludeExclude | undefined): Pairs {
  if (wanted === undefined) return [];
  const included = wildcards(wanted.included ?? ["*"]);
  const excluded = wildcards(wanted.excluded ?? []);
  return Object.entries(attributes).filter(([name]) => included(name) && !excluded(name));
}

function targetInfo(attributes: Attributes): Family {
  const samples = [{ labels: labelsOf(attributes), value: 1 }];
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
      labels: labelsOf({ cause }),
      value,
    })),
  };
}
