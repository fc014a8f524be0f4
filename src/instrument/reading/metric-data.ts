/** Metrics in the shape of @opentelemetry/sdk-metrics. */
import type { Buckets } from "../../metrics/exponential-buckets.ts";
import type { ExponentialHistogram } from "../../metrics/exponential-histogram.ts";
import { ExplicitFamily, type HistogramTotal } from "../metrics/explicit-family.ts";
import { ExponentialFamily } from "../metrics/exponential-family.ts";
import type { Family } from "../metrics/family.ts";
import { NumberFamily } from "../metrics/number-family.ts";
import {
  type DataPoint,
  type ExponentialBuckets,
  type ExponentialValue,
  type HistogramValue,
  type HrTime,
  type MetricData,
  type MetricHead,
  type Times,
  temporalityCumulative,
  typeExponentialHistogram,
  typeGauge,
  typeHistogram,
  typeSum,
  valueTypeDouble,
} from "./sdk-types.ts";

export function hrTimeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

/** Rows between two chances to pause; a wide exponential histogram takes about 10 µs. */
const rowsPerStep = 64;

type Steps = Generator<MetricData | undefined>;

/** Yields undefined on the way and then the metric, if it has points. */
export function metricDataOf(family: Family, times: Times): Steps {
  const points = new Points(family, times);
  const head = headOf(family);
  if (family instanceof ExplicitFamily) {
    const valueOf = (row: number) => histogram(family.bounds, family.totalOf(row));
    return points.of({ ...head, dataPointType: typeHistogram }, valueOf);
  }
  if (family instanceof ExponentialFamily) {
    const valueOf = (row: number) => exponential(family.totalOf(row));
    return points.of({ ...head, dataPointType: typeExponentialHistogram }, valueOf);
  }
  if (!(family instanceof NumberFamily)) throw new Error("BUG: a kind without a value");
  const valueOf = (row: number) => numberOrNothing(family.totalOf(row));
  if (family.kind === "gauge") return points.of({ ...head, dataPointType: typeGauge }, valueOf);
  const isMonotonic = family.kind === "counter";
  return points.of({ ...head, dataPointType: typeSum, isMonotonic }, valueOf);
}

const headOf = ({ name, description, unit }: Family): MetricHead => ({
  descriptor: { name, description, unit, valueType: valueTypeDouble },
  aggregationTemporality: temporalityCumulative,
});

class Points {
  readonly #family: Family;
  readonly #times: Times;

  constructor(family: Family, times: Times) {
    this.#family = family;
    this.#times = times;
  }

  /** @param valueOf Of a row; undefined: there is nothing to say. */
  *of<Head, T>(
    head: Head,
    valueOf: (row: number) => T | undefined,
  ): Generator<(Head & { dataPoints: DataPoint<T>[] }) | undefined> {
    const dataPoints: DataPoint<T>[] = [];
    const { rows } = this.#family;
    for (let row = 0; row < rows; row++) {
      const value = valueOf(row);
      if (value !== undefined) {
        const attributes = Object.fromEntries(this.#family.attributesOf(row));
        dataPoints.push({ ...this.#times, attributes, value });
      }
      if (row % rowsPerStep === 0) yield undefined;
    }
    if (dataPoints.length > 0) yield { ...head, dataPoints };
  }
}

const numberOrNothing = (value: number) => (Number.isNaN(value) ? undefined : value);

const histogram = (bounds: Float64Array, total: HistogramTotal): HistogramValue => ({
  buckets: { boundaries: [...bounds], counts: [...total.counts] },
  count: total.count,
  sum: total.sum,
  ...extremes(total),
});

function exponential(sketch: ExponentialHistogram): ExponentialValue {
  const { count, sum, zeroCount, positive, negative } = sketch;
  return {
    count,
    sum,
    zeroCount,
    // Without buckets the scale means nothing.
    scale: positive.isEmpty ? 0 : sketch.scale,
    positive: bucketsOf(positive),
    negative: bucketsOf(negative),
    ...extremes(sketch),
  };
}

const extremes = ({ count, min, max }: { count: number; min: number; max: number }) =>
  count === 0 ? {} : { min, max };

function bucketsOf(buckets: Buckets): ExponentialBuckets {
  if (buckets.isEmpty) return { offset: 0, bucketCounts: [] };
  const bucketCounts: number[] = [];
  for (let i = buckets.low; i <= buckets.high; i++) bucketCounts.push(buckets.at(i));
  return { offset: buckets.low, bucketCounts };
}
