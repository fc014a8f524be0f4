import { describe, expect, test } from "@jest/globals";
import { WindowClock } from "../../../processors/percentiles/window-clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { upTo } from "./exponential.ts";
import { gauge, JumpingClock, number, Running, shortly, t0 } from "./support.ts";

const keys = { types: ["gauge"] as "gauge"[], quantiles: [1] };
const values = (points: readonly { value: number | undefined; isStale: boolean }[]) =>
  points.map(({ value, isStale }) => (isStale ? "stale" : value));

describe("tumbling", () => {
  test("a window is [start, end) by arrival, whatever the points' times are", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(1, `${t0 - 299_999}000000`)])]);
    await r.clock.advance(59_999);
    await r.send([gauge("g", [number(2, `${t0 + 10 ** 9}000000`)])]);
    const first = await r.after(1);
    await r.send([gauge("g", [number(3)])]);
    const second = await r.after(60_000);
    expect([values(first), values(second)]).toEqual([[2], [3]]);
    expect(second[0]).toMatchObject({ startMs: t0 + 60_000, timeMs: t0 + 120_000 });
  });

  test("the first window ends at a multiple of its length since 1970", async () => {
    const r = new Running({ ...keys, window: "7s" }, { clock: new FakeClock(t0 + 1234) });
    await r.send([gauge("g", [number(1)])]);
    const [point] = await r.after(7000);
    expect(point!.timeMs % 7000).toBe(0);
    expect(point!.timeMs - point!.startMs).toBe(7000);
  });

  test("after a window with data comes exactly one NoRecordedValue each, then silence", async () => {
    const r = new Running({ ...keys, quantiles: [0.5, 0.99] });
    await r.send([gauge("g", [number(1), number(2, undefined, { a: "b" })])]);
    expect(await r.after()).toHaveLength(4);
    const stale = await r.after();
    expect(shortly(stale)).toEqual(["g_p50 stale", "g_p50 stale", "g_p99 stale", "g_p99 stale"]);
    expect(stale[1]).toMatchObject({ attributes: { a: "b" }, timeMs: t0 + 120_000 });
    expect(await r.after(600_000)).toEqual([]);
    await r.send([gauge("g", [number(3)])]);
    expect(values(await r.after())).toHaveLength(2);
  });

  test("groups that fell silent are forgotten with their memory", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(1)])], { host: "a" });
    expect(r.settings.meter.value("rmt_series", { component: "percentiles" })).toBe(1);
    await r.clock.advance(360_001);
    expect(r.settings.meter.value("rmt_series", { component: "percentiles" })).toBe(0);
    expect(r.settings.budget.usedBytes).toBe(0);
    await r.send([gauge("g", [number(2)])], { host: "a" });
    r.made();
    expect(values(await r.after())).toEqual([2]);
  });

  test("a timer that comes late does not move points into the window before", async () => {
    const clock = new JumpingClock(t0);
    const r = new Running(keys, { clock });
    await r.send([gauge("g", [number(1)])]);
    // Nothing fires meanwhile: as when the event loop stands still.
    let late = 0;
    clock.monotonicMs = () => t0 + late;
    clock.now = () => t0 + late;
    late = 61_000;
    await r.send([gauge("g", [number(9)])]);
    expect(r.made()).toMatchObject([{ value: 1, timeMs: t0 + 60_000 }]);
  });
});

