/**
 * What a MetricProducer gives to the readers of @opentelemetry/sdk-metrics 2 and 3, by its shape, so that nothing of the
 * SDK is loaded, not even its types. The SDK's enumerations are numbers, and its arrays may be written to.
 */
import type { Value } from "../types.ts";

export type HrTime = [seconds: number, nanos: number];

export interface Times {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

export interface DataPoint<T> extends Times {
  readonly attributes: Record<string, Value>;
  readonly value: T;
}

export interface HistogramValue {
  buckets: { boundaries: number[]; counts: number[] };
  count: number;
  sum: number;
  min?: number;
  max?: number;
}

export interface ExponentialBuckets {
  offset: number;
  bucketCounts: number[];
}

export interface ExponentialValue {
  count: number;
  sum: number;
  scale: number;
  zeroCount: number;
  positive: ExponentialBuckets;
  negative: ExponentialBuckets;
  min?: number;
  max?: number;
}

export const valueTypeDouble = 1;
export const temporalityCumulative = 1;
export const typeHistogram = 0;
export const typeExponentialHistogram = 1;
export const typeGauge = 2;
export const typeSum = 3;

export interface MetricHead {
  readonly descriptor: {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
    readonly valueType: typeof valueTypeDouble;
  };
  readonly aggregationTemporality: typeof temporalityCumulative;
}

interface Metric<Type extends number, T> extends MetricHead {
  readonly dataPointType: Type;
  readonly dataPoints: DataPoint<T>[];
}

export type MetricData =
  | Metric<typeof typeHistogram, HistogramValue>
  | Metric<typeof typeExponentialHistogram, ExponentialValue>
  | Metric<typeof typeGauge, number>
  | (Metric<typeof typeSum, number> & { readonly isMonotonic: boolean });

/** Readers take their own; others may merge this one into theirs. */
export interface Resource {
  readonly attributes: Record<string, Value>;
  readonly asyncAttributesPending: false;
  waitForAsyncAttributes(): Promise<void>;
  getRawAttributes(): [string, Value][];
  merge(other: { readonly attributes: object } | null): Resource;
}

export interface MetricProducer {
  collect(): Promise<{
    resourceMetrics: {
      resource: Resource;
      scopeMetrics: { scope: { name: string }; metrics: MetricData[] }[];
    };
    errors: unknown[];
  }>;
}
