/** The metrics' part of verbosity detailed. */
import { idText, pushAttributes } from "./attribute-lines.ts";
import { enumName, formatFixed, formatTimestamp } from "./go-format.ts";
import type {
  Buckets,
  Double,
  Exemplar,
  ExponentialHistogramDataPoint,
  HistogramDataPoint,
  KeyValue,
  Metric,
  NumberDataPoint,
  SummaryDataPoint,
} from "./otlp-json.ts";
import { numberOf } from "./values.ts";

export function metricLines(lines: string[], index: number, metric: Metric): void {
  lines.push(
    `Metric #${index}`,
    "Descriptor:",
    `     -> Name: ${metric.name ?? ""}`,
    `     -> Description: ${metric.description ?? ""}`,
    `     -> Unit: ${metric.unit ?? ""}`,
    `     -> DataType: ${typeOf(metric)}`,
  );
  pushAttributes(lines, "     -> Metadata", metric.metadata);
  dataLines(lines, metric);
}

function typeOf(metric: Metric): string {
  if (metric.gauge !== undefined) return "Gauge";
  if (metric.sum !== undefined) return "Sum";
  if (metric.histogram !== undefined) return "Histogram";
  if (metric.exponentialHistogram !== undefined) return "ExponentialHistogram";
  return metric.summary === undefined ? "Empty" : "Summary";
}

function dataLines(lines: string[], metric: Metric): void {
  const { gauge, sum, histogram, exponentialHistogram, summary } = metric;
  if (sum !== undefined) lines.push(`     -> IsMonotonic: ${sum.isMonotonic ?? false}`);
  const withTemporality = sum ?? histogram ?? exponentialHistogram;
  if (withTemporality !== undefined) {
    const temporality = enumName("temporality", withTemporality.aggregationTemporality);
    lines.push(`     -> AggregationTemporality: ${temporality}`);
  }
  const numbers = (gauge ?? sum)?.dataPoints ?? [];
  numbers.forEach((point, i) => numberLines(lines, i, point));
  histogram?.dataPoints?.forEach((point, i) => histogramLines(lines, i, point));
  exponentialHistogram?.dataPoints?.forEach((point, i) => exponentialLines(lines, i, point));
  summary?.dataPoints?.forEach((point, i) => summaryLines(lines, i, point));
}

interface PointHead {
  readonly attributes?: readonly KeyValue[];
  readonly startTimeUnixNano?: string;
  readonly timeUnixNano?: string;
}

function headLines(lines: string[], title: string, point: PointHead): void {
  lines.push(title);
  pushAttributes(lines, "Data point attributes", point.attributes);
  lines.push(
    `StartTimestamp: ${formatTimestamp(point.startTimeUnixNano ?? "0")}`,
    `Timestamp: ${formatTimestamp(point.timeUnixNano ?? "0")}`,
  );
}

function numberLines(lines: string[], index: number, point: NumberDataPoint): void {
  headLines(lines, `NumberDataPoints #${index}`, point);
  valueLine(lines, "Value", point);
  exemplarLines(lines, point.exemplars ?? []);
}

function valueLine(lines: string[], name: string, { asInt, asDouble }: NumberDataPoint): void {
  if (asInt !== undefined) lines.push(`${name}: ${asInt}`);
  else if (asDouble !== undefined) lines.push(`${name}: ${fixed(asDouble)}`);
}

const fixed = (value?: Double) => formatFixed(numberOf(value));

function distributionLines(
  lines: string[],
  { count = "0", sum, min, max }: HistogramDataPoint | ExponentialHistogramDataPoint,
): void {
  lines.push(`Count: ${count}`);
  if (sum !== undefined) lines.push(`Sum: ${fixed(sum)}`);
  if (min !== undefined) lines.push(`Min: ${fixed(min)}`);
  if (max !== undefined) lines.push(`Max: ${fixed(max)}`);
}

function histogramLines(lines: string[], index: number, point: HistogramDataPoint): void {
  headLines(lines, `HistogramDataPoints #${index}`, point);
  distributionLines(lines, point);
  point.explicitBounds?.forEach((bound, i) => lines.push(`ExplicitBounds #${i}: ${fixed(bound)}`));
  point.bucketCounts?.forEach((count, i) => lines.push(`Buckets #${i}, Count: ${count}`));
  exemplarLines(lines, point.exemplars ?? []);
}

function exponentialLines(
  lines: string[],
  index: number,
  point: ExponentialHistogramDataPoint,
): void {
  headLines(lines, `ExponentialHistogramDataPoints #${index}`, point);
  distributionLines(lines, point);
  const { scale = 0, zeroCount } = point;
  const negative = bucketsOf(point.negative, scale).toReversed();
  for (const [lower, upper, count] of negative) {
    lines.push(`Bucket [${formatFixed(-upper)}, ${formatFixed(-lower)}), Count: ${count}`);
  }
  if (zeroCount !== undefined) lines.push(`Bucket [0, 0], Count: ${zeroCount}`);
  for (const [lower, upper, count] of bucketsOf(point.positive, scale)) {
    lines.push(`Bucket (${formatFixed(lower)}, ${formatFixed(upper)}], Count: ${count}`);
  }
  exemplarLines(lines, point.exemplars ?? []);
}

/** Bounds and counts of one side's buckets, from the smallest on. */
function bucketsOf({ offset = 0, bucketCounts = [] }: Buckets = {}, scale: number) {
  const factor = Math.LN2 * 2 ** -scale;
  return bucketCounts.map((count, i): [lower: number, upper: number, count: string] => {
    const index = offset + i;
    return [Math.exp(index * factor), Math.exp((index + 1) * factor), count];
  });
}

function summaryLines(lines: string[], index: number, point: SummaryDataPoint): void {
  headLines(lines, `SummaryDataPoints #${index}`, point);
  lines.push(`Count: ${point.count ?? "0"}`, `Sum: ${fixed(point.sum)}`);
  point.quantileValues?.forEach(({ quantile, value }, i) => {
    lines.push(`QuantileValue #${i}: Quantile ${fixed(quantile)}, Value ${fixed(value)}`);
  });
}

function exemplarLines(lines: string[], exemplars: readonly Exemplar[]): void {
  if (exemplars.length === 0) return;
  lines.push("Exemplars:");
  exemplars.forEach((exemplar, index) => {
    lines.push(
      `Exemplar #${index}`,
      `     -> Trace ID: ${idText(exemplar.traceId)}`,
      `     -> Span ID: ${idText(exemplar.spanId)}`,
      `     -> Timestamp: ${formatTimestamp(exemplar.timeUnixNano ?? "0")}`,
    );
    valueLine(lines, "     -> Value", exemplar);
    pushAttributes(lines, "     -> FilteredAttributes", exemplar.filteredAttributes);
  });
}
