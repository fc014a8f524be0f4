import { beforeEach, describe, expect, test } from "@jest/globals";
import { config } from "../../../processors/memory_limiter/config.ts";
import { limitsOf } from "../../../processors/memory_limiter/limits.ts";
import { MemoryLimiter } from "../../../processors/memory_limiter/memory-limiter.ts";
import { MemoryWatch } from "../../../processors/memory_limiter/memory-watch.ts";
import type { ComponentStatus, Context } from "../../../src/component.ts";
import { TelemetryError } from "../../../src/errors.ts";
import type { Logger } from "../../../src/log.ts";
import { statusOf } from "../../../src/net/rpc-status.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { logsPayload } from "../../support/payloads.ts";
import { ScriptedEdge } from "../../support/scripted-edge.ts";
import { type TestSettings, testBudget, testSettings } from "../../support/settings.ts";

const mebibyte = 2 ** 20;
const context: Context = { receivedMs: 0 };
const labels = { processor: "memory_limiter" };
/** Soft 40 MiB, hard 50 MiB, as in the Collector's tests. */
const small = { check_interval: "1s", limit_mib: 50, spike_limit_mib: 10 };

let clock: FakeClock;
let next: ScriptedEdge;
let settings: TestSettings;
let usageMib: number;
/** What is in use after a collection. */
let afterMib: number | undefined;
let collections: number;
let said: string[];
let reports: ComponentStatus[];
let budgetBytes: number;

beforeEach(() => {
  usageMib = 10;
  afterMib = undefined;
  collections = 0;
  said = [];
  reports = [];
  budgetBytes = Number.MAX_SAFE_INTEGER;
});

function say(text: string): void {
  said.push(text);
}
const log: Logger = { debug: say, info: say, warn: say, error: say, with: () => log };

function watchOf(options: object, canCollect = false): MemoryWatch {
  clock = new FakeClock();
  const parsed = config.parse({ ...small, ...options });
  const budget = testBudget(budgetBytes);
  settings = {
    ...testSettings({ id: "memory_limiter", clock, budget }),
    log,
    report: (status) => void reports.push(status),
  };
  return new MemoryWatch({
    config: parsed,
    limits: limitsOf(parsed, 1000 * mebibyte),
    clock,
    log,
    budget,
    readUsage: () => usageMib * mebibyte,
    collect: canCollect
      ? () => {
          collections++;
          usageMib = afterMib ?? usageMib;
        }
      : undefined,
  });
}

async function limiterOf(watch: MemoryWatch): Promise<MemoryLimiter> {
  next = new ScriptedEdge();
  const limiter = new MemoryLimiter({ watch, signal: "logs", settings, next });
  await limiter.start();
  return limiter;
}

const consume = (limiter: MemoryLimiter) => limiter.consume(logsPayload(["a", "b"]), context);
const counted = (what: "accepted" | "refused") =>
  settings.meter.value(`otelcol_processor_memory_limiter_${what}_log_records`, labels);

describe("refusing", () => {
  test("begins and ends at the soft limit, at the next check; health follows", async () => {
    const limiter = await limiterOf(watchOf({}));
    await consume(limiter);
    usageMib = 40;
    await consume(limiter);
    await clock.advance(1000);
    await expect(consume(limiter)).rejects.toMatchObject({
      code: "MEMORY_LIMITED",
      message: "data refused due to high memory usage",
      retryable: true,
    });
    expect(reports).toEqual([
      { state: "recoverable", message: "data refused due to high memory usage" },
    ]);
    usageMib = 39.9;
    await expect(consume(limiter)).rejects.toThrow("data refused");
    await clock.advance(1000);
    await consume(limiter);
    expect(reports.at(-1)).toEqual({ state: "ok" });
    expect(next.payloads).toHaveLength(3);
    expect([counted("accepted"), counted("refused")]).toEqual([6, 4]);
    expect(said).toEqual([
      "Memory usage is above soft limit. Refusing data.",
      "Memory usage back within limits. Resuming normal operation.",
    ]);
  });

  test("is said once, however long it lasts", async () => {
    await limiterOf(watchOf({}));
    usageMib = 45;
    await clock.advance(10_000);
    expect(said).toEqual(["Memory usage is above soft limit. Refusing data."]);
    expect(reports).toHaveLength(1);
  });

  test("a limit that is too low shows at the start", async () => {
    usageMib = 60;
    const limiter = await limiterOf(watchOf({}));
    await expect(consume(limiter)).rejects.toThrow("data refused");
  });

  test("while the memory budget is used up, too", async () => {
    budgetBytes = 1000;
    const limiter = await limiterOf(watchOf({}));
    settings.budget.reserve(999);
    await clock.advance(1000);
    await consume(limiter);
    settings.budget.reserve(1);
    await clock.advance(1000);
    await expect(consume(limiter)).rejects.toMatchObject({ code: "MEMORY_LIMITED" });
    settings.budget.release(500);
    await clock.advance(1000);
    await consume(limiter);
  });

  test("is UNAVAILABLE for an OTLP client", async () => {
    usageMib = 60;
    const limiter = await limiterOf(watchOf({}));
    const error = limiter.ready(logsPayload(["a"]), context)!;
    expect(statusOf(error)).toMatchObject({
      code: 14,
      message: "data refused due to high memory usage",
    });
  });

  test("who asks before handing over is refused and counted as well", async () => {
    const limiter = await limiterOf(watchOf({}));
    next.refusal = new TelemetryError("QUEUE_FULL", "full", { retryable: true });
    expect(limiter.ready(logsPayload(["a"]), context)).toBe(next.refusal);
    expect(counted("refused")).toBe(0);
    usageMib = 60;
    await clock.advance(1000);
    expect(limiter.ready(logsPayload(["a"]), context)).toMatchObject({ code: "MEMORY_LIMITED" });
    expect(counted("refused")).toBe(1);
  });

  test("what the next component refuses goes back as it is and is not counted as accepted", async () => {
    const limiter = await limiterOf(watchOf({}));
    next.refusal = new TelemetryError("QUEUE_FULL", "full", { retryable: true });
    await expect(consume(limiter)).rejects.toBe(next.refusal);
    expect([counted("accepted"), counted("refused")]).toEqual([0, 0]);
  });
});

