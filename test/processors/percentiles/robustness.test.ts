import { describe, expect, test } from "@jest/globals";
import { createPayload, type Payload } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { exponential, exponentialPoint, upTo } from "./exponential.ts";
import { gauge, histogram, histogramPoint, number, Running, shortly, t0 } from "./support.ts";

const delta = 1;
const cumulative = 2;
const sum = (
  name: string,
  aggregationTemporality: number,
  isMonotonic: boolean,
  value: number,
) => ({
  name,
  sum: { aggregationTemporality, isMonotonic, dataPoints: [number(value)] },
});

describe("types", () => {
  test("gauges, non-monotonic cumulative sums and delta sums are sampled by value", async () => {
    const r = new Running({ types: ["gauge", "sum"], quantiles: [1] });
    await r.send([
      gauge("g", [{ asInt: "-7" }]),
      sum("up_down", cumulative, false, 3),
      sum("up_down_delta", delta, false, 4),
      sum("count_delta", delta, true, 5),
    ]);
    expect(shortly(await r.after())).toEqual([
      "count_delta_p100 5",
      "g_p100 -7",
      "up_down_delta_p100 4",
      "up_down_p100 3",
    ]);
  });

  test("monotonic cumulative sums never: one warning that names the way out", async () => {
    const r = new Running({ types: ["sum"], quantiles: [1] });
    await r.send([sum("requests", cumulative, true, 5), sum("ok", delta, true, 1)]);
    await r.send([sum("requests", cumulative, true, 6), sum("untold", 0, false, 6)]);
    expect(shortly(await r.after())).toEqual(["ok_p100 1"]);
    expect(r.ignored("unsupported_type")).toBe(3);
    expect(r.log.of("unsupported_type")).toEqual([expect.stringContaining("cumulative_to_delta")]);
  });

  test("summaries are worth a word only where they are asked for by name", async () => {
    const summary = { name: "s", summary: { dataPoints: [{ count: "1", sum: 1 }] } };
    const all = new Running();
    await all.send([summary]);
    expect(all.ignored("unsupported_type")).toBe(0);
    const named = new Running({ include: { metric_names: ["s"] } });
    await named.send([summary]);
    expect(named.ignored("unsupported_type")).toBe(1);
    expect(await named.after()).toEqual([]);
  });

  test("one name with several types: raw values join the sketch, the later histogram type is refused", async () => {
    const r = new Running({
      types: ["gauge", "histogram", "exponential_histogram"],
      quantiles: [0, 1],
    });
    await r.send([
      exponential("x", delta, exponentialPoint([2, 4])),
      gauge("x", [number(8)]),
      histogram("x", delta, histogramPoint({ bounds: [1], counts: [0, 9] })),
      histogram(
        "y",
        delta,
        histogramPoint({ bounds: [1], counts: [9, 0], rest: { min: 0.5, max: 1 } }),
      ),
      exponential("y", delta, exponentialPoint([2, 4])),
    ]);
    expect(shortly(await r.after())).toEqual(["x_p0 2", "x_p100 8", "y_p0 0.5", "y_p100 1"]);
    expect(r.ignored("mixed_types")).toBe(2);
    expect(r.log.of("mixed_types")).toHaveLength(1);
  });

  test("another unit is another metric", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [1], group_by: [] });
    await r.send([
      gauge("g", [number(1)], { unit: "s" }),
      gauge("g", [number(1000)], { unit: "ms" }),
    ]);
    expect((await r.after()).map(({ unit, value }) => [unit, value])).toEqual([
      ["s", 1],
      ["ms", 1000],
    ]);
  });
});

