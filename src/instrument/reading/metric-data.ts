/** Metrics in the shape of @opentelemetry/sdk-metrics' MetricData; its enumerations are numbers. */
import type { Buckets } from "../../metrics/exponential-buckets.ts";
import type { ExponentialHistogram } from "../../metrics/exponential-histogram.ts";
import { ExplicitFamily, type HistogramTotal } from "../metrics/explicit-family.ts";
import { ExponentialFamily } from "../metrics/exponential-family.ts";
import type { Family } from "../metrics/family.ts";
import { NumberFamily } from "../metrics/number-family.ts";
import type { Value } from "../types.ts";

/** Seconds and nanoseconds. */
type HrTime = readonly [seconds: number, nanos: number];

export function hrTimeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

export interface Times {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

interface DataPoint extends Times {
  readonly attributes: Readonly<Record<string, Value>>;
  readonly value: unknown;
}

export interface MetricData {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    readonly valueType: number;
  };
  readonly aggregationTemporality: number;
  readonly dataPointType: number;
  readonly isMonotonic?: boolean;
  readonly dataPoints: readonly DataPoint[];
}

const valueTypeDouble = 1;
const temporalityCumulative = 1;
const dataPointTypes = { histogram: 0, exponentialHistogram: 1, gauge: 2, sum: 3 };

/** Rows between two chances to pause; a wide exponential histogram takes about 10 µs. */
const rowsPerStep = 64;

/** Yields undefined on the way and then the metric, if it has points. */
export function* metricDataOf(family: Family, times: Times): Generator<MetricData | undefined> {
  const dataPoints: DataPoint[] = [];
  const { rows } = family;
  for (let row = 0; row < rows; row++) {
    const value = valueOf(family, row);
    if (value !== undefined) {
      dataPoints.push({
        ...times,
        attributes: Object.fromEntries(family.attributesOf(row)),
        value,
      });
    }
    if (row % rowsPerStep === 0) yield undefined;
  }
  if (dataPoints.length > 0) yield { ...kindOf(family), ...head(family), dataPoints };
}

const head = ({ name, description, unit }: Family) => ({
  descriptor: { name, description, unit, valueType: valueTypeDouble },
  aggregationTemporality: temporalityCumulative,
});

function kindOf(family: Family): Pick<MetricData, "dataPointType" | "isMonotonic"> {
  if (family instanceof ExplicitFamily) return { dataPointType: dataPointTypes.histogram };
  if (!(family instanceof NumberFamily)) {
    return { dataPointType: dataPointTypes.exponentialHistogram };
  }
  if (family.kind === "gauge") return { dataPointType: dataPointTypes.gauge };
  return { dataPointType: dataPointTypes.sum, isMonotonic: family.kind === "counter" };
}

/** Undefined: there is nothing to say. */
function valueOf(family: Family, row: number): unknown {
  if (family instanceof NumberFamily) {
    const value = family.totalOf(row);
    return Number.isNaN(value) ? undefined : value;
  }
  if (family instanceof ExplicitFamily) return histogram(family.bounds, family.totalOf(row));
  if (family instanceof ExponentialFamily) return exponential(family.totalOf(row));
  throw new Error("BUG: a kind without a value");
}

const histogram = (bounds: Float64Array, { counts, count, sum, min, max }: HistogramTotal) => ({
  buckets: { boundaries: [...bounds], counts: [...counts] },
  count,
  sum,
  ...extremes(count, min, max),
});

function exponential(sketch: ExponentialHistogram): unknown {
  const { count, sum, zeroCount, positive, negative, min, max } = sketch;
  return {
    count,
    sum,
    zeroCount,
    // Without buckets the scale means nothing.
    scale: positive.isEmpty ? 0 : sketch.scale,
    positive: bucketsOf(positive),
    negative: bucketsOf(negative),
    ...extremes(count, min, max),
  };
}

const extremes = (count: number, min: number, max: number) => (count === 0 ? {} : { min, max });

function bucketsOf(buckets: Buckets): { offset: number; bucketCounts: number[] } {
  if (buckets.isEmpty) return { offset: 0, bucketCounts: [] };
  const bucketCounts: number[] = [];
  for (let i = buckets.low; i <= buckets.high; i++) bucketCounts.push(buckets.at(i));
  return { offset: buckets.low, bucketCounts };
}
