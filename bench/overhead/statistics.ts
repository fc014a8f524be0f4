/** What was measured in several launches of a process, and how sure it is. */

export interface Estimate {
  readonly value: number;
  /** Of the 95 % interval. */
  readonly low: number;
  readonly high: number;
}

const resamples = 2000;
const tail = 0.025;
/** Cut off at each end: what other processes and a full garbage collection did to a few segments. */
const trimmedShare = 0.1;

/** Where a launch's measurements lie. */
type Location = (sorted: Float64Array) => number;

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

export const trimmedMean: Location = (sorted) => {
  const cut = Math.floor(sorted.length * trimmedShare);
  return mean(sorted.subarray(cut, sorted.length - cut));
};

/** The value that the given share of the others does not exceed. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

export const sortedOf = (values: Iterable<number>) => Float64Array.from(values).toSorted();

/**
 * The mean of the launches' trimmed means. Its interval is a bootstrap over launches and, within each, over what was
 * measured there: one process compiles its code once, so its measurements have an error in common.
 */
export function estimate(
  launches: readonly (readonly number[])[],
  location: Location = trimmedMean,
): Estimate {
  const random = seededRandom(1);
  const pick = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)]!;
  const resampled = (launch: readonly number[]) => {
    const picked = new Float64Array(launch.length);
    for (let i = 0; i < picked.length; i++) picked[i] = pick(launch);
    return location(picked.toSorted());
  };
  const means = Array.from({ length: resamples }, () =>
    mean(launches.map(() => resampled(pick(launches)))),
  );
  const sorted = sortedOf(means);
  return {
    value: mean(launches.map((launch) => location(sortedOf(launch)))),
    low: quantile(sorted, tail),
    high: quantile(sorted, 1 - tail),
  };
}

/** A linear congruential generator, so that the same measurements give the same interval. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
