import type { Clock, Timer } from "../../src/clock.ts";

/** Nobody waits: each timer is noted and fires in the next turn of the loop; time moves by what was waited for. */
export class InstantClock implements Clock {
  readonly waitsMs: number[] = [];
  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    this.waitsMs.push(delayMs);
    const handle = setImmediate(() => {
      this.#nowMs += delayMs;
      callback();
    });
    return { cancel: () => clearImmediate(handle) };
  }

  every(): Timer {
    throw new Error("an instant clock would never rest");
  }
}
