import type { Clock, Timer } from "../../src/clock.ts";

/** The end of a slot was reached: its number, which is its end in steps since 1970. */
export type OnClose = (slot: number) => void;

/**
 * Cuts time into slots that end at multiples of a step since 1970. Timers are monotonic, so that a clock that jumps
 * neither shortens nor freezes a slot; slot numbers only grow. After a jump ahead slots are left out; after one back
 * they go on from where they were, in steps of real time, until the clock has caught up.
 *
 *     slot n = [(n - 1) step, n step)
 */
export class WindowClock {
  readonly #clock: Clock;
  readonly #stepMs: number;
  readonly #onClose: OnClose;
  #slot = 0;
  #dueMs = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(clock: Clock, stepMs: number, onClose: OnClose) {
    this.#clock = clock;
    this.#stepMs = stepMs;
    this.#onClose = onClose;
    this.#begin(this.#slotNow());
  }

  /** The slot that is open. Timers may be late: closes it first if its time has come. */
  get open(): number {
    if (!this.#isStopped && this.#clock.monotonicMs() >= this.#dueMs) this.#turn();
    return this.#slot;
  }

  start(): void {
    if (!this.#isStopped) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #slotNow(): number {
    return Math.floor(this.#clock.now() / this.#stepMs) + 1;
  }

  #begin(slot: number): void {
    this.#slot = slot;
    const leftMs = slot * this.#stepMs - this.#clock.now();
    this.#dueMs = this.#clock.monotonicMs() + (leftMs > 2 * this.#stepMs ? this.#stepMs : leftMs);
  }

  #turn(): void {
    const closed = this.#slot;
    this.#begin(Math.max(closed + 1, this.#slotNow()));
    this.#arm();
    this.#onClose(closed);
  }

  #arm(): void {
    this.#timer?.cancel();
    const delayMs = Math.max(this.#dueMs - this.#clock.monotonicMs(), 0);
    // Timers may fire early, and not all clocks take any delay.
    this.#timer = this.#clock.after(Math.ceil(delayMs), () => {
      if (this.#clock.monotonicMs() >= this.#dueMs) this.#turn();
      else this.#arm();
    });
  }
}
