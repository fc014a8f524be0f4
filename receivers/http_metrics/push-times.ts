/** The times of pushes and their repetitions, in nanoseconds: none is that of another, or before it. */
import type { Clock } from "../../src/clock.ts";

export class PushTimes {
  readonly #clock: Clock;
  #lastNs = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  next(): bigint {
    const nowNs = BigInt(Math.round(this.#clock.now() * 1000)) * 1000n;
    this.#lastNs = nowNs > this.#lastNs ? nowNs : this.#lastNs + 1n;
    return this.#lastNs;
  }
}