test("a machine that does not keep up leaves windows out, counted and said", async () => {
  const r = new Running({ ...keys, window: "1s", max_series: 20_000 });
  const labels = upTo(20_000);
  for (let from = 0; from < labels.length; from += 1000) {
    const points = labels.slice(from, from + 1000).map((i) => number(1, undefined, { i }));
    await r.send([gauge("g", points)]);
  }
  // A window takes 100 turns of the event loop, and a second of this clock three.
  await r.clock.advance(60_000);
  expect(r.settings.dropped.get("too_slow")).toBeGreaterThan(0);
  expect(r.log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  await r.stage.shutdown(new AbortController().signal);
  expect(r.settings.budget.usedBytes).toBe(0);
});

describe("sliding", () => {
  test("each slide has a result over the whole window before it", async () => {
    const r = new Running({ ...keys, window: "60s", slide: "20s" });
    const seen: unknown[] = [];
    for (const value of [5, 4, 3]) {
      await r.send([gauge("g", [number(value)])]);
      seen.push(values(await r.after(20_000)));
    }
    for (let i = 0; i < 5; i++) seen.push(values(await r.after(20_000)));
    expect(seen).toEqual([[5], [5], [5], [4], [3], ["stale"], [], []]);
  });

  test("results are merged exactly: as if one sketch had seen all", async () => {
    const whole = new Running({ ...keys, quantiles: [0.1, 0.5, 0.9] });
    const slid = new Running({ ...keys, quantiles: [0.1, 0.5, 0.9], slide: "1s" });
    for (let i = 0; i < 60; i++) {
      for (const r of [whole, slid]) await r.send([gauge("g", [number(1.1 ** i), number(-i)])]);
      if (i < 59) for (const r of [whole, slid]) await r.clock.advance(1000);
    }
    slid.made();
    const expected = await whole.after(1000);
    const actual = await slid.after(1000);
    expect(actual.map(({ value }) => value)).toEqual(expected.map(({ value }) => value));
    expect(actual[0]).toMatchObject({ startMs: t0, timeMs: t0 + 60_000 });
  });
});

describe("clocks that jump", () => {
  function slots(clock: JumpingClock): number[] {
    const closed: number[] = [];
    new WindowClock(clock, 10_000, (slot) => closed.push(slot - t0 / 10_000)).start();
    return closed;
  }

  test("ahead: the open slot ends as planned, the next one where the clock is", async () => {
    const clock = new JumpingClock(t0);
    const closed = slots(clock);
    await clock.advance(5000);
    clock.offsetMs = 3_600_000;
    await clock.advance(5000);
    expect(closed).toEqual([1]);
    await clock.advance(20_000);
    expect(closed).toEqual([1, 362, 363]);
  });

  test("back: slots go on in real time and never repeat", async () => {
    const clock = new JumpingClock(t0);
    const closed = slots(clock);
    await clock.advance(10_000);
    clock.offsetMs = -3_600_000;
    await clock.advance(50_000);
    expect(closed).toEqual([1, 2, 3, 4, 5, 6]);
    clock.offsetMs = 0;
    await clock.advance(20_000);
    expect(closed).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("drift: boundaries stay where the wall clock has them", async () => {
    const clock = new JumpingClock(t0);
    const closed: number[] = [];
    new WindowClock(clock, 10_000, () => closed.push(clock.now() % 10_000)).start();
    for (let i = 0; i < 10; i++) {
      await clock.advance(10_000);
      clock.offsetMs += i % 2 === 0 ? 40 : -15;
    }
    expect(closed.length).toBeGreaterThanOrEqual(9);
    for (const late of closed) expect(Math.min(late, 10_000 - late)).toBeLessThan(41);
  });

  test("output times never go back", async () => {
    const clock = new JumpingClock(t0);
    const r = new Running({ ...keys, window: "10s" }, { clock });
    const times: number[] = [];
    for (const offsetMs of [0, -50_000, 7_200_000, 0, -4_000]) {
      clock.offsetMs = offsetMs;
      await r.send([gauge("g", [number(1)])]);
      times.push(...(await r.after(10_000)).map(({ timeMs }) => timeMs));
    }
    await r.stage.shutdown(new AbortController().signal);
    times.push(...r.made().map(({ timeMs }) => timeMs));
    expect(times.length).toBeGreaterThanOrEqual(4);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(times).size).toBe(times.length);
  });
});
