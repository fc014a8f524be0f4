import { afterEach, describe, expect, test } from "@jest/globals";
import type { Logger } from "../../../src/log.ts";
import { silentLogger } from "../../../src/log.ts";
import { CardinalityGuard, cardinalityReports } from "../../../src/metrics/cardinality-guard.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";

let guard: CardinalityGuard | undefined;
afterEach(() => guard?.close());

function start(limit: number) {
  const clock = new FakeClock();
  const warnings: { message: string; fields: object }[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message, fields = {}) => void warnings.push({ message, fields }),
  };
  const settings = testSettings({ id: "percentiles", clock, log });
  guard = new CardinalityGuard(settings, limit);
  const metric = (name: "rmt_series" | "rmt_series_limit" | "rmt_series_overflow_points") =>
    settings.meter.value(name, { component: "percentiles" });
  const ofMetric = (name: string) =>
    settings.meter.value("rmt_series_of_metric", { component: "percentiles", metric: name });
  return { guard, clock, warnings, settings, metric, ofMetric };
}

describe("the limit", () => {
  test("admits so many series, and again as many as were forgotten", () => {
    const { guard: g, metric } = start(2);
    expect([g.admit("a"), g.admit("b"), g.admit("a")]).toEqual([true, true, false]);
    g.forget("a");
    expect(g.series).toBe(1);
    expect([g.admit("c"), g.admit("c")]).toEqual([true, false]);
    expect([metric("rmt_series"), metric("rmt_series_limit")]).toEqual([2, 2]);
  });

  test("of overflow series is a thousand", () => {
    const { guard: g } = start(1);
    for (let i = 0; i < 1000; i++) expect(g.admitOverflow()).toBe(true);
    expect(g.admitOverflow()).toBe(false);
    g.forgetOverflow();
    expect(g.admitOverflow()).toBe(true);
  });
});

test("series may come and go many at once", () => {
  const { guard: g, metric } = start(9);
  g.grow("b", 0);
  g.forget("b", 0);
  g.grow("a", 5);
  g.grow("a", 3);
  g.forget("a", 6);
  expect(g.report().top).toEqual([{ metric: "a", series: 2, overflowPoints: 0 }]);
  g.forget("a", 2);
  expect([metric("rmt_series"), g.report().top]).toEqual([0, []]);
});

describe("what overflows", () => {
  test("is counted, by metric, and explained once with the key to raise and the largest metric", () => {
    const { guard: g, warnings, metric } = start(3);
    for (const name of ["small", "large", "large"]) g.admit(name);
    g.countOverflow("large");
    g.countOverflow("other", 4);
    expect(metric("rmt_series_overflow_points")).toBe(5);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.message).toContain("Reached 3 series");
    expect(warnings[0]!.message).toContain("raise max_series");
    expect(warnings[0]!.fields).toEqual({
      metric: "large",
      largest_metric: "large",
      largest_metric_series: 2,
    });
    expect(g.report()).toEqual({
      component: "percentiles",
      limit: 3,
      series: 3,
      overflowSeries: 0,
      overflowPoints: 5,
      top: [
        { metric: "large", series: 2, overflowPoints: 1 },
        { metric: "small", series: 1, overflowPoints: 0 },
        { metric: "other", series: 0, overflowPoints: 4 },
      ],
    });
  });

  test("and is refused is counted, and shown, even where no series was taken in", () => {
    const { guard: g, warnings, metric } = start(0);
    g.countRefused("a", 3);
    expect(metric("rmt_series_overflow_points")).toBe(3);
    expect(warnings).toEqual([]);
    expect(cardinalityReports()).toContainEqual({
      component: "percentiles",
      limit: 0,
      series: 0,
      overflowSeries: 0,
      overflowPoints: 3,
      top: [{ metric: "a", series: 0, overflowPoints: 3 }],
    });
  });

  test("names the five largest metrics in the self-metrics, and newcomers a minute later", async () => {
    const { guard: g, clock, settings, ofMetric } = start(21);
    for (let n = 1; n <= 6; n++) for (let i = 0; i < n; i++) g.admit(`m${n}`);
    g.countOverflow("m1");
    const named = () =>
      [...settings.meter.gauges.keys()].filter((key) => key.includes("_of_metric"));
    expect(named()).toHaveLength(5);
    expect([ofMetric("m6"), ofMetric("m2"), ofMetric("m1")]).toEqual([6, 2, 0]);
    for (let i = 0; i < 6; i++) g.forget("m6");
    expect(ofMetric("m6")).toBe(0);
    for (let i = 0; i < 6; i++) g.admit("new");
    g.countOverflow("new");
    expect(ofMetric("new")).toBe(0);
    await clock.advance(60_000);
    g.countOverflow("new");
    expect(ofMetric("new")).toBe(6);
  });

  test("by ever new metrics takes neither memory nor self-metrics without end", async () => {
    const { guard: g, clock, settings } = start(1000);
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 1000; i++) g.admit(`m${round} ${i}`);
      for (let i = 0; i < 100; i++) g.countOverflow(`foreign ${round} ${i}`);
      for (let i = 0; i < 1000; i++) g.forget(`m${round} ${i}`);
      await clock.advance(60_000);
    }
    expect(g.report().overflowPoints).toBe(10_000);
    const named = [...settings.meter.gauges.keys()].filter((key) => key.includes("_of_metric"));
    expect(named.length).toBeLessThanOrEqual(20);
    expect(g.report().top.length).toBeLessThanOrEqual(10);
  });
});

test("what has no memory below the limit is explained as that", () => {
  const { guard: g, warnings } = start(9);
  g.admit("a");
  g.countOverflow("a");
  expect(warnings[0]!.message).toContain("There is no memory for more than 1 series");
  expect(warnings[0]!.message).not.toContain("max_series");
});

test("of long names only the beginning is kept, logged and shown", () => {
  const { guard: g, settings, warnings, ofMetric } = start(1);
  const long = (end: string) => "x".repeat(1_000_000) + end;
  g.admit(long("a"));
  g.countOverflow(long("b"));
  const shown = "x".repeat(200);
  expect(g.report().top).toEqual([{ metric: shown, series: 1, overflowPoints: 1 }]);
  expect([warnings[0]!.fields, ofMetric(shown)]).toMatchObject([
    { metric: shown, largest_metric: shown },
    1,
  ]);
  g.forget(long("a"));
  expect([...settings.meter.gauges.keys()].join("").length).toBeLessThan(1000);
  expect(g.report().top).toEqual([]);
});

test("guards with series are listed until they are closed, and leave no timer", () => {
  const { guard: g, clock } = start(1);
  const listed = () => cardinalityReports().filter(({ component }) => component === "percentiles");
  expect(listed()).toEqual([]);
  g.admit("a");
  g.countOverflow("a");
  expect(listed()).toHaveLength(1);
  g.close();
  expect(listed()).toEqual([]);
  expect(clock.pending).toBe(0);
});
