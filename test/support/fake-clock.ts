import type { Clock, Timer } from "../../src/clock.ts";

interface Pending {
  atMs: number;
  periodMs: number | undefined;
  callback: () => void;
}

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #nowMs: number;
  #pending: Pending[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#schedule(delayMs, undefined, callback);
  }

  every(periodMs: number, callback: () => void): Timer {
    return this.#schedule(periodMs, periodMs, callback);
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Moves time, firing what is due in order, and lets promises settle after each timer. */
  async advance(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = this.#pending.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > until) break;
      this.#nowMs = next.atMs;
      this.#remove(next);
      if (next.periodMs !== undefined) {
        next.atMs += next.periodMs;
        this.#pending.push(next);
      }
      next.callback();
    }
    this.#nowMs = until;
    await settle();
  }

  #schedule(delayMs: number, periodMs: number | undefined, callback: () => void): Timer {
    const entry: Pending = { atMs: this.#nowMs + Math.max(delayMs, 0), periodMs, callback };
    this.#pending.push(entry);
    return { cancel: () => this.#remove(entry) };
  }

  #remove(entry: Pending): void {
    const index = this.#pending.indexOf(entry);
    if (index >= 0) this.#pending.splice(index, 1);
  }
}

/** Lets everything that is already resolved run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
