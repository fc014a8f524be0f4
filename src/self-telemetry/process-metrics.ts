/**
 * The process's own metrics under the Collector's names. What Go's runtime counts and V8 does not is mapped to
 * the nearest figure, as the help texts in the catalogue say.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock } from "../clock.ts";
import type { MeterRegistry } from "./meter.ts";

/** Costs about 0.1 % of a core; 10 ms would cost 0.4 %. */
const loopResolutionMs = 50;

/** One reading of memoryUsage() serves all gauges of a collection. */
const readingMaxAgeMs = 100;

/** Adds the process metrics to the registry until `stop` is called. */
export function addProcessMetrics(registry: MeterRegistry, clock: Clock): { stop(): void } {
  const meter = registry.meterFor({});
  const startedMs = clock.monotonicMs();
  const memory = memoryReader(clock);
  const loop = loopDelayReader();
  meter.gauge("otelcol_process_uptime", () => (clock.monotonicMs() - startedMs) / 1000);
  meter.gauge("otelcol_process_cpu_seconds", cpuSeconds);
  meter.gauge("otelcol_process_memory_rss", () => memory().rss);
  meter.gauge("otelcol_process_runtime_heap_alloc_bytes", () => memory().heapUsed);
  meter.gauge("otelcol_process_runtime_total_alloc_bytes", totalAllocReader(memory));
  meter.gauge(
    "otelcol_process_runtime_total_sys_memory_bytes",
    () => memory().heapTotal + memory().external,
  );
  meter.gauge("rmt_event_loop_delay_seconds", loop.readSeconds);
  return {
    stop() {
      meter.dispose();
      loop.stop();
    },
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function memoryReader(clock: Clock): () => NodeJS.MemoryUsage {
  let last: NodeJS.MemoryUsage | undefined;
  let readMs = 0;
  return () => {
    const nowMs = clock.monotonicMs();
    if (last === undefined || nowMs - readMs > readingMaxAgeMs) {
      last = process.memoryUsage();
      readMs = nowMs;
    }
    return last;
  };
}

/**
 * V8 keeps no total of allocated bytes. The sum of the growth between readings never goes back and is a lower
 * bound: what was allocated and collected between two readings is not seen.
 */
function totalAllocReader(memory: () => NodeJS.MemoryUsage): () => number {
  let previous = 0;
  let total = 0;
  return () => {
    const { heapUsed } = memory();
    if (heapUsed > previous) total += heapUsed - previous;
    previous = heapUsed;
    return total;
  };
}

/**
 * The monitor measures the distance of its own ticks, so an idle loop shows the resolution: it is subtracted.
 * With several readers of the service's metrics each reading covers the time since the last of any of them.
 */
function loopDelayReader(): { readSeconds: () => number; stop(): void } {
  const monitor = monitorEventLoopDelay({ resolution: loopResolutionMs });
  monitor.enable();
  return {
    readSeconds() {
      const p99Ms = monitor.count === 0 ? 0 : monitor.percentile(99) / 1e6;
      monitor.reset();
      return Math.max(0, p99Ms - loopResolutionMs) / 1000;
    },
    stop: () => void monitor.disable(),
  };
}