describe("values", () => {
  const of = async (quantiles: number[], ...values: (number | string)[]) => {
    const r = new Running({ types: ["gauge"], quantiles });
    await r.send([
      gauge(
        "g",
        values.map((value) => number(value)),
      ),
    ]);
    return { r, made: shortly(await r.after()) };
  };

  test("NaN, Inf and points without a value are counted; what stands beside them is not harmed", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [0.5] });
    await r.send([
      gauge("g", [number("NaN"), number("Infinity"), number("-Infinity"), {}, number(4)]),
    ]);
    expect(shortly(await r.after())).toEqual(["g_p50 4"]);
    expect(r.ignored("not_finite")).toBe(4);
    expect(r.log.of("not_finite")).toHaveLength(1);
  });

  test("zero and negative values are in their place", async () => {
    const { made } = await of([0, 0.2, 0.5, 0.9, 1], -1000, -10, 0, 0, 10, 1000);
    // The top bucket's middle, and the second lowest's; the rest is exact.
    expect(made).toEqual(["g_p0 -1000", "g_p100 1000", "g_p20 -10.042", "g_p50 0", "g_p90 991.21"]);
  });

  test("the widest range of doubles: less exact, in bounds", async () => {
    const { r, made } = await of([0, 0.5, 1], 5e-324, 1, 1.7e308, -1.7e308, -5e-324);
    expect(made[0]).toBe("g_p0 -1.7e+308");
    expect(made[1]).toBe("g_p100 1.7e+308");
    expect(r.settings.budget.usedBytes).toBeLessThan(50_000);
  });

  test("points without a recorded value are no samples", async () => {
    const r = new Running({ types: ["gauge"] });
    await r.send([gauge("g", [{ flags: 1 }])]);
    expect(await r.after()).toEqual([]);
    expect([r.sampled, r.log.lines.length]).toEqual([0, 0]);
  });

  test("late by more than 5 minutes: passes, is not sampled", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [1] });
    await r.send([
      gauge("g", [
        number(1, `${t0 - 300_000}000000`),
        number(9, `${t0 - 300_001}000000`),
        number(2),
      ]),
    ]);
    expect(r.edge.sizes).toEqual([3]);
    expect(shortly(await r.after())).toEqual(["g_p100 2"]);
    expect(r.ignored("late")).toBe(1);
    expect(r.log.of("late")).toHaveLength(1);
  });
});

describe("histograms that lie", () => {
  test.each([
    ["more counts than buckets", { bounds: [1, 2], counts: [1, 2] }, "malformed"],
    ["bounds that fall", { bounds: [2, 1], counts: [1, 2, 3] }, "malformed"],
    ["a bound that is no number", { bounds: [1, Number.NaN], counts: [1, 2, 3] }, "malformed"],
    ["an infinite bound", { bounds: [1, Infinity], counts: [1, 2, 3] }, "malformed"],
    ["one bucket for everything", { bounds: [], counts: [5] }, "no_buckets"],
    ["a count alone", { bounds: [], counts: [] }, "no_buckets"],
  ] as const)("%s", async (_name, point, reason) => {
    const r = new Running({ quantiles: [0.5] });
    await r.send([
      histogram("bad", delta, histogramPoint({ ...point, bounds: point.bounds.map(text) })),
      histogram("good", delta, histogramPoint({ bounds: [1, 2], counts: [0, 4, 0] })),
    ]);
    expect(r.ignored(reason)).toBe(1);
    expect(shortly(await r.after())).toEqual(["good_p50 1.5"]);
  });
  const text = (bound: number) => (Number.isFinite(bound) ? bound : (String(bound) as never));

  test("extremes that cannot be true are unknown", async () => {
    const r = new Running({ quantiles: [0, 1] });
    const rest = { min: 50, max: 2 };
    await r.send([
      histogram("h", delta, histogramPoint({ bounds: [1, 2], counts: [1, 1, 1], rest })),
      exponential(
        "e",
        delta,
        exponentialPoint([1, 16], { rest: { min: "-Infinity", max: "NaN" } }),
      ),
    ]);
    expect(shortly(await r.after())).toEqual([
      "e_p0 0.98917",
      "e_p100 15.827",
      "h_p0 0",
      "h_p100 2",
    ]);
  });

  test("counts of 2^64 - 1 in every bucket", async () => {
    const huge = "18446744073709551615";
    const r = new Running({ quantiles: [0.5], output: "summary" });
    await r.send([
      histogram(
        "h",
        delta,
        histogramPoint({ bounds: [1, 2], counts: [huge, huge, huge], rest: { count: huge } }),
      ),
      exponential("e", delta, {
        scale: 0,
        zeroCount: huge,
        count: huge,
        positive: { offset: 0, bucketCounts: [huge, huge] },
      }),
    ]);
    const made = await r.after();
    expect(made.map(({ json }) => json["count"])).toEqual([
      "18446744073709549568",
      "18446744073709549568",
    ]);
  });

  test.each([
    [{ scale: 1_000_000, positive: { offset: 7, bucketCounts: ["3"] } }],
    [{ scale: -1_000_000, positive: { offset: -3, bucketCounts: ["3", "4"] } }],
    [{ scale: 5, positive: { offset: 2_147_483_647, bucketCounts: ["1", "1"] } }],
    [{ scale: 5, positive: { offset: -2_147_483_648, bucketCounts: ["1"] } }],
    [{ scale: 20, positive: { offset: 0, bucketCounts: Array.from({ length: 5000 }, () => "1") } }],
  ])("an exponential histogram %j gives finite values and takes little", async (point) => {
    const r = new Running({ quantiles: [0, 0.5, 1] });
    await r.send([
      exponential("e", delta, point),
      exponential("good", delta, exponentialPoint([4])),
    ]);
    const points = await r.after();
    expect(points).toHaveLength(6);
    for (const { value } of points) expect(Number.isFinite(value)).toBe(true);
    expect(shortly(points)).toContain("good_p50 4");
    expect(r.settings.budget.usedBytes).toBeLessThan(100_000);
  });
});

