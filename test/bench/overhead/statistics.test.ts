import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import {
  estimate,
  mean,
  quantile,
  sortedOf,
  trimmedMean,
} from "../../../bench/overhead/statistics.ts";

/** Sums of twelve uniform numbers: normal, of variance 1, and the same each time. */
function normals(count: number, seed: number): number[] {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  });
}

const launchesAround = (centres: readonly number[], count = 60) =>
  centres.map((centre, i) => normals(count, i * 7919 + 1).map((value) => centre + value));

describe("locations", () => {
  test("the trimmed mean leaves a tenth out at each end", () => {
    const values = sortedOf([1000, 2, 3, 4, 5, 6, 7, 8, 9, -500]);
    expect(trimmedMean(values)).toBe(5.5);
    expect(mean(values)).toBe(54.4);
  });

  test("of few values nothing is left out", () => {
    expect(trimmedMean(sortedOf([1, 2, 9]))).toBe(4);
  });

  test("quantiles are values", () => {
    const values = sortedOf([4, 1, 3, 2]);
    expect([0, 0.25, 0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([
      1, 2, 3, 4, 4,
    ]);
  });
});

describe("estimates", () => {
  test("of constant measurements are that constant, surely", () => {
    expect(
      estimate([
        [3, 3, 3],
        [3, 3],
      ]),
    ).toEqual({ value: 3, low: 3, high: 3 });
  });

  test("lie within their interval and shift with the measurements", () => {
    const launches = fc.array(
      fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 2, maxLength: 9 }),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(launches, (given) => {
        const plain = estimate(given, mean);
        const shifted = estimate(
          given.map((launch) => launch.map((value) => value + 1000)),
          mean,
        );
        expect(plain.low).toBeLessThanOrEqual(plain.high);
        expect(shifted.value).toBeCloseTo(plain.value + 1000, 6);
        expect(shifted.low).toBeCloseTo(plain.low + 1000, 6);
        expect(shifted.high).toBeCloseTo(plain.high + 1000, 6);
      }),
      { numRuns: 10 },
    );
  });

  test("a launch counts as one, however much was measured in it", () => {
    expect(estimate([[1, 1, 1, 1], [3]]).value).toBe(2);
  });

  test("the interval is that of the normal distribution where launches agree", () => {
    const { value, low, high } = estimate(launchesAround([0, 0, 0, 0, 0], 100), mean);
    // 1.96 / sqrt(500), widened by what five launches differ by chance.
    expect((high - low) / 2).toBeGreaterThan(0.08);
    expect((high - low) / 2).toBeLessThan(0.18);
    expect(Math.abs(value)).toBeLessThan(0.2);
  });

  test("launches that differ make it wide, though each is sure of itself", () => {
    const { low, high } = estimate(launchesAround([-2, -1, 0, 1, 2]));
    expect(low).toBeLessThan(-0.8);
    expect(high).toBeGreaterThan(0.8);
  });

  test("covers the truth in nearly all of many experiments", () => {
    const experiments = Array.from({ length: 40 }, (_, i) =>
      estimate(
        Array.from({ length: 5 }, (_launch, j) => normals(12, i * 1009 + j * 31 + 5)),
        mean,
      ),
    );
    const covering = experiments.filter(({ low, high }) => low <= 0 && high >= 0).length;
    expect(covering).toBeGreaterThanOrEqual(36);
  });

  test("a few outliers do not move it", () => {
    const [launch] = launchesAround([10], 200) as [number[]];
    const disturbed = launch.map((value, i) => (i % 20 === 0 ? value + 1000 : value));
    expect(estimate([disturbed]).value).toBeCloseTo(10, 0);
    expect(estimate([disturbed], mean).value).toBeGreaterThan(50);
  });

  test("the same measurements give the same interval", () => {
    const launches = launchesAround([1, 2]);
    expect(estimate(launches)).toEqual(estimate(launches));
  });
});
