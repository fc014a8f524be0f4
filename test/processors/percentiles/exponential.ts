import type { Buckets } from "../../../src/metrics/exponential-buckets.ts";
import { ExponentialHistogram } from "../../../src/metrics/exponential-histogram.ts";
import { attributesOf, type Json } from "./support.ts";

interface Options {
  readonly scale?: number;
  readonly labels?: Readonly<Record<string, string | number | boolean>>;
  readonly rest?: Json;
}

/** A point of an exponential histogram of these values. */
export function exponentialPoint(values: Iterable<number>, options: Options = {}): Json {
  const h = new ExponentialHistogram({ scale: options.scale ?? 5 });
  for (const value of values) h.add(value);
  return {
    attributes: attributesOf(options.labels),
    count: String(h.count),
    sum: h.sum,
    scale: h.scale,
    zeroCount: String(h.zeroCount),
    positive: bucketsOf(h.positive),
    negative: bucketsOf(h.negative),
    ...(h.count > 0 && { min: h.min, max: h.max }),
    ...options.rest,
  };
}

function bucketsOf(buckets: Buckets): Json {
  const bucketCounts: string[] = [];
  for (let i = buckets.low; i <= buckets.high; i++) bucketCounts.push(String(buckets.at(i)));
  return buckets.isEmpty ? {} : { offset: buckets.low, bucketCounts };
}

export const exponential = (
  name: string,
  aggregationTemporality: number,
  ...dataPoints: Json[]
): Json => ({ name, exponentialHistogram: { aggregationTemporality, dataPoints } });

export const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);
