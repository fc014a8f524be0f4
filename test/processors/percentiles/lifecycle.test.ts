import { describe, expect, test } from "@jest/globals";
import { config } from "../../../processors/percentiles/config.ts";
import { PercentilesStage } from "../../../processors/percentiles/stage.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { cardinalityReports } from "../../../src/metrics/cardinality-guard.ts";
import { exponential, exponentialPoint, upTo } from "./exponential.ts";
import { context, gauge, number, Running, shortly, t0 } from "./support.ts";

const keys = { types: ["gauge"] as "gauge"[], quantiles: [1] };
const never = new AbortController().signal;
const refusal = () => new TelemetryError("QUEUE_FULL", "full", { retryable: true });

describe("shutdown", () => {
  test("the partial window is reported, up to now, and what was held is given back", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(4)])]);
    await r.clock.advance(1234);
    await r.stage.shutdown(never);
    expect(r.made()).toMatchObject([
      { name: "g_p100", value: 4, startMs: t0, timeMs: t0 + 1234, isStale: false },
    ]);
    expect(r.settings.budget.usedBytes).toBe(0);
    expect(r.clock.pending).toBe(0);
    expect(cardinalityReports()).toEqual([]);
    await r.stage.shutdown(never);
    expect(r.made()).toEqual([]);
    const payload = [...r.sent][0]!;
    expect(r.stage.ready(payload, context)?.retryable).toBe(true);
    await expect(r.stage.consume(payload, context)).rejects.toThrow("stopped");
  });

  test("the open window of a series that said nothing is no end of it", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(4)])]);
    await r.after();
    await r.stage.shutdown(never);
    expect(r.made()).toEqual([]);
  });

  test("works without start", async () => {
    const r = new Running(keys);
    const stage = new PercentilesStage(config.parse({}), r.settings, r.edge);
    await stage.shutdown(never);
    expect(r.edge.payloads).toEqual([]);
  });

  test("what is on its way when it stops is in the last window", async () => {
    const r = new Running(keys);
    r.edge.isSlow = true;
    const sent = r.send([gauge("g", [number(4)])]);
    const stopped = r.stage.shutdown(never);
    r.edge.isSlow = false;
    r.edge.answer();
    await Promise.all([sent, stopped]);
    expect(shortly(r.made())).toEqual(["g_p100 4"]);
  });

  test("what is answered after the time is up is not sampled, and keeps no memory", async () => {
    const r = new Running(keys);
    r.edge.isSlow = true;
    const sent = r.send([gauge("g", [number(4)])]);
    const abort = new AbortController();
    const stopped = Promise.all([r.stage.shutdown(abort.signal), r.stage.shutdown(abort.signal)]);
    abort.abort();
    await stopped;
    r.edge.answer();
    await sent;
    expect(r.sampled).toBe(0);
    expect(r.settings.budget.usedBytes).toBe(0);
  });

  test("two calls report once", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(4)])]);
    await Promise.all([r.stage.shutdown(never), r.stage.shutdown(never)]);
    expect(shortly(r.made())).toEqual(["g_p100 4"]);
  });

  test("what nobody takes before the time is up is lost and counted", async () => {
    const r = new Running({ ...keys, quantiles: [0.5, 1] });
    await r.send([gauge("g", [number(4)])]);
    r.edge.refusal = refusal();
    await r.clock.advance(60_000);
    expect(r.stage.held()).toMatchObject({ items: 2 });
    await r.stage.shutdown(AbortSignal.abort());
    expect(r.stage.held()).toEqual({ items: 0, bytes: 0 });
    expect([...r.settings.dropped]).toEqual([["shutdown", 2]]);
    expect(r.settings.budget.usedBytes).toBe(0);
  });
});

