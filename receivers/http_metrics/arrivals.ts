/** The times of flushes: each begins where the last accepted one ended, and none has the time of another. */
import type { Clock } from "../../src/clock.ts";
import { type FlushTimes, flushTimes } from "./custom-point.ts";

export interface Arrival {
  readonly times: FlushTimes;
  /** Nobody took it: what comes next begins where it began, unless that is on its way already. */
  refuse(): void;
}

export class Arrivals {
  readonly #clock: Clock;
  #startNs: bigint;
  #lastNs: bigint;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startNs = nanoseconds(clock.now());
    this.#lastNs = this.#startNs;
  }

  next(): Arrival {
    const nowNs = nanoseconds(this.#clock.now());
    const startNs = this.#startNs;
    const timeNs = nowNs > this.#lastNs ? nowNs : this.#lastNs + 1n;
    this.#lastNs = timeNs;
    this.#startNs = timeNs;
    return {
      times: flushTimes(startNs, timeNs),
      refuse: () => {
        if (this.#startNs === timeNs) this.#startNs = startNs;
      },
    };
  }
}

const nanoseconds = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n;
