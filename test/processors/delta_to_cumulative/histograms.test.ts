import { describe, expect, test } from "@jest/globals";
import {
  exponentialPoint as ex,
  exponentialOf,
  histogramOf,
  histogramPoint as hp,
  pointsOf,
  withoutZeros,
} from "../../support/temporality.ts";
import { toCumulative } from "./support.ts";

const noted = "rmt_delta_to_cumulative_discontinuities";
const attributes = [{ key: "route", value: { stringValue: "/" } }];

describe("histograms", () => {
  test("count, sum and buckets are added, min and max combined; each point keeps its exemplars", async () => {
    const tested = toCumulative();
    const exemplars = [{ timeUnixNano: "15", asDouble: 1.5 }];
    const points = [
      hp([10, 20], [1, 2], { attributes, sum: 4, min: 0.5, max: 3 }),
      hp([20, 30], [5, 0], { attributes, exemplars, sum: 2, min: 0.1, max: 1 }),
    ];
    expect(pointsOf(await tested.run([histogramOf(1, points)]))).toEqual([
      points[0],
      hp([10, 30], [6, 2], { attributes, exemplars, sum: 6, min: 0.1, max: 3 }),
    ]);
  });

  test("what one of them does not know is unknown", async () => {
    const tested = toCumulative();
    const points = [
      hp([10, 20], [1], { sum: 4, min: 0.5, max: 3 }),
      hp([20, 30], [1]),
      hp([30, 40], [1], { sum: 4, min: 0.5, max: 3 }),
    ];
    const [, ...later] = pointsOf(await tested.run([histogramOf(1, points)]));
    expect(later.map(({ sum, min, max }) => [sum, min, max])).toEqual([
      [undefined, undefined, undefined],
      [undefined, undefined, undefined],
    ]);
  });

  test("a sum that is not finite is unknown; the counts go on", async () => {
    const tested = toCumulative();
    const points = [hp([10, 20], [1], { sum: 4 }), hp([20, 30], [1], { sum: "NaN" })];
    const totals = pointsOf(await tested.run([histogramOf(1, points)]));
    expect(totals[1]).toMatchObject({ count: "2" });
    expect(totals[1]).not.toHaveProperty("sum");
  });

  test.each([
    ["bounds", { explicitBounds: [9] }],
    ["number of buckets", { bucketCounts: [] }],
  ])("other %s: the series begins anew, counted and said once", async (_what, more) => {
    const tested = toCumulative();
    const points = [hp([10, 20], [1, 2]), hp([20, 30], [3, 4], more), hp([30, 40], [1, 1], more)];
    expect(pointsOf(await tested.run([histogramOf(1, points)]))).toMatchObject([
      { count: "3" },
      { startTimeUnixNano: "20000000000", count: "7" },
      { startTimeUnixNano: "20000000000", count: "9" },
    ]);
    expect(tested.noted(noted, "bounds_changed")).toBe(1);
    expect(tested.said).toHaveLength(1);
  });

  test("a count beyond 2^53 begins anew", async () => {
    const tested = toCumulative();
    const large = { count: String(2 ** 53 - 2) };
    const points = [hp([10, 20], [1], large), hp([20, 30], [4])];
    expect(pointsOf(await tested.run([histogramOf(1, points)]))).toMatchObject([
      large,
      { startTimeUnixNano: "20000000000", count: "4" },
    ]);
    expect(tested.noted(noted, "overflow")).toBe(1);
  });

  test("older points are dropped, marks of ended series pass", async () => {
    const tested = toCumulative();
    const ended = hp([20, 30], [], { flags: 1 });
    const points = [hp([10, 20], [1]), ended, hp([10, 20], [1]), hp([5, 40], [1])];
    expect(pointsOf(await tested.run([histogramOf(1, points)]))).toHaveLength(2);
    expect(tested.dropped).toEqual({ out_of_order: 1, older_start: 1 });
  });
});

describe("exponential histograms", () => {
  test("buckets are added at the lower scale, min and max combined", async () => {
    const tested = toCumulative();
    const points = [
      ex([10, 20], 1, [0, [1, 2, 3, 4]], { attributes, sum: 10, min: 1, max: 9, zeroCount: "1" }),
      ex([20, 30], 0, [1, [5]], { attributes, sum: 16, min: 2, max: 11, zeroCount: "2" }),
    ];
    expect(withoutZeros(pointsOf(await tested.run([exponentialOf(1, points)])))).toEqual(
      [
        points[0],
        ex([10, 30], 0, [0, [3, 12]], { attributes, sum: 26, min: 1, max: 11, zeroCount: "3" }),
      ].map(withoutZeros),
    );
  });

  test("a range wider than 160 buckets lowers the scale and loses no count", async () => {
    const tested = toCumulative();
    const points = [ex([10, 20], 3, [0, [7]]), ex([20, 30], 3, [400, [5]])];
    const [, total] = pointsOf(await tested.run([exponentialOf(1, points)])) as [
      unknown,
      { scale: number; positive: { bucketCounts: string[] } },
    ];
    expect(total.scale).toBe(1);
    expect(total.positive.bucketCounts.filter((count) => count !== "0")).toEqual(["7", "5"]);
    expect(total.positive.bucketCounts.length).toBeLessThanOrEqual(160);
  });

  test("zero thresholds widen; buckets within count as zero", async () => {
    const tested = toCumulative();
    const points = [
      ex([10, 20], 0, [-2, [3, 4]]),
      ex([20, 30], 0, [1, [1]], { zeroThreshold: 0.5, zeroCount: "2" }),
    ];
    expect(withoutZeros(pointsOf(await tested.run([exponentialOf(1, points)]))[1])).toEqual(
      withoutZeros({
        ...ex([10, 30], 0, [-1, [4, 0, 1]], { zeroThreshold: 0.5, zeroCount: "5" }),
        count: "8",
      }),
    );
  });

  test("sums that are absent or not finite are unknown", async () => {
    const tested = toCumulative();
    const points = [
      ex([10, 20], 0, [0, [1]], { sum: 1 }),
      ex([20, 30], 0, [0, [1]], { sum: "NaN" }),
      ex([30, 40], 0, [0, [1]], { sum: 1 }),
    ];
    const totals = pointsOf(await tested.run([exponentialOf(1, points)]));
    expect(totals.map(({ sum }) => sum)).toEqual([1, undefined, undefined]);
  });

  test("overflow begins anew; older points are dropped, marks of ended series pass", async () => {
    const tested = toCumulative();
    const points = [
      ex([10, 20], 0, [0, [1]], { count: String(2 ** 53 - 2) }),
      ex([20, 30], 0, [0, [4]]),
      ex([20, 30], 0, [0, []], { flags: 1 }),
      ex([20, 30], 0, [0, [4]]),
    ];
    expect(pointsOf(await tested.run([exponentialOf(1, points)]))).toHaveLength(3);
    expect(tested.noted(noted, "overflow")).toBe(1);
    expect(tested.dropped).toEqual({ out_of_order: 1 });
  });
});
