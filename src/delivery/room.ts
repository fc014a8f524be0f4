/**
 * The capacity of a sending queue, in units of its sizer, and the callers that wait for room
 * (block_on_overflow): first come, first served, so nobody is overtaken.
 */
import type { Clock } from "../clock.ts";
import type { TelemetryError } from "../errors.ts";
import { Fifo } from "./fifo.ts";

interface Waiting {
  readonly size: number;
  /** With an error: refused. */
  end(error?: TelemetryError): void;
}

export class Room {
  readonly capacity: number;
  readonly #clock: Clock;
  readonly #waiting = new Fifo<Waiting>();
  #used = 0;

  constructor(capacity: number, clock: Clock) {
    this.capacity = capacity;
    this.#clock = clock;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether that much could be taken now, without overtaking anybody. */
  fits(size: number): boolean {
    return this.#waiting.length === 0 && this.#used + size <= this.capacity;
  }

  take(size: number): void {
    this.#used += size;
  }

  /** Gives room back, and lets in who waits for it. */
  give(size: number): void {
    this.#used -= size;
    this.#letIn();
  }

  /**
   * Waits for room until `deadlineMs` (monotonic; undefined: without limit). `end` takes the room itself, or
   * gets the error.
   */
  wait(
    size: number,
    deadlineMs: number | undefined,
    late: TelemetryError,
    end: Waiting["end"],
  ): void {
    const timer =
      deadlineMs === undefined
        ? undefined
        : this.#clock.after(deadlineMs - this.#clock.monotonicMs(), () => {
            this.#waiting.remove(waiting);
            end(late);
            // It may have been the large one at the head that kept smaller ones out.
            this.#letIn();
          });
    const waiting: Waiting = {
      size,
      end: (error) => {
        timer?.cancel();
        end(error);
      },
    };
    this.#waiting.push(waiting);
  }

  refuseWaiting(error: TelemetryError): void {
    for (const waiting of this.#waiting.drain()) waiting.end(error);
  }

  #letIn(): void {
    for (;;) {
      const first = this.#waiting.peek();
      if (first === undefined || this.#used + first.size > this.capacity) return;
      this.#waiting.shift();
      first.end();
    }
  }
}
