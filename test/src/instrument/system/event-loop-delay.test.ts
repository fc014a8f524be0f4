/** How late the event loop is: with a monitor that says what it is told to, and with the real one. */
import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type DelayMonitor,
  EventLoopDelay,
} from "../../../../src/instrument/system/event-loop-delay.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { Bench } from "../../../support/instrument-points.ts";

/** Timers fire when they are due and then see a clock that went on. */
class LateClock extends FakeClock {
  lateMs = 0;
  override monotonicMs(): number {
    return super.monotonicMs() + this.lateMs;
  }
}

class Monitor implements DelayMonitor {
  ticksMs: number[] = [];
  enabled = 0;
  get count() {
    return this.ticksMs.length;
  }
  get max() {
    return Math.max(...this.ticksMs) * 1e6;
  }
  percentile(percent: number) {
    const rank = Math.max(1, Math.ceil((percent / 100) * this.count));
    return this.ticksMs.toSorted((a, b) => a - b)[rank - 1]! * 1e6;
  }
  reset() {
    this.ticksMs = [];
  }
  enable() {
    this.enabled++;
    return true;
  }
  disable() {
    this.enabled--;
    return true;
  }
}

let bench: Bench;
let clock: LateClock;
let monitor: Monitor;

const measure = () => new EventLoopDelay(bench.meter, clock, monitor);
/** Milliseconds, by the last part of the metric's name. */
const delays = () =>
  Object.fromEntries(
    bench
      .collect()
      .map((p) => [
        p.metric.replace("nodejs.eventloop.delay.", ""),
        Math.round(p.value! * 1e6) / 1e3,
      ]),
  );

beforeEach(() => {
  bench = new Bench();
  clock = new LateClock();
  monitor = new Monitor();
});

test("gauges in seconds, by the names of the conventions", () => {
  using _ = measure();
  monitor.ticksMs = [21];
  expect(bench.collect().map((p) => [p.metric, p.kind, p.unit])).toEqual([
    ["nodejs.eventloop.delay.p50", "gauge", "s"],
    ["nodejs.eventloop.delay.p99", "gauge", "s"],
    ["nodejs.eventloop.delay.max", "gauge", "s"],
  ]);
});

test("the period of the monitor's timer is no delay", async () => {
  using _ = measure();
  await clock.advance(1000);
  monitor.ticksMs = [...Array<number>(98).fill(20.5), 45, 120];
  expect(delays()).toEqual({ p50: 0.5, p99: 25, max: 100 });
  await clock.advance(1000);
  // A tick may come early.
  monitor.ticksMs = [19.2];
  expect(delays()).toEqual({ p50: 0, p99: 0, max: 0 });
});

test("nothing is said before the first sample", () => {
  using _ = measure();
  expect(delays()).toEqual({});
  monitor.ticksMs = [22];
  expect(delays()).toEqual({ p50: 2, p99: 2, max: 2 });
});

test("each collection begins anew; without a sample it says the last again", async () => {
  using _ = measure();
  await clock.advance(1000);
  monitor.ticksMs = [70];
  expect(delays()).toEqual({ p50: 50, p99: 50, max: 50 });
  expect(monitor.count).toBe(0);
  await clock.advance(1000);
  expect(delays()).toEqual({ p50: 50, p99: 50, max: 50 });
  monitor.ticksMs = [21];
  expect(delays()).toEqual({ p50: 1, p99: 1, max: 1 });
});

test("a second reader just after the first is told the same, and takes nothing away", async () => {
  using _ = measure();
  await clock.advance(1000);
  monitor.ticksMs = [70];
  delays();
  await clock.advance(400);
  monitor.ticksMs = [30];
  expect(delays()).toEqual({ p50: 50, p99: 50, max: 50 });
  await clock.advance(200);
  expect(delays()).toEqual({ p50: 10, p99: 10, max: 10 });
});

describe("what blocks before the monitor's first tick", () => {
  test("is in the maximum", async () => {
    using _ = measure();
    clock.lateMs = 80;
    await clock.advance(20);
    clock.lateMs = 0;
    monitor.ticksMs = [20];
    expect(delays()).toEqual({ p50: 0, p99: 0, max: 80 });
    await clock.advance(1000);
    monitor.ticksMs = [20];
    expect(delays()).toEqual({ p50: 0, p99: 0, max: 0 });
  });

  test("also while it still blocks", () => {
    using _ = measure();
    clock.lateMs = 100;
    monitor.ticksMs = [20];
    expect(delays()).toMatchObject({ max: 80 });
  });
});

test("dispose ends the points, the monitor and the timer", () => {
  const measured = measure();
  monitor.ticksMs = [70];
  expect([monitor.enabled, clock.pending]).toEqual([1, 1]);
  measured[Symbol.dispose]();
  expect([monitor.enabled, clock.pending]).toEqual([0, 0]);
  expect(delays()).toEqual({});
});

describe("the real monitor", () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  function block(ms: number): void {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs);
  }

  test("a block of the loop between two ticks", async () => {
    const { monitorEventLoopDelay } = process.getBuiltinModule("node:perf_hooks");
    const real = monitorEventLoopDelay({ resolution: 20 });
    using _ = new EventLoopDelay(bench.meter, clock, real);
    while (real.count === 0) await turn();
    const ticks = real.count;
    block(100);
    while (real.count === ticks) await turn();
    const { p50, max } = delays();
    expect(max).toBeGreaterThan(75);
    expect(p50).toBeLessThanOrEqual(max!);
  });

  test("a block right after the start", async () => {
    using _ = new EventLoopDelay(bench.meter);
    block(100);
    let max: number | undefined;
    while (max === undefined) {
      await turn();
      ({ max } = delays());
    }
    expect(max).toBeGreaterThan(75);
  });
});
