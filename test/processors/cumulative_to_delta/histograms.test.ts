import { describe, expect, test } from "@jest/globals";
import {
  exponentialPoint as ex,
  exponentialOf,
  histogramOf,
  histogramPoint as hp,
  ns,
  pointsOf,
  withoutZeros,
} from "../../support/temporality.ts";
import { toDelta } from "./support.ts";

const dropping = () => toDelta({ initial_value: "drop" });

describe("histograms", () => {
  test("count, sum and buckets are differences; bounds, attributes and exemplars stay, min and max go", async () => {
    const tested = dropping();
    const attributes = [{ key: "route", value: { stringValue: "/" } }];
    const exemplars = [{ timeUnixNano: ns(15), asDouble: 1.5 }];
    const more = { attributes, exemplars, min: 0.5, max: 7, sum: 10 };
    await tested.run([histogramOf(2, [hp([1, 10], [1, 2, 3], more)])]);
    const point = hp([1, 20], [2, 2, 7], { ...more, sum: 30 });
    const metrics = await tested.run([histogramOf(2, [point])]);
    expect(pointsOf(metrics)).toEqual([
      hp([10, 20], [1, 0, 4], { attributes, exemplars, sum: 20 }),
    ]);
  });

  test("the first point that is kept loses min and max, too", async () => {
    const tested = toDelta();
    const points = [hp([1001, 1010], [1, 2], { min: 1, max: 2, sum: 3 })];
    expect(pointsOf(await tested.run([histogramOf(2, points)]))).toEqual([
      hp([1001, 1010], [1, 2], { sum: 3 }),
    ]);
  });

  test("after a reset the point counts what came since, as the Collector has it", async () => {
    const tested = dropping();
    const points = [hp([1, 10], [5, 5], { sum: 9 }), hp([1, 20], [1, 2], { sum: 4, max: 3 })];
    expect(pointsOf(await tested.run([histogramOf(2, points)]))).toEqual([
      hp([10, 20], [1, 2], { sum: 4 }),
    ]);
    expect(tested.dropped).toEqual({ initial: 1 });
    expect(tested.noted("rmt_cumulative_to_delta_discontinuities", "reset")).toBe(1);
  });

  test("a count that fell is a reset where there are no buckets, too", async () => {
    const tested = dropping();
    const points = [hp([1, 10], [], { count: "9" }), hp([1, 20], [], { count: "4" })];
    const metrics = await tested.run([histogramOf(2, points)]);
    expect(pointsOf(metrics)).toMatchObject([{ startTimeUnixNano: ns(10), count: "4" }]);
    expect(tested.noted("rmt_cumulative_to_delta_discontinuities", "reset")).toBe(1);
  });

  test("a bucket that fell is a reset, whatever the count says", async () => {
    const tested = dropping();
    const points = [hp([1, 10], [5, 5]), hp([1, 20], [9, 2])];
    expect(pointsOf(await tested.run([histogramOf(2, points)]))).toEqual([hp([10, 20], [9, 2])]);
  });

  test.each([
    ["bounds", { explicitBounds: [9] }],
    ["number of buckets", { bucketCounts: [] }],
  ])(
    "other %s: dropped, counted, explained once; the next is compared with it",
    async (_what, more) => {
      const tested = dropping();
      const points = [hp([1, 10], [1, 2]), hp([1, 20], [2, 2], more), hp([1, 30], [3, 4], more)];
      const metrics = await tested.run([histogramOf(2, points)]);
      expect(pointsOf(metrics)).toMatchObject([{ startTimeUnixNano: ns(20), count: "3" }]);
      expect(tested.dropped).toEqual({ initial: 1, bucket_mismatch: 1 });
      expect(tested.said.map(({ message }) => message)).toEqual([
        "Points in histogram series have different bucket boundaries; some data will be dropped.",
      ]);
    },
  );

  test("a sum that is not finite stays and harms no other", async () => {
    const tested = dropping();
    const sums = [10, "NaN", 25, "Infinity", 26];
    const points = sums.map((sum, i) => hp([1, 10 + i], [i, i], { sum }));
    const deltas = pointsOf(await tested.run([histogramOf(2, points)]));
    expect(deltas.map(({ sum }) => sum)).toEqual(["NaN", 15, "Infinity", 1]);
  });

  test("without a sum before there is none now", async () => {
    const tested = dropping();
    const points = [hp([1, 10], [1]), hp([1, 20], [2], { sum: 5 }), hp([1, 30], [3], { sum: 7 })];
    const deltas = pointsOf(await tested.run([histogramOf(2, points)]));
    expect(deltas.map(({ sum }) => sum)).toEqual([undefined, 2]);
  });

  test("ended series, older points and a clock set back", async () => {
    const tested = dropping();
    const points = [
      hp([1, 30], [2]),
      hp([1, 31], [0], { flags: 1 }),
      hp([1, 20], [1]),
      hp([1, 21], [5]),
    ];
    expect(withoutZeros(pointsOf(await tested.run([histogramOf(2, points)])))).toEqual([
      withoutZeros(hp([21, 21], [3])),
    ]);
    expect(tested.dropped).toEqual({ initial: 1, no_recorded_value: 1, out_of_order: 1 });
    expect(tested.noted("rmt_cumulative_to_delta_discontinuities", "clock_set_back")).toBe(1);
  });
});

