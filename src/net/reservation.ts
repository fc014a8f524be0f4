import type { Budget } from "../component.ts";

/** One request's share of the memory budget: grows with what arrives, ends once. */
export class Reservation {
  readonly #budget: Budget;
  #bytes = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** False: the budget is full, nothing was reserved. */
  tryAdd(bytes: number): boolean {
    if (!this.#budget.tryReserve(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  release(): void {
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
  }
}