test("several pipelines share the measuring; it goes on until the last has stopped", async () => {
  const watch = watchOf({});
  const first = await limiterOf(watch);
  usageMib = 45;
  await clock.advance(1000);
  const second = await limiterOf(watch);
  expect(clock.pending).toBe(1);
  // The later one is told how things stand.
  expect(reports.map(({ state }) => state)).toEqual(["recoverable", "recoverable"]);
  await first.shutdown();
  await first.shutdown();
  expect(clock.pending).toBe(1);
  await expect(consume(second)).rejects.toThrow("data refused");
  await second.shutdown();
  expect(clock.pending).toBe(0);
});

describe("forced collections", () => {
  // TestCallGCWhenSoftLimit and its hard twin: two checks within the minimum interval.
  test.each([
    [{ min_gc_interval_when_soft_limited: "10s" }, [45, 45], 1],
    [{ min_gc_interval_when_soft_limited: "0s" }, [45, 45], 2],
    [{ min_gc_interval_when_hard_limited: "10s" }, [55, 55], 1],
    [{ min_gc_interval_when_hard_limited: "0s" }, [55, 55], 2],
    [{ min_gc_interval_when_soft_limited: "10s" }, [45, 55], 2],
  ])("%j at %j MiB: %i", async (options, usages, expected) => {
    // Every collection frees 10 %: worthwhile, and not enough.
    const watch = watchOf(options, true);
    await limiterOf(watch);
    await clock.advance(60_000);
    for (const usage of usages) {
      usageMib = usage;
      afterMib = usage * 0.9;
      await clock.advance(1000);
      expect(watch.isRefusing).toBe(true);
    }
    expect(collections).toBe(expected);
  });

  test("one that frees enough is no reason to refuse", async () => {
    const watch = watchOf({}, true);
    const limiter = await limiterOf(watch);
    await clock.advance(20_000);
    usageMib = 55;
    afterMib = 20;
    await clock.advance(1000);
    expect(collections).toBe(1);
    await consume(limiter);
    expect(reports).toEqual([]);
    expect(said).toEqual([
      "Memory usage is above hard limit. Forcing a GC.",
      "Memory usage after GC.",
    ]);
  });

  test("none right after the start, none below the soft limit, none without a way to force them", async () => {
    usageMib = 45;
    await limiterOf(watchOf({}, true));
    expect(collections).toBe(0);
    usageMib = 39;
    await clock.advance(60_000);
    expect(collections).toBe(0);
    usageMib = 60;
    await limiterOf(watchOf({}, false));
    await clock.advance(60_000);
    expect(collections).toBe(0);
  });

  /** Seconds between the collections of ten minutes at a use that nothing lowers. */
  async function gapsAt(usage: number, options: object): Promise<number[]> {
    await limiterOf(watchOf(options, true));
    await clock.advance(60_000);
    usageMib = usage;
    const at: number[] = [];
    for (let second = 0; second < 600; second++) {
      const before = collections;
      await clock.advance(1000);
      if (collections > before) at.push(second);
    }
    return at.slice(1).map((second, i) => second - at[i]!);
  }

  test.each([
    // From 95 % of the check interval, doubled: 1.9 s is over at the second check …
    ["hard", 55, {}, [2, 4, 8, 16, 31, 31]],
    ["hard", 55, { max_gc_interval_when_hard_limited: "8s" }, [2, 4, 8, 9, 9]],
    // From the minimum interval of 10 s, doubled.
    ["soft", 45, {}, [21, 31, 31]],
    ["soft", 45, { max_gc_interval_when_soft_limited: "0s" }, [11, 11, 11]],
    ["hard", 55, { max_gc_interval_when_hard_limited: "0s" }, [1, 1, 1]],
  ])(
    "that free little are forced ever more rarely: %s, %i MiB, %j",
    async (_p, usage, options, gaps) => {
      expect((await gapsAt(usage, options)).slice(0, gaps.length)).toEqual(gaps);
      expect(said).toContain(
        "Forced GC did not reclaim enough memory. Will back off GC frequency to preserve CPU for recovery.",
      );
    },
  );

  test("memory that falls by itself ends the back-off", async () => {
    await gapsAt(55, {});
    expect(collections).toBeGreaterThan(15);
    usageMib = 30;
    await clock.advance(1000);
    usageMib = 55;
    const before = collections;
    await clock.advance(2000);
    expect(collections).toBe(before + 1);
  });
});
