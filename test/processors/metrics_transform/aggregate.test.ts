import { describe, expect, test } from "@jest/globals";
import { gauge, point, pointsOf, sum, transformer, valuesOf } from "./support.ts";

const unmerged = "rmt_metrics_transform_unmerged_points" as const;

const aggregate = (aggregationType: string | undefined, labelSet?: string[]) =>
  transformer({
    include: "m",
    action: "update",
    operations: [
      {
        action: "aggregate_labels",
        ...(labelSet && { label_set: labelSet }),
        ...(aggregationType && { aggregation_type: aggregationType }),
      },
    ],
  });

const labelled = (...values: (number | bigint)[]) =>
  values.map((value, i) => point({ a: "x", b: `b${i}` }, value));

describe("aggregation types", () => {
  test.each<[string, (number | bigint)[], number | string]>([
    ["sum", [1n, 2n, 4n], "7"],
    ["sum", [0.5, 1], 1.5],
    ["sum", [2n ** 62n, 2n ** 62n - 1n], String(2n ** 63n - 1n)],
    ["mean", [1n, 2n, 4n], "2"],
    ["mean", [-3n, -4n], "-3"],
    ["mean", [1, 2], 1.5],
    ["min", [3n, -2n, 4n], "-2"],
    ["min", [3, 0.5], 0.5],
    ["max", [3n, -2n, 4n], "4"],
    ["max", [3, 0.5], 3],
    ["median", [9n, 1n, 4n], "4"],
    ["median", [1n, 4n], "2"],
    ["median", [5, 1, 2, 10], 3.5],
    ["count", [9n, 9n, 9n], "3"],
    ["count", [9, 9], 2],
    ["count", [9n], "1"],
    // A double among integers: nothing is taken as 0.
    ["sum", [1n, 0.5], 1.5],
    ["max", [1n, 0.5], 1],
  ])("%s of %p is %p", (type, values, expected) => {
    const { run } = aggregate(type, ["a"]);
    expect(valuesOf(run([gauge("m", ...labelled(...values))])[0])).toEqual([
      [{ a: "x" }, expected],
    ]);
  });
});

