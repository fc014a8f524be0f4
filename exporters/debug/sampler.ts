/**
 * The log sampler of zap: of lines with the same text, in each second the first `initial` pass and then every
 * `thereafter`th (0: none). Texts share a fixed number of counters, so memory is bounded.
 */
import type { Clock } from "../../src/clock.ts";

const tickMs = 1000;
const counterCount = 4096;

export class Sampler {
  readonly #initial: number;
  readonly #thereafter: number;
  readonly #clock: Clock;
  readonly #counts = new Uint32Array(counterCount);
  readonly #resetAtMs = new Float64Array(counterCount);

  constructor(initial: number, thereafter: number, clock: Clock) {
    this.#initial = initial;
    this.#thereafter = thereafter;
    this.#clock = clock;
  }

  /** Whether this line is to be written. */
  passes(text: string): boolean {
    const slot = hashOf(text) % counterCount;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#resetAtMs[slot]!) {
      this.#resetAtMs[slot] = nowMs + tickMs;
      this.#counts[slot] = 0;
    }
    this.#counts[slot]!++;
    const count = this.#counts[slot]!;
    if (count <= this.#initial) return true;
    return this.#thereafter > 0 && (count - this.#initial) % this.#thereafter === 0;
  }
}

/** FNV-1a over at most the first 1,000 characters: detailed texts are long, and differ early or not at all. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  const end = Math.min(text.length, 1000);
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
