import { defineProcessor, type Settings } from "../../src/component.ts";
import { totalMemoryBytes } from "../../src/memory.ts";
import { config, type MemoryLimiterConfig } from "./config.ts";
import { limitsOf } from "./limits.ts";
import { MemoryLimiter } from "./memory-limiter.ts";
import { MemoryWatch } from "./memory-watch.ts";

/** Heap and external memory, which includes all buffers. */
function v8UsageBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** One watch for all pipelines of one configured processor, as in the Collector: they would all collect. */
const watches = new WeakMap<MemoryLimiterConfig, MemoryWatch>();

function watchOf(parsed: MemoryLimiterConfig, settings: Settings): MemoryWatch {
  const existing = watches.get(parsed);
  if (existing !== undefined) return existing;
  const limits = limitsOf(parsed, totalMemoryBytes());
  const { log, clock, budget } = settings;
  log.info("Memory limiter configured", {
    limit_mib: Math.round(limits.hardBytes / 2 ** 20),
    spike_limit_mib: Math.round((limits.hardBytes - limits.softBytes) / 2 ** 20),
    check_interval: `${parsed.check_interval! / 1000}s`,
  });
  const collect = globalThis.gc === undefined ? undefined : () => globalThis.gc!();
  const watch = new MemoryWatch({
    config: parsed,
    limits,
    clock,
    log,
    budget,
    readUsage: v8UsageBytes,
    collect,
  });
  watches.set(parsed, watch);
  return watch;
}

export const factory = defineProcessor({
  type: "memory_limiter",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  state: "perProcess",
  summary: "Refuses data, retryably, before the process runs out of memory.",
  config,
  example: { check_interval: "1s", limit_mib: 4000 },
  create: ({ config: parsed, signal, settings }) => {
    const watch = watchOf(parsed, settings);
    return { stage: (next) => new MemoryLimiter({ watch, signal, settings, next }) };
  },
});