describe("exponential histograms", () => {
  test("buckets are differences at the lower scale; min and max go, the rest stays", async () => {
    const tested = dropping();
    const attributes = [{ key: "route", value: { stringValue: "/" } }];
    const points = [
      ex([1, 10], 1, [0, [1, 2, 3, 4]], { attributes, sum: 10, min: 1, max: 9 }),
      ex([1, 20], 0, [0, [4, 7, 5]], { attributes, sum: 16, min: 1, max: 9 }),
    ];
    expect(withoutZeros(pointsOf(await tested.run([exponentialOf(2, points)])))).toEqual([
      withoutZeros(ex([10, 20], 0, [0, [1, 0, 5]], { attributes, sum: 6 })),
    ]);
  });

  test.each([
    ["count", ex([1, 20], 2, [0, [1, 1]])],
    ["bucket", ex([1, 20], 2, [0, [9, 1]])],
    ["zero threshold", ex([1, 20], 2, [0, [5, 5]], { zeroThreshold: 0.01 })],
    ["zero count", ex([1, 20], 2, [0, [5, 5]], { zeroCount: "0", zeroThreshold: 0.02 })],
    ["scale", ex([1, 20], 3, [0, [9, 9, 9, 9]], { zeroCount: "2", zeroThreshold: 0.02 })],
  ])(
    "a %s that goes the wrong way is a reset: dropped, the next counts from it",
    async (what, point) => {
      const tested = dropping();
      const first = ex([1, 10], 2, [0, [3, 3]], { zeroCount: "2", zeroThreshold: 0.02 });
      const next = what === "zero count" ? { ...first, zeroThreshold: 0.02 } : first;
      expect(await tested.run([exponentialOf(2, [next, point])])).toEqual([]);
      expect(tested.dropped).toEqual({ initial: 1, reset: 1 });
      const again = { ...point, timeUnixNano: ns(30) };
      const delta = pointsOf(await tested.run([exponentialOf(2, [again])]));
      expect(delta).toMatchObject([{ startTimeUnixNano: ns(20), timeUnixNano: ns(30) }]);
      expect(delta[0]).not.toHaveProperty("positive");
    },
  );

  test("without a sum there is none; one that is not finite is left out", async () => {
    const tested = dropping();
    const points = [
      ex([1, 10], 2, [0, [1]]),
      ex([1, 20], 2, [0, [2]]),
      ex([1, 30], 2, [0, [3]], { sum: "NaN" }),
      ex([1, 40], 2, [0, [4]], { sum: 8 }),
      ex([1, 50], 2, [0, [5]], { sum: 10 }),
    ];
    const deltas = pointsOf(await tested.run([exponentialOf(2, points)]));
    expect(deltas.map(({ sum }) => sum)).toEqual([undefined, undefined, undefined, 2]);
  });

  test("ended series, older points and a clock set back", async () => {
    const tested = dropping();
    const points = [
      ex([1, 30], 2, [0, [2]]),
      ex([1, 31], 2, [0, [0]], { flags: 1 }),
      ex([1, 20], 2, [0, [1]]),
      ex([1, 21], 2, [0, [5]]),
    ];
    expect(withoutZeros(pointsOf(await tested.run([exponentialOf(2, points)])))).toEqual([
      withoutZeros(ex([21, 21], 2, [0, [3]])),
    ]);
    expect(tested.dropped).toEqual({ initial: 1, no_recorded_value: 1, out_of_order: 1 });
  });

  test("a histogram wider than what is kept of it loses resolution, not counts", async () => {
    const tested = dropping();
    const wide = (step: number) => Array.from({ length: 2000 }, () => step);
    const points = [ex([1, 10], 5, [-1000, wide(1)]), ex([1, 20], 5, [-1000, wide(3)])];
    const [delta] = pointsOf(await tested.run([exponentialOf(2, points)])) as [
      { count: string; scale: number; positive: { bucketCounts: string[] } },
    ];
    expect(delta.scale).toBe(4);
    expect(delta.count).toBe("4000");
    expect(delta.positive.bucketCounts.reduce((a, b) => a + Number(b), 0)).toBe(4000);
  });
});
