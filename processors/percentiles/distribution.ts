/** What is kept of values: a sketch of raw values and exponential histograms, or an explicit histogram. */
import { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import { ExplicitHistogram, sharedBounds } from "./explicit-histogram.ts";

export type Distribution = ExponentialHistogram | ExplicitHistogram;

/** A raw value, or the buckets of a histogram point. */
export type Sample = number | Distribution;

export type DistributionKind = "sketch" | "explicit";

export const kindOfSample = (sample: Sample): DistributionKind =>
  sample instanceof ExplicitHistogram ? "explicit" : "sketch";

/** What a sketch of one sample takes, about. */
export function bytesOfSample(sample: Sample): number {
  return typeof sample === "number" ? 500 : sample.heldBytes;
}

/** Both are of one kind; explicit ones have the bounds of `to`, or more. */
export function addSample(to: Distribution, sample: Sample): void {
  if (to instanceof ExplicitHistogram) to.merge(sample as ExplicitHistogram);
  else if (typeof sample === "number") to.add(sample);
  else to.merge(sample as ExponentialHistogram);
}

/** Whether a sample can be added without taking more memory. */
export function covers(to: Distribution, sample: Sample): boolean {
  if (to instanceof ExplicitHistogram) return true;
  if (typeof sample === "number") return to.covers(sample);
  const other = sample as ExponentialHistogram;
  return coversRange(to, other, "positive") && coversRange(to, other, "negative");
}

function coversRange(
  to: ExponentialHistogram,
  other: ExponentialHistogram,
  sign: "positive" | "negative",
): boolean {
  const from = other[sign];
  if (from.isEmpty) return true;
  const shift = Math.max(other.scale - to.scale, 0);
  const { low, high } = to[sign];
  return other.scale >= to.scale && from.low >> shift >= low && from.high >> shift <= high;
}

/** Extremes that cannot be true are unknown. */
export function checkExtremes(distribution: Distribution): void {
  const { min, max } = distribution;
  if (distribution.count === 0) return;
  if (!Number.isFinite(min) || min > max) distribution.min = Number.NaN;
  if (!Number.isFinite(max) || min > max) distribution.max = Number.NaN;
}

/** The extremes of a cumulative point are not those of a window. */
export function forgetExtremes(distribution: Distribution): void {
  if (distribution.count === 0) return;
  distribution.min = Number.NaN;
  distribution.max = Number.NaN;
}

/** All of them as one; the same object when there is one. They are of one kind. */
export function merged(distributions: readonly Distribution[]): Distribution | undefined {
  const [first] = distributions;
  if (distributions.length < 2) return first;
  if (first instanceof ExplicitHistogram) {
    return mergedExplicit(distributions as readonly ExplicitHistogram[]);
  }
  const result = new ExponentialHistogram();
  for (const distribution of distributions) result.merge(distribution as ExponentialHistogram);
  return result;
}

/** Their bounds were reduced to shared ones when they were filled. */
function mergedExplicit(histograms: readonly ExplicitHistogram[]): ExplicitHistogram {
  let { bounds } = histograms[0]!;
  for (const histogram of histograms) bounds = sharedBounds(bounds, histogram.bounds);
  const result = new ExplicitHistogram(bounds);
  for (const histogram of histograms) result.merge(histogram);
  return result;
}
