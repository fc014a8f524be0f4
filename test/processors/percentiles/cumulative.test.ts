import { describe, expect, test } from "@jest/globals";
import { exponential, exponentialPoint, upTo } from "./exponential.ts";
import { histogram, histogramPoint, Running, shortly, t0 } from "./support.ts";

const cumulative = 2;
const bounds = [1, 2, 4];
const longAgo = "1000000000000000000";

interface Scrape {
  readonly counts: number[];
  readonly at: number;
  readonly start?: string;
  readonly bounds?: number[];
  readonly flags?: number;
}

const scrape = ({ counts, at, start = longAgo, flags, ...other }: Scrape) =>
  histogram(
    "d",
    cumulative,
    histogramPoint({
      bounds: other.bounds ?? bounds,
      counts,
      rest: { timeUnixNano: `${t0 + at}000000`, startTimeUnixNano: start, flags },
    }),
  );

const summary = { output: "summary" as const, quantiles: [0.5] };
const counts = (points: Awaited<ReturnType<Running["after"]>>) =>
  points.map(({ json, isStale }) => (isStale ? "stale" : json["count"]));

async function run(...scrapes: Scrape[]): Promise<Running> {
  const r = new Running(summary);
  for (const one of scrapes) await r.send([scrape(one)]);
  return r;
}

describe("explicit histograms", () => {
  test("the first point is a baseline only", async () => {
    const r = await run({ counts: [5, 5, 0, 0], at: 0 });
    expect(await r.after()).toEqual([]);
    await r.send([scrape({ counts: [5, 8, 1, 0], at: 60_000 })]);
    expect(counts(await r.after())).toEqual(["4"]);
  });

  test("unless its series began after this processor", async () => {
    const r = await run({ counts: [5, 5, 0, 0], at: 1, start: `${t0}000000` });
    expect(counts(await r.after())).toEqual(["10"]);
  });

  test.each([
    ["a newer start", { counts: [7, 7, 0, 0], start: `${t0}000000` }, "14"],
    ["a bucket that falls", { counts: [4, 90, 0, 0] }, "94"],
    ["other bounds", { counts: [9, 9, 0], bounds: [1, 3] }, "18"],
    ["a start that was not told before", { counts: [6, 5, 0, 0], start: "0" }, "1"],
  ])("%s: what is counted", async (_name, second, expected) => {
    const r = await run({ counts: [5, 5, 0, 0], at: 0 }, { at: 1000, ...second });
    expect(counts(await r.after())).toEqual([expected]);
  });

  test("points that are not newer are counted and change nothing", async () => {
    const r = await run(
      { counts: [5, 5, 0, 0], at: 1000 },
      { counts: [1, 1, 0, 0], at: 0 },
      { counts: [6, 6, 0, 0], at: 1000 },
      { counts: [7, 7, 0, 0], at: 2000 },
    );
    expect(counts(await r.after())).toEqual(["4"]);
    expect(r.ignored("out_of_order")).toBe(2);
    expect(r.log.of("out_of_order")).toHaveLength(1);
  });

  test("NoRecordedValue ends the series: what follows is a baseline", async () => {
    const r = await run(
      { counts: [5, 5, 0, 0], at: 1, start: `${t0}000000` },
      { counts: [0, 0, 0, 0], at: 2, start: `${t0}000000`, flags: 1 },
      { counts: [9, 9, 0, 0], at: 3, start: `${t0}000000` },
      { counts: [9, 9, 1, 0], at: 4, start: `${t0}000000` },
    );
    // 10 of the first, 1 of the last: the third may contain what the first had.
    expect(counts(await r.after())).toEqual(["11"]);
  });

  test("a baseline expires; what comes back is not counted twice", async () => {
    const r = await run({ counts: [5, 5, 0, 0], at: 1, start: `${t0}000000` });
    await r.after(360_001);
    expect(r.settings.meter.value("rmt_percentiles_baselines", { processor: "percentiles" })).toBe(
      0,
    );
    await r.send([scrape({ counts: [5, 6, 0, 0], at: 360_000, start: `${t0}000000` })]);
    expect(await r.after()).toEqual([]);
    await r.send([scrape({ counts: [5, 9, 0, 0], at: 420_000, start: `${t0}000000` })]);
    expect(counts(await r.after())).toEqual(["3"]);
  });

  test("a baseline expires also while a long window is open", async () => {
    const r = new Running({ ...summary, window: "1h" });
    await r.send([scrape({ counts: [5, 5, 0, 0], at: 0 })]);
    await r.clock.advance(7_200_001);
    await r.send([scrape({ counts: [9, 9, 0, 0], at: 7_200_001 })]);
    await r.send([scrape({ counts: [9, 9, 2, 0], at: 7_200_002 })]);
    expect(counts(await r.after(3_600_000))).toEqual(["2"]);
  });

  test("points without a time are in the order in which they come", async () => {
    const r = new Running(summary);
    const point = (list: number[]) =>
      histogram("d", cumulative, histogramPoint({ bounds, counts: list }));
    await r.send([point([1, 0, 0, 0])]);
    await r.send([point([3, 0, 0, 0])]);
    expect(counts(await r.after())).toEqual(["2"]);
  });

  test("series beyond the limit cannot be compared and are counted", async () => {
    const r = new Running({ ...summary, max_series: 2 });
    const point = (pod: string, list: number[], at: number) =>
      histogramPoint({
        bounds,
        counts: list,
        labels: { pod },
        rest: { timeUnixNano: `${t0 + at}000000`, startTimeUnixNano: longAgo },
      });
    for (const at of [0, 1]) {
      const list = [at, 0, 0, 0];
      await r.send([
        histogram(
          "d",
          cumulative,
          point("a", list, at),
          point("b", list, at),
          point("c", list, at),
        ),
      ]);
    }
    expect(counts(await r.after())).toEqual(["1", "1"]);
    expect(r.ignored("series_limit")).toBe(2);
    expect(r.overflowed).toBe(2);
    expect(r.log.of("series_limit")).toHaveLength(1);
  });
});

describe("exponential histograms", () => {
  const point = (values: number[], at: number, scale = 5) =>
    exponential(
      "e",
      cumulative,
      exponentialPoint(values, {
        scale,
        rest: { timeUnixNano: `${t0 + at}000000`, startTimeUnixNano: longAgo },
      }),
    );

  test("the difference of two points, also of different scales", async () => {
    const r = new Running({ quantiles: [0, 0.5, 1] });
    const old = Array.from({ length: 50 }, () => 1000);
    await r.send([point(old, 0, 8)]);
    await r.send([point([...old, ...upTo(100)], 1, 6)]);
    await r.send([point([...old, ...upTo(100), -3], 2, 4)]);
    const made = shortly(await r.after());
    // Scale 4: within 2.2 %; extremes of cumulative points are no extremes of a window.
    expect(made).toEqual(
      ["e_p0 -2.9622", "e_p100 100.71", "e_p50 49.28"].map((text) =>
        expect.stringContaining(text.split(" ")[0]!),
      ),
    );
    const numbers = made.map((text) => Number(text.split(" ")[1]));
    for (const [i, exact] of [-3, 100, 50].entries()) {
      expect(Math.abs(numbers[i]! / exact - 1)).toBeLessThan(0.022);
    }
  });

  test("a reset counts the new point whole", async () => {
    const r = new Running(summary);
    await r.send([point(upTo(100), 0)]);
    await r.send([point(upTo(30), 1)]);
    expect(counts(await r.after())).toEqual(["30"]);
  });
});
