import { defineProcessor } from "../../src/component.ts";
import { totalMemoryBytes } from "../../src/memory.ts";
import { config } from "./config.ts";
import { limitsOf } from "./limits.ts";
import { MemoryLimiter } from "./memory-limiter.ts";

/** Heap and external memory, which includes all buffers. */
function v8UsageBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export const factory = defineProcessor({
  type: "memory_limiter",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  state: "perProcess",
  summary: "Refuses data, retryably, before the process runs out of memory.",
  config,
  example: { check_interval: "1s", limit_mib: 512 },
  create: ({ config: parsed, signal, settings }) => {
    const limits = limitsOf(parsed, totalMemoryBytes());
    settings.log.info("Memory limiter configured", {
      limit_mib: Math.round(limits.hardBytes / 2 ** 20),
      spike_limit_mib: Math.round((limits.hardBytes - limits.softBytes) / 2 ** 20),
    });
    const collect = globalThis.gc === undefined ? undefined : () => globalThis.gc!();
    return {
      stage: (next) =>
        new MemoryLimiter({
          config: parsed,
          limits,
          signal,
          settings,
          next,
          readUsage: v8UsageBytes,
          collect,
        }),
    };
  },
});
