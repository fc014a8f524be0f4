/** Random numbers: repeatable, and of the distributions that they claim. */
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { Random, Zipf } from "../../../src/demo/random.ts";

const draws = 20_000;
const many = <T>(draw: () => T): T[] => Array.from({ length: draws }, draw);
const shareOf = <T>(values: readonly T[], wanted: T) =>
  values.filter((value) => value === wanted).length / values.length;

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * sorted.length)]!;
}

test("the same seed and name repeat the numbers, another seed or name does not", () => {
  const ten = (seed: number, name: string) => {
    const random = new Random(seed, name);
    return Array.from({ length: 10 }, () => random.next());
  };
  fc.assert(
    fc.property(fc.nat(), fc.string(), fc.string(), (seed, name, other) => {
      fc.pre(name !== other);
      expect(ten(seed, name)).toEqual(ten(seed, name));
      expect(ten(seed, name)).not.toEqual(ten(seed + 1, name));
      expect(ten(seed, name)).not.toEqual(ten(seed, other));
    }),
  );
});

test("numbers lie from 0 to below 1, evenly, and integers below their end", () => {
  const random = new Random(1, "even");
  const numbers = many(() => random.next());
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  for (const share of [0.1, 0.5, 0.9]) expect(quantile(numbers, share)).toBeCloseTo(share, 1);
  const integers = many(() => random.integer(4));
  expect(new Set(integers)).toEqual(new Set([0, 1, 2, 3]));
  for (const value of [0, 1, 2, 3]) expect(shareOf(integers, value)).toBeCloseTo(0.25, 1);
});

test("a log-normal distribution has its median and its 99th percentile", () => {
  const random = new Random(2, "latency");
  const values = many(() => random.logNormal({ median: 400, p99: 4000 }));
  expect(quantile(values, 0.5) / 400).toBeCloseTo(1, 1);
  expect(quantile(values, 0.99) / 4000).toBeGreaterThan(0.85);
  expect(quantile(values, 0.99) / 4000).toBeLessThan(1.15);
});

test("times between arrivals are exponential: as many below the mean, and twice the mean, as there should be", () => {
  const random = new Random(3, "arrivals");
  const values = many(() => random.exponential(50));
  for (const factor of [1, 2]) {
    const below = values.filter((value) => value < 50 * factor).length / draws;
    expect(below).toBeCloseTo(1 - Math.exp(-factor), 2);
  }
});

test("values come by their shares", () => {
  const random = new Random(4, "mix");
  const from = [
    { value: "a", share: 60 },
    { value: "b", share: 30 },
    { value: "c", share: 10 },
  ];
  const values = many(() => random.weighted(from));
  for (const { value, share } of from) expect(shareOf(values, value)).toBeCloseTo(share / 100, 1);
});

describe("Zipf", () => {
  test("rank r comes with a share of 1 / (r + 1)^exponent", () => {
    const random = new Random(5, "zipf");
    const zipf = new Zipf(5000, 1.1);
    const ranks = many(() => zipf.draw(random));
    const sum = Array.from({ length: 5000 }, (_, rank) => (rank + 1) ** -1.1).reduce(
      (total, share) => total + share,
    );
    for (const rank of [0, 1, 9]) {
      expect(shareOf(ranks, rank)).toBeCloseTo((rank + 1) ** -1.1 / sum, 2);
    }
  });

  test("every rank lies within the count, whatever is drawn", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0, max: 0.9999999, noNaN: true }),
        (count, drawn) => {
          const rank = new Zipf(count, 1.1).draw({ next: () => drawn } as Random);
          expect(rank).toBeGreaterThanOrEqual(0);
          expect(rank).toBeLessThan(count);
        },
      ),
    );
  });
});