describe("a next component that refuses", () => {
  test("results are kept in order and handed over again, sources are refused as always", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(1)])]);
    r.edge.refusal = refusal();
    await r.clock.advance(60_000);
    await expect(r.send([gauge("g", [number(2)])])).rejects.toThrow("full");
    expect(await r.after(120_000)).toEqual([]);
    r.edge.refusal = undefined;
    await r.clock.advance(5000);
    expect(r.made()).toMatchObject([
      { value: 1, timeMs: t0 + 60_000 },
      { isStale: true, timeMs: t0 + 120_000 },
    ]);
    expect(r.stage.held().items).toBe(0);
  });

  test("for good: dropped, counted, said", async () => {
    const r = new Running(keys);
    await r.send([gauge("g", [number(1)])]);
    r.edge.refusal = new TelemetryError("BACKEND_REJECTED", "no");
    await r.clock.advance(60_000);
    expect([...r.settings.dropped]).toEqual([["rejected", 1]]);
    expect(r.log.lines.map(({ level }) => level)).toEqual(["error"]);
  });

  test("a window of more than fits is handed over no faster than it is taken", async () => {
    const { r, points } = await largeWindow();
    await r.clock.advance(60_000);
    while (r.edge.waiting > 0) {
      expect(r.stage.held().bytes).toBeLessThan(16 * 1024 * 1024);
      r.edge.answer();
      await r.clock.advance(0);
    }
    expect(r.made()).toHaveLength(points);
    expect([...r.settings.dropped]).toEqual([]);
    r.edge.isSlow = false;
    await r.stage.shutdown(never);
  });

  test("a window that is not taken does not hold up the end", async () => {
    const { r, points } = await largeWindow();
    await r.clock.advance(60_000);
    const abort = new AbortController();
    const stopped = r.stage.shutdown(abort.signal);
    abort.abort();
    await stopped;
    r.edge.answer();
    await r.clock.advance(0);
    const lost = [...r.settings.dropped.values()].reduce((sum, items) => sum + items, 0);
    expect(lost).toBe(points - r.made().length);
    expect(r.settings.budget.usedBytes).toBe(0);
  });

  test("for so long that they do not fit: the oldest go, counted, said once", async () => {
    const r = new Running({ ...keys, window: "1s", quantiles: upTo(20).map((i) => i / 20) });
    const labels = { text: "x".repeat(2000) };
    r.edge.refusal = refusal();
    const accept = async () => {
      r.edge.refusal = undefined;
      await r.send([
        gauge(
          "g",
          upTo(50).map((i) => number(i, undefined, { ...labels, i })),
        ),
      ]);
      r.edge.refusal = refusal();
    };
    for (let i = 0; i < 12; i++) {
      await accept();
      await r.clock.advance(1000);
    }
    expect(r.stage.held().bytes).toBeLessThan(19 * 1024 * 1024);
    const lost = r.settings.dropped.get("queue_full")!;
    expect(lost).toBeGreaterThan(0);
    expect(lost + r.stage.held().items).toBeGreaterThanOrEqual(11 * 1000);
    expect(r.log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });
});

/** Results of 29 MB, before an edge that answers when told so. */
async function largeWindow(): Promise<{ r: Running; points: number }> {
  const r = new Running({ ...keys, quantiles: upTo(9).map((i) => i / 10) });
  const points = upTo(200).map((i) => number(i, undefined, { [`k${i}`]: "x".repeat(16_000) }));
  await r.send([gauge("g", points)]);
  r.edge.isSlow = true;
  return { r, points: 200 * 9 };
}

describe("a reload with another config", () => {
  test("the partial window and what waits go to the successor, which does not sample them", async () => {
    const old = new Running(keys);
    await old.send([gauge("g", [number(1)])]);
    old.edge.refusal = refusal();
    await old.clock.advance(60_000);
    old.edge.refusal = undefined;
    await old.send([gauge("g", [number(7)])]);
    old.edge.refusal = refusal();
    await old.clock.advance(10);
    const given = await old.stage.surrender();
    await old.stage.shutdown(never);
    expect(old.settings.budget.usedBytes).toBe(0);
    expect([...old.settings.dropped]).toEqual([]);

    const successor = new Running({ ...keys, quantiles: [0.5] }, { clock: old.clock });
    for (const held of given) {
      await successor.stage.consume(held.payload, held.context);
    }
    expect(successor.sampled).toBe(0);
    expect(successor.made()).toMatchObject([
      { name: "g_p100", value: 1, timeMs: t0 + 60_000 },
      { name: "g_p100", value: 7, timeMs: t0 + 60_010 },
    ]);
  });

  test("another percentiles processor behind this one does sample its results", async () => {
    const r = new Running({ quantiles: [1] });
    await r.send([exponential("e", 1, exponentialPoint([8]))]);
    const given = await r.stage.surrender();
    const other = new Running(keys);
    Object.assign(other.settings.id, { text: "percentiles/2" });
    await other.stage.consume(given[0]!.payload, context);
    expect(shortly(await other.after()).filter((text) => text.includes("_p100_p100"))).toEqual([
      "e_p100_p100 8",
    ]);
  });
});
