import type { Budget } from "../../src/component.ts";

/** State takes at most this, whatever the memory budget is: the rest is for payloads. */
const maxBytes = 256 * 1024 * 1024;
/** What overflow groups may take beyond, so that a full state can still merge. */
const overflowShare = 1 / 16;

/** The memory of sketches and baselines, as a part of the service's memory budget. */
export class StateMemory {
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

  /** Something did not fit, and nothing was given back since: nothing may grow. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** False: there is no room for it. */
  tryTake(bytes: number, isOverflow = false): boolean {
    const limit = isOverflow ? this.#limitBytes * (1 + overflowShare) : this.#limitBytes;
    if (this.#heldBytes + bytes > limit || !this.#budget.tryReserve(bytes)) {
      this.#isFull = true;
      return false;
    }
    this.#heldBytes += bytes;
    return true;
  }

  /** Books a change of size that has happened; of a few kilobytes at most. */
  change(bytes: number): void {
    if (bytes > 0) this.#budget.reserve(bytes);
    else this.#budget.release(-bytes);
    this.#heldBytes += bytes;
    if (this.#heldBytes > this.#limitBytes) this.#isFull = true;
    else if (bytes < 0) this.#isFull = false;
    else if (this.#budget.usedBytes > this.#budget.limitBytes) this.#isFull = true;
  }

  giveAll(): void {
    this.change(-this.#heldBytes);
  }
}