describe("groups of different bounds", () => {
  const point = (bounds: number[], counts: number[], pod: string) =>
    histogramPoint({ bounds, counts, labels: { pod } });

  test("reduce to the shared ones", async () => {
    const r = new Running({ group_by: [], quantiles: [0.5], output: "summary" });
    await r.send([
      histogram(
        "h",
        delta,
        point([1, 2, 4], [1, 1, 1, 0], "a"),
        point([2, 4, 8], [3, 1, 1, 1], "b"),
      ),
    ]);
    const [made] = await r.after();
    // Shared: 2 and 4, with 5, 2 and 2 values; rank 4.5 lies in the first.
    expect(made!.json).toMatchObject({
      count: "9",
      quantileValues: [{ quantile: 0.5, value: 1.8 }],
    });
  });

  test("none shared: the later ones are not sampled", async () => {
    const r = new Running({ group_by: [], quantiles: [0.5], output: "summary" });
    await r.send([
      histogram(
        "h",
        delta,
        point([1, 2], [0, 4, 0], "a"),
        point([3, 5], [9, 9, 9], "b"),
        point([2, 1000], [4, 0, 0], "c"),
      ),
    ]);
    const [made] = await r.after();
    expect(made!.json).toMatchObject({ count: "8" });
    expect(r.ignored("incompatible_bounds")).toBe(1);
    expect(r.log.of("incompatible_bounds")).toHaveLength(1);
  });

  test("a sender that changes its bounds: the next window has them", async () => {
    const r = new Running({ quantiles: [1] });
    await r.send([histogram("h", delta, histogramPoint({ bounds: [1, 2], counts: [0, 4, 0] }))]);
    await r.after();
    await r.send([histogram("h", delta, histogramPoint({ bounds: [3, 5], counts: [0, 4, 0] }))]);
    expect(shortly(await r.after())).toEqual(["h_p100 5"]);
  });

  test("while windows slide, bounds that change in between reduce the panes before", async () => {
    const r = new Running({ quantiles: [1], slide: "20s" });
    const send = (bounds: number[], counts: number[]) =>
      r.send([histogram("h", delta, histogramPoint({ bounds, counts }))]);
    await send([1, 2, 4], [0, 4, 0, 0]);
    expect(shortly(await r.after(20_000))).toEqual(["h_p100 2"]);
    await send([1, 4, 8], [0, 0, 1, 0]);
    expect(shortly(await r.after(20_000))).toEqual(["h_p100 4"]);
    await send([16], [1, 0]);
    expect(r.ignored("incompatible_bounds")).toBe(1);
  });
});

