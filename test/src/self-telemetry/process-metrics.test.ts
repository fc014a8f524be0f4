import { expect, test } from "@jest/globals";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { addProcessMetrics } from "../../../src/self-telemetry/process-metrics.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const read = (registry: MeterRegistry) =>
  new Map<string, number>(
    registry
      .snapshot("normal", (error) => {
        throw error;
      })
      .map((metric) => {
        if (metric.type === "histogram") throw new Error("no histogram expected");
        return [metric.name, metric.points[0]!.value];
      }),
  );

test("the process's metrics have the Collector's names and plausible values until stopped", async () => {
  const registry = new MeterRegistry();
  const clock = new FakeClock();
  const running = addProcessMetrics(registry, clock);
  await clock.advance(2500);
  const values = read(registry);
  expect(values.get("otelcol_process_uptime")).toBe(2.5);
  expect(values.get("otelcol_process_cpu_seconds")).toBeGreaterThan(0);
  const rss = values.get("otelcol_process_memory_rss")!;
  expect(rss).toBeGreaterThan(10 * 2 ** 20);
  expect(values.get("otelcol_process_runtime_heap_alloc_bytes")).toBeLessThan(rss);
  expect(values.get("otelcol_process_runtime_total_sys_memory_bytes")).toBeGreaterThan(2 ** 20);
  expect(values.get("rmt_event_loop_delay_seconds")).toBeGreaterThanOrEqual(0);
  running.stop();
  expect(read(registry).size).toBe(0);
});

test("the total of allocated bytes never goes back, although the heap does", async () => {
  const registry = new MeterRegistry();
  const clock = new FakeClock();
  const running = addProcessMetrics(registry, clock);
  let previous = 0;
  for (let i = 0; i < 20; i++) {
    await clock.advance(200);
    const total = read(registry).get("otelcol_process_runtime_total_alloc_bytes")!;
    expect(total).toBeGreaterThanOrEqual(previous);
    previous = total;
  }
  running.stop();
});
