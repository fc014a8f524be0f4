/** What series, their data and exemplars take of the memory budget, and that all of it comes back. */
import { afterEach, describe, expect, test } from "@jest/globals";
import { testBudget } from "../../support/settings.ts";
import {
  accept,
  at,
  distribution,
  gauge,
  lines,
  type Running,
  request,
  startExporter,
  sum,
  value,
} from "./support.ts";

let running: Running | undefined;
afterEach(async () => {
  await running?.stop();
  const left = running?.settings.budget.usedBytes;
  running = undefined;
  if (left !== 0) throw new Error(`${left} bytes are still reserved after the stop`);
});

async function start(limitBytes?: number): Promise<Running> {
  const keys = { enable_open_metrics: true, metric_expiration: "1m" };
  running = await startExporter(keys, { budget: testBudget(limitBytes) });
  return running;
}

const used = (r: Running) => r.settings.budget.usedBytes;
const histogram = (buckets: number, k: number, seconds = 1) =>
  request([
    distribution("histogram", "h", [
      {
        timeUnixNano: at(seconds),
        count: buckets,
        bucketCounts: Array.from({ length: buckets }, () => 1),
        explicitBounds: Array.from({ length: buckets - 1 }, (_, i) => i),
        attributes: [{ key: "k", value: { intValue: k } }],
      },
    ]),
  ]);

describe("what is held", () => {
  test("buckets count, and less once they are fewer", async () => {
    const r = await start();
    await r.push(histogram(1, 0));
    const small = used(r);
    await r.push(histogram(10_001, 0));
    expect(used(r) - small).toBe(10_000 * (8 + 100));
    await r.push(histogram(1, 0));
    expect(used(r)).toBe(small);
  });

  test("bounds count where no other series has them", async () => {
    const r = await start();
    await r.push(histogram(10_001, 0));
    const first = used(r);
    await r.push(histogram(10_001, 1));
    expect(2 * first - used(r)).toBe(10_000 * 100);
  });

  test("quantiles, exponential buckets and exemplars count", async () => {
    const r = await start();
    const summary = (n: number) =>
      distribution("summary", "s", [
        { quantileValues: Array.from({ length: n }, (_, i) => ({ quantile: i / n, value: i })) },
      ]);
    const exponential = (n: number) =>
      distribution("exponentialHistogram", "e", [
        { scale: 0, positive: { offset: 0, bucketCounts: Array.from({ length: n }, () => 1) } },
      ]);
    const counter = (n: number) => {
      const exemplar = { asDouble: 1, spanId: "b7ad6b7169203331" };
      return sum("c", [{ ...value(1), exemplars: Array.from({ length: n }, () => exemplar) }]);
    };
    for (const [make, few, many] of [
      [summary, 1, 100],
      [exponential, 1, 100],
      [counter, 0, 1],
    ] as const) {
      await r.push(request([make(few)]));
      const before = used(r);
      await r.push(request([make(many)]));
      expect(used(r)).toBeGreaterThan(before + 50);
    }
  });

  test("comes back when series end, by marker or by silence", async () => {
    const r = await start();
    await r.push(histogram(1000, 0));
    await r.push(histogram(1000, 1));
    expect(used(r)).toBeGreaterThan(32_000);
    await r.push(
      request([
        distribution("histogram", "h", [
          { flags: 1, attributes: [{ key: "k", value: { intValue: 0 } }] },
        ]),
      ]),
    );
    await r.clock.advance(60_000);
    expect(r.settings.meter.value("rmt_prometheus_exporter_series")).toBe(1);
    await r.clock.advance(120_000);
    expect(used(r)).toBe(0);
  });
});

describe("a full budget", () => {
  test("a histogram whose buckets do not fit is dropped; others and its old value stay", async () => {
    const r = await start(20_000);
    await r.push(histogram(2, 0));
    await r.push(histogram(10_000, 0, 2));
    await r.push(histogram(10_000, 1));
    await r.push(request([gauge("g", [value(1)])]));
    expect(await lines(r)).toEqual([
      "g 1",
      'h_bucket{k="0",le="0"} 1',
      'h_bucket{k="0",le="+Inf"} 2',
      'h_count{k="0"} 2',
    ]);
    expect(r.settings.dropped).toEqual(new Map([["memory_budget", 2]]));
  });

  test("exemplars that do not fit are left out, the value is shown", async () => {
    const r = await start(450);
    const exemplars = [{ asDouble: 1, spanId: "b7ad6b7169203331" }];
    await r.push(request([sum("c", [{ ...value(7), exemplars }])]));
    expect(await lines(r, accept.openMetrics)).toEqual(["c_total 7.0"]);
    expect(r.settings.dropped.size).toBe(0);
  });
});