describe("limits", () => {
  test("groups beyond max_series merge into one that says so, counted, explained once", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [0, 1], max_series: 2 });
    await r.send([
      gauge(
        "g",
        upTo(6).map((i) => number(i, undefined, { pod: `p${i}` })),
      ),
    ]);
    await r.send([
      gauge(
        "g",
        upTo(6).map((i) => number(i, undefined, { pod: `p${i}` })),
      ),
    ]);
    const points = await r.after();
    const overflow = points.filter(({ attributes }) => attributes["otel.metric.overflow"] === true);
    expect(shortly(overflow)).toEqual(["g_p0 3", "g_p100 6"]);
    expect(points.filter(({ attributes }) => attributes["pod"] === "p1")).toHaveLength(2);
    expect(points).toHaveLength(6);
    expect(r.overflowed).toBe(8);
    expect(r.log.lines).toHaveLength(1);
    expect(await r.after()).toHaveLength(6);
    await r.after(400_000);
    expect(r.settings.budget.usedBytes).toBe(0);
    // Room again.
    await r.send([gauge("g", [number(7, undefined, { pod: "p6" })])]);
    r.made();
    expect((await r.after())[0]!.attributes).toEqual({ pod: "p6" });
  });

  test("a budget without room: what is there stays exact, the rest is merged or counted, sources go on", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [1] }, { budgetBytes: 12_000 });
    await r.send([gauge("first", [number(1)])]);
    for (let i = 0; i < 50; i++) {
      await r.send([gauge("g", [number(i + 1, undefined, { pod: `p${i}` })])]);
    }
    await r.send([gauge("first", [number(1)])]);
    expect(r.edge.payloads).toHaveLength(52);
    expect(r.settings.budget.usedBytes).toBeLessThan(13_000);
    expect(r.sampled + r.ignored("state_limit")).toBe(52);
    expect(r.ignored("state_limit")).toBeGreaterThan(0);
    expect(r.log.of("state_limit")).toHaveLength(1);
    expect(shortly(await r.after())).toContain("first_p100 1");
  });

  test("1 M distinct series: bounded, counted, the good ones unharmed", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [0.5], max_series: 1000 });
    await r.send([gauge("good", [number(5, undefined, { pod: "good" })])]);
    for (let i = 0; i < 100; i++) await r.give(manySeries(i * 10_000, 10_000));
    await r.send([gauge("good", [number(5, undefined, { pod: "good" })])]);
    expect(r.sampled).toBe(1_000_002);
    expect(r.overflowed).toBe(1_000_000 - 999);
    expect(r.settings.budget.usedBytes).toBeLessThan(4_000_000);
    expect(
      r.settings.meter.value("rmt_percentiles_cache_bytes", { processor: "percentiles" }),
    ).toBeLessThan(40_000_000);
    expect(r.log.lines).toHaveLength(1);
    const points = await r.after();
    expect(points).toHaveLength(1001);
    expect(points.find(({ name }) => name === "good_p50")).toMatchObject({
      value: 5,
      attributes: { pod: "good" },
    });
  }, 180_000);

  test("1 M names: as many overflow groups as the guard allows, the rest is counted", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [0.5], max_series: 10 });
    const metrics = upTo(2000).map((i) => gauge(`g${i}`, [number(1)]));
    await r.send(metrics);
    expect(r.sampled).toBe(1010);
    expect(r.ignored("series_limit")).toBe(990);
    expect(r.overflowed).toBe(1990);
    expect(r.log.of("series_limit")).toHaveLength(1);
    expect(await r.after()).toHaveLength(1010);
  });

  test("texts of 10 MB go on, also with drop_source, and are not repeated by results", async () => {
    const long = "x".repeat(10_000_000);
    const r = new Running({ types: ["gauge"], quantiles: [0.5], drop_source: true });
    await r.send([
      gauge("g", [number(1, undefined, { good: "yes" }), number(2, undefined, { long })]),
      gauge(long, [number(3)]),
      gauge("described", [number(4)], { description: long }),
    ]);
    expect(r.ignored("too_long")).toBe(3);
    expect(r.log.of("too_long")).toHaveLength(1);
    expect(r.made().map(({ value }) => value)).toEqual([2, 3, 4]);
    expect(shortly(await r.after())).toEqual(["g_p50 1"]);
  });

  test("results are handed over in payloads of a few megabytes", async () => {
    const r = new Running({ types: ["gauge"], bounds: true });
    const points = upTo(200).map((i) => number(i, undefined, { [`k${i}`]: "x".repeat(16_000) }));
    await r.send([gauge("g", points)]);
    expect(await r.after()).toHaveLength(1800);
    const sizes = r.edge.payloads.slice(1).map(({ heldBytes }) => heldBytes);
    expect(Math.max(...sizes)).toBeLessThan(12_000_000);
  });
});

/** Points of one gauge, each with another pod. */
function manySeries(from: number, count: number): Payload<"metrics"> {
  const out = new Writer(count * 40);
  const handles = [out.begin(1, 3), out.begin(2, 3), out.begin(2, 3)];
  out.string(1, "g");
  const data = out.begin(5, 3);
  for (let i = from; i < from + count; i++) {
    const point = out.begin(1, 1);
    out.tag(4, 1);
    out.double(i);
    const attribute = out.begin(7, 1);
    out.string(1, "pod");
    const value = out.begin(2, 1);
    out.string(1, `p${i}`);
    out.end(value);
    out.end(attribute);
    out.end(point);
  }
  out.end(data);
  for (const handle of handles.toReversed()) out.end(handle);
  return createPayload("metrics", [out.take()], [count]);
}
