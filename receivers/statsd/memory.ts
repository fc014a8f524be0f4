import type { Budget } from "../../src/component.ts";

/** Aggregates take at most this, whatever the memory budget is: the rest is for payloads. */
const maxBytes = 256 * 1024 * 1024;

/** The memory of the aggregates, as a part of the service's memory budget. */
export class AggregateMemory {
  readonly #budget: Budget;
  readonly #limitBytes: number;
  #heldBytes = 0;
  #isFull = false;

  constructor(budget: Budget, limitBytes = maxBytes) {
    this.#budget = budget;
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Something did not fit, and nothing was given back since: what grows by itself must not. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** False: there is no room for it. */
  tryTake(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#limitBytes || !this.#budget.tryReserve(bytes)) {
      this.#isFull = true;
      return false;
    }
    this.#heldBytes += bytes;
    return true;
  }

  /** For what has grown already. */
  take(bytes: number): void {
    this.#budget.reserve(bytes);
    this.#heldBytes += bytes;
    const { usedBytes, limitBytes } = this.#budget;
    if (this.#heldBytes > this.#limitBytes || usedBytes > limitBytes) this.#isFull = true;
  }

  give(bytes: number): void {
    this.#budget.release(bytes);
    this.#heldBytes -= bytes;
    if (bytes > 0) this.#isFull = false;
  }
}
