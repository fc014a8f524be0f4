/**
 * zap's sampler: of equal lines (level and message) the first `initial` of each tick pass, then every
 * `thereafter`-th. Counters are slots of a hash table, so memory is fixed; two messages that share a slot are
 * counted together, as in zap.
 */
import type { LogLevel } from "../log.ts";
import type { LogSampling } from "./config.ts";

const slots = 4096;
const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export class LogSampler {
  readonly #config: LogSampling;
  readonly #counts = new Uint32Array(slots * levels.length);
  readonly #resetMs = new Float64Array(slots * levels.length);

  constructor(config: LogSampling) {
    this.#config = config;
  }

  passes(level: LogLevel, message: string, nowMs: number): boolean {
    const { enabled, tick, initial, thereafter } = this.#config;
    if (!enabled) return true;
    const n = this.#count(levels.indexOf(level) * slots + (fnv32(message) % slots), nowMs, tick);
    if (n <= initial) return true;
    return thereafter > 0 && (n - initial) % thereafter === 0;
  }

  #count(slot: number, nowMs: number, tickMs: number): number {
    let n = 1;
    if (this.#resetMs[slot]! > nowMs) n = this.#counts[slot]! + 1;
    else this.#resetMs[slot] = nowMs + tickMs;
    this.#counts[slot] = n;
    return n;
  }
}

function fnv32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