describe("what is merged", () => {
  test("labels in another order are the same", () => {
    const { run } = aggregate("sum", ["a", "b"]);
    const result = run([gauge("m", point({ a: "1", b: "2" }, 1n), point({ b: "2", a: "1" }, 2n))]);
    expect(valuesOf(result[0])).toEqual([[{ a: "1", b: "2" }, "3"]]);
  });

  test("values of other types are other values", () => {
    const { run, settings } = aggregate("sum", ["a"]);
    const result = run([gauge("m", point({ a: 1 }, 1n), point({ a: "1" }, 2n))]);
    expect(pointsOf(result[0])).toHaveLength(2);
    expect(settings.meter.value(unmerged, { processor: "test" })).toBe(0);
  });

  test("points of other times stay apart: they are other moments of one series", () => {
    const { run, warnings } = aggregate("sum", []);
    const points = [
      point({ a: "1" }, 1n),
      point({ a: "2" }, 2n),
      point({ a: "1" }, 10n, { timeUnixNano: "3" }),
      point({ a: "2" }, 20n, { timeUnixNano: "3" }),
    ];
    expect(valuesOf(run([gauge("m", ...points)])[0])).toEqual([
      [{}, "3"],
      [{}, "30"],
    ]);
    expect(warnings).toEqual([]);
  });

  test("deltas that begin at other times stay apart, cumulative sums begin with the first", () => {
    const points = [
      point({ a: "1" }, 1n, { startTimeUnixNano: "5" }),
      point({ a: "2" }, 2n, { startTimeUnixNano: "4" }),
    ];
    const starts = (temporality: number) =>
      pointsOf(aggregate("sum", []).run([sum("m", temporality, ...points)])[0]).map(
        ({ startTimeUnixNano }) => startTimeUnixNano,
      );
    expect(starts(1)).toEqual(["5", "4"]);
    expect(starts(2)).toEqual(["4"]);
  });

  test("points that say a series ended do not become values", () => {
    const { run } = aggregate("sum", []);
    const result = run([
      gauge(
        "m",
        point({ a: "1" }, 1n),
        point({ a: "2" }, undefined, { flags: 1 }),
        point({ a: "3" }, 2n),
      ),
    ]);
    expect(pointsOf(result[0])).toEqual([
      expect.objectContaining({ asInt: "3" }),
      { startTimeUnixNano: "1", timeUnixNano: "2", flags: 1, labels: {} },
    ]);
  });

  test("exemplars of all points are kept", () => {
    const { run } = aggregate("sum", []);
    const exemplar = (value: string) => ({ exemplars: [{ timeUnixNano: "1", asInt: value }] });
    const result = run([
      gauge("m", point({ a: "1" }, 1n, exemplar("7")), point({ a: "2" }, 1n, exemplar("8"))),
    ]);
    expect(pointsOf(result[0])[0]).toMatchObject({ exemplars: [{ asInt: "7" }, { asInt: "8" }] });
  });

  test("without an aggregation type numbers are kept apart, and that is said at the start", () => {
    const { run, warnings } = aggregate(undefined, ["a"]);
    expect(warnings.map(({ message }) => message)).toEqual([
      "Without aggregation_type number points are kept apart.",
    ]);
    expect(valuesOf(run([gauge("m", ...labelled(1n, 2n))])[0])).toEqual([
      [{ a: "x" }, "1"],
      [{ a: "x" }, "2"],
    ]);
  });

  test.each([undefined, []])("label_set %p takes all labels", (labelSet) => {
    const points = [point({ a: "1" }, 1n), point({ a: "1" }, 2n), point({ a: "2" }, 4n)];
    expect(valuesOf(aggregate("sum", labelSet).run([gauge("m", ...points)])[0])).toEqual([
      [{}, "7"],
    ]);
  });

  test("summaries cannot be merged: they stay as they are, counted and said", () => {
    const { run, settings, warnings } = aggregate("sum", []);
    const summary = {
      name: "m",
      summary: { dataPoints: [point({ a: "1" }, undefined, { count: "1", sum: 2 })] },
    };
    expect(run([summary])).toEqual([summary]);
    expect(settings.meter.value(unmerged, { processor: "test" })).toBe(2);
    expect(warnings).toEqual([
      {
        message: "Points of equal labels and time could not be merged and were kept apart.",
        fields: { metric: "m", points: 1 },
      },
    ]);
  });
});

const histogram = (...dataPoints: object[]) => ({
  name: "m",
  histogram: { dataPoints, aggregationTemporality: 2 },
});
const buckets = (labels: Record<string, string>, rest: object) => point(labels, undefined, rest);

describe("histograms", () => {
  const one = {
    count: "3",
    sum: 6,
    min: 1,
    max: 3,
    explicitBounds: [1, 2],
    bucketCounts: ["1", "1", "1"],
  };
  const two = {
    count: "5",
    sum: 1.5,
    min: 0.5,
    max: 2,
    explicitBounds: [1, 2],
    bucketCounts: ["5", "0", "0"],
  };

  test("counts are added, minimum and maximum kept", () => {
    const result = aggregate("sum", []).run([
      histogram(buckets({ a: "1" }, one), buckets({ a: "2" }, two)),
    ]);
    expect(pointsOf(result[0])).toEqual([
      {
        labels: {},
        startTimeUnixNano: "1",
        timeUnixNano: "2",
        count: "8",
        sum: 7.5,
        min: 0.5,
        max: 3,
        explicitBounds: [1, 2],
        bucketCounts: ["6", "1", "1"],
      },
    ]);
  });

  test("one that counted nothing has no say in minimum and maximum", () => {
    const none = { ...two, count: "0", sum: 0, min: 0, max: 0, bucketCounts: ["0", "0", "0"] };
    const result = aggregate("sum", []).run([
      histogram(buckets({ a: "0" }, none), buckets({ a: "1" }, one)),
    ]);
    expect(pointsOf(result[0])[0]).toMatchObject({ count: "3", min: 1, max: 3 });
  });

  test.each([
    ["bounds", { explicitBounds: [1, 3] }],
    ["buckets", { explicitBounds: [], bucketCounts: [] }],
    ["sum", { sum: undefined }],
    ["minimum", { min: undefined }],
  ])("of other %s: both are kept, counted and said", (_what, change) => {
    const { run, settings, warnings } = aggregate("sum", []);
    const other = { ...two, ...change };
    const result = run([histogram(buckets({ a: "1" }, one), buckets({ a: "2" }, other))]);
    expect(pointsOf(result[0]).map(({ count }) => count)).toEqual(["3", "5"]);
    expect(settings.meter.value(unmerged, { processor: "test" })).toBe(2);
    expect(warnings).toHaveLength(1);
  });
});

