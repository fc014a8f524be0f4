/** Verbosity normal: a line per resource, scope and item (metrics: per data point), in the Collector's form. */
import type { Payload } from "../../src/pdata/payload.ts";
import { idText } from "./attribute-lines.ts";
import { formatFixed, formatGeneral } from "./go-format.ts";
import {
  type Buckets,
  type Double,
  type ExponentialHistogramDataPoint,
  type HistogramDataPoint,
  type KeyValue,
  type LogRecord,
  type Metric,
  type NumberDataPoint,
  type ResourceHead,
  type ScopeHead,
  type Span,
  type SummaryDataPoint,
  walk,
} from "./otlp-json.ts";
import { asText, numberOf, pairsOf } from "./values.ts";

/** Fills `lines`; yields after every item. */
export function normalLines(payload: Payload, lines: string[]): Generator<void> {
  const { signal, parts } = payload;
  if (signal === "traces") {
    return walk(signal, parts, {
      ...heads(lines, "ResourceTraces", "ScopeTraces"),
      item: (_, span) => void lines.push(spanLine(span)),
    });
  }
  if (signal === "metrics") {
    return walk(signal, parts, {
      ...heads(lines, "ResourceMetrics", "ScopeMetrics"),
      item: (_, metric) => pushMetric(lines, metric),
    });
  }
  return walk(signal, parts, {
    ...heads(lines, "ResourceLog", "ScopeLog"),
    item: (_, record) => void lines.push(logLine(record)),
  });
}

const heads = (lines: string[], resourceName: string, scopeName: string) => ({
  resource: (index: number, { resource, schemaUrl }: ResourceHead) => {
    const url = schemaUrl === undefined ? "" : ` [${schemaUrl}]`;
    lines.push(`${resourceName} #${index}${url}${spaced(pairsOf(resource?.attributes))}`);
  },
  // The Collector numbers scopes by their resource.
  scope: (_: number, resourceIndex: number, { scope, schemaUrl }: ScopeHead) => {
    const version = scope?.version === undefined ? "" : `@${scope.version}`;
    const details = [`${scope?.name ?? ""}${version}`];
    if (schemaUrl !== undefined) details.push(`[${schemaUrl}]`);
    const texts = details.filter((text) => text !== "");
    const attributes = spaced(pairsOf(scope?.attributes));
    lines.push(`${scopeName} #${resourceIndex}${spaced(texts)}${attributes}`);
  },
});

/** Each text after a space. */
const spaced = (texts: readonly string[]) => texts.map((text) => ` ${text}`).join("");

const spanLine = (span: Span) =>
  `${span.name ?? ""} ${idText(span.traceId)} ${idText(span.spanId)}${spaced(pairsOf(span.attributes))}`;

const logLine = (record: LogRecord) =>
  `${asText(record.body)} ${pairsOf(record.attributes).join(" ")}`;

function pushMetric(lines: string[], metric: Metric): void {
  const push = (point: { attributes?: readonly KeyValue[] }, value: string) =>
    lines.push(`${metric.name ?? ""}{${pairsOf(point.attributes).join(",")}} ${value}`);
  const numbers = (metric.gauge ?? metric.sum)?.dataPoints ?? [];
  for (const point of numbers) push(point, numberText(point));
  for (const point of metric.histogram?.dataPoints ?? []) push(point, histogramText(point));
  for (const point of metric.exponentialHistogram?.dataPoints ?? []) {
    push(point, exponentialText(point));
  }
  for (const point of metric.summary?.dataPoints ?? []) push(point, summaryText(point));
}

const general = (value?: Double) => formatGeneral(numberOf(value));

function numberText({ asInt, asDouble }: NumberDataPoint): string {
  if (asInt !== undefined) return asInt;
  return asDouble === undefined ? "" : general(asDouble);
}

function distributionText(point: HistogramDataPoint | ExponentialHistogramDataPoint): string {
  const { count = "0", sum, min, max } = point;
  let text = `count=${count}`;
  if (sum !== undefined) text += ` sum=${general(sum)}`;
  if (min !== undefined) text += ` min=${general(min)}`;
  if (max !== undefined) text += ` max=${general(max)}`;
  return text;
}

function histogramText(point: HistogramDataPoint): string {
  const bounds = point.explicitBounds ?? [];
  const buckets = (point.bucketCounts ?? []).map((count, i) =>
    i < bounds.length ? ` le${general(bounds[i])}=${count}` : ` ${count}`,
  );
  return distributionText(point) + buckets.join("");
}

function exponentialText(point: ExponentialHistogramDataPoint): string {
  const base = 2 ** (2 ** -(point.scale ?? 0));
  const buckets = ({ offset = 0, bucketCounts = [] }: Buckets = {}) =>
    bucketCounts.map((count, i) => ` le${formatGeneral(base ** (offset + i))}=${count}`).join("");
  const { zeroCount } = point;
  const zero =
    zeroCount === undefined ? "" : ` zero_count${general(point.zeroThreshold)}=${zeroCount}`;
  return distributionText(point) + buckets(point.negative) + buckets(point.positive) + zero;
}

function summaryText({ count = "0", sum, quantileValues = [] }: SummaryDataPoint): string {
  const quantiles = quantileValues.map(
    ({ quantile, value }) => ` q${general(quantile)}=${general(value)}`,
  );
  return `count=${count} sum=${formatFixed(numberOf(sum))}${quantiles.join("")}`;
}
