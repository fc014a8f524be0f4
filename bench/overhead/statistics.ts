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

export function mean(values: Iterable<number>): number {
  let sum = 0;
  let count = 0;
  for (const value of values) {
    sum += value;
    count++;
  }
  return sum / count;
}

export const trimmedMean: Location = (sorted) => {
  const cut = Math.floor(sorted.length * trimmedShare);
  return mean(sorted.subarray(cut, sorted.length - cut));
};

/** The value that the given share of the others does not exceed. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

export const sortedOf = (values: Iterable<number>) => Float64Array.from(values).sort();

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
    return location(picked.sort());
  };
  const values = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) values[i] = mean(launches.map(() => resampled(pick(launches))));
  values.sort();
  return {
    value: mean(launches.map((launch) => location(sortedOf(launch)))),
    low: quantile(values, tail),
    high: quantile(values, 1 - tail),
  };
}

/** Mulberry32, so that the same measurements give the same interval. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