describe("exponential histograms", () => {
  const exponential = (...dataPoints: object[]) => ({
    name: "m",
    exponentialHistogram: { dataPoints, aggregationTemporality: 2 },
  });
  const base = { count: "6", sum: 9, scale: 1, zeroCount: "1", min: 1, max: 4 };
  const filled = (offset: number, bucketCounts: string[], rest: object = {}) =>
    buckets({ a: `${offset}` }, { ...base, positive: { offset, bucketCounts }, ...rest });

  test("buckets are added by their index, whatever the offsets", () => {
    const result = aggregate("sum", []).run([
      exponential(filled(2, ["1", "4"]), filled(-1, ["1", "0", "0", "4"]), filled(7, [])),
    ]);
    expect(pointsOf(result[0])).toEqual([
      {
        labels: {},
        startTimeUnixNano: "1",
        timeUnixNano: "2",
        count: "18",
        sum: 27,
        scale: 1,
        zeroCount: "3",
        min: 1,
        max: 4,
        positive: { offset: -1, bucketCounts: ["1", "0", "0", "5", "4"] },
      },
    ]);
  });

  test("negative buckets, too", () => {
    const negative = (offset: number) => ({ negative: { offset, bucketCounts: ["2"] } });
    const result = aggregate("sum", []).run([
      exponential(filled(0, ["1"], negative(-3)), filled(0, ["1"], negative(-2))),
    ]);
    expect(pointsOf(result[0])[0]).toMatchObject({
      positive: { bucketCounts: ["2"] },
      negative: { offset: -3, bucketCounts: ["2", "2"] },
    });
  });

  test("of another scale, or too far apart: kept apart, counted", () => {
    for (const other of [filled(0, ["5"], { scale: 2 }), filled(2_000_000_000, ["5"])]) {
      const { run, settings } = aggregate("sum", []);
      const result = run([exponential(filled(0, ["5"]), other)]);
      expect(pointsOf(result[0])).toHaveLength(2);
      expect(settings.meter.value(unmerged, { processor: "test" })).toBe(2);
    }
  });
});

describe("aggregate_label_values", () => {
  const join = {
    action: "aggregate_label_values",
    label: "state",
    aggregated_values: ["iowait", "steal"],
    new_value: "other",
    aggregation_type: "sum",
  };
  const tested = () => transformer({ include: "m", action: "update", operations: [join] });

  test("points whose values become equal are merged", () => {
    const states = ["user", "iowait", "steal", "other"].map((state, i) =>
      point({ state }, BigInt(i + 1)),
    );
    expect(valuesOf(tested().run([gauge("m", ...states)])[0])).toEqual([
      [{ state: "user" }, "1"],
      [{ state: "other" }, "9"],
    ]);
  });

  test("a value that is no text counts as the empty one", () => {
    const { run } = transformer({
      include: "m",
      action: "update",
      operations: [{ ...join, aggregated_values: [""] }],
    });
    const points = [point({ state: "" }, 1n), point({ state: 7 }, 2n), point({ state: "x" }, 4n)];
    expect(valuesOf(run([gauge("m", ...points)])[0])).toEqual([
      [{ state: "other" }, "3"],
      [{ state: "x" }, "4"],
    ]);
  });

  test("points without the label stay", () => {
    expect(valuesOf(tested().run([gauge("m", point({ a: "1" }, 1n))])[0])).toEqual([
      [{ a: "1" }, "1"],
    ]);
  });
});

test("ten thousand points that become one", () => {
  const { run } = aggregate("sum", []);
  const points = Array.from({ length: 10_000 }, (_, i) => point({ a: `${i}` }, 1n));
  expect(valuesOf(run([gauge("m", ...points)])[0])).toEqual([[{}, "10000"]]);
});
