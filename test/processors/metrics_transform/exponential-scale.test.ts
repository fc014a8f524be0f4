import { describe, expect, test } from "@jest/globals";
import { point, pointsOf, transformer } from "./support.ts";

const scaled = (factor: number, dataPoint: object, rest: object[] = []) => {
  const { run } = transformer({
    include: "m",
    action: "update",
    operations: [
      { action: "experimental_scale_value", experimental_scale: factor },
      { action: "add_label", new_label: "added", new_value: "v" },
      ...rest,
    ],
  });
  const exponentialHistogram = { dataPoints: [dataPoint], aggregationTemporality: 2 };
  return pointsOf(run([{ name: "m", exponentialHistogram }])[0])[0]!;
};

const offsetAfter = (factor: number, scale: number, offset: number) => {
  const positive = { offset, bucketCounts: ["1"] };
  const result = scaled(factor, point({}, undefined, { count: "1", scale, positive }));
  return (result["positive"] as { offset?: number }).offset ?? 0;
};

describe("experimental_scale_value of exponential histograms", () => {
  test("values are multiplied, buckets moved, counts stay", () => {
    const result = scaled(
      4,
      point({ a: "1" }, undefined, {
        count: "9",
        sum: 10,
        scale: 1,
        zeroCount: "2",
        positive: { offset: -3, bucketCounts: ["1", "0", "300"] },
        negative: { bucketCounts: ["4"] },
        min: -2,
        max: 2.5,
        zeroThreshold: 0.25,
        exemplars: [
          { timeUnixNano: "1", asInt: "3" },
          { timeUnixNano: "1", asDouble: 0.5 },
        ],
      }),
    );
    expect(result).toEqual({
      labels: { a: "1", added: "v" },
      startTimeUnixNano: "1",
      timeUnixNano: "2",
      count: "9",
      sum: 40,
      scale: 1,
      zeroCount: "2",
      positive: { offset: 1, bucketCounts: ["1", "0", "300"] },
      negative: { offset: 4, bucketCounts: ["4"] },
      min: -8,
      max: 10,
      zeroThreshold: 1,
      exemplars: [
        { timeUnixNano: "1", asInt: "12" },
        { timeUnixNano: "1", asDouble: 2 },
      ],
    });
  });

  test("what is absent stays absent, empty buckets keep their offset", () => {
    const before = { count: "1", zeroCount: "1", positive: { offset: 7 } };
    const { labels: _, ...rest } = scaled(2, point({}, undefined, before));
    expect(rest).toEqual({ startTimeUnixNano: "1", timeUnixNano: "2", ...before });
  });

  // The bucket in which the Collector finds the middle of the old one times the factor.
  test.each([
    [1000, 0, 0, 10],
    [0.1, 2, -52, -65],
    [100_000, 0, 0, 17],
    [0.1, -1, 1, -1],
    [2, 20, 0, 1 << 20],
    [1.5, -10, 3, 3],
    [2 ** 600, -9, 0, 2],
    [2 ** 1000, -10, 0, 1],
    [2 ** -1000, -9, 0, -1],
    [1e-300, 10, 5, 5 + Math.ceil(Math.log2(1e-300) * 1024 - 0.5)],
  ])("times %p, scale %i: offset %i becomes %i", (factor, scale, offset, expected) => {
    expect(offsetAfter(factor, scale, offset)).toBe(expected);
  });

  test.each([64, 2 ** 30, -(2 ** 31)])(
    "a scale that no SDK makes (%i): the point stays",
    (scale) => {
      const before = point({}, undefined, { sum: 2, scale, positive: { bucketCounts: ["1"] } });
      expect(scaled(1e10, before)).toMatchObject({ sum: 2, positive: { bucketCounts: ["1"] } });
    },
  );
});
