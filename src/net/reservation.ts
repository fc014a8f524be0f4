import type { Budget } from "../component.ts";
import { TelemetryError } from "../errors.ts";

/** One request's share of the memory budget: grows with what arrives, ends once. */
export class Reservation {
  readonly #budget: Budget;
  #bytes = 0;
  #hasEnded = false;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Nobody waits for the request any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** False: the budget is full, or the reservation has ended; nothing was reserved. */
  tryAdd(bytes: number): boolean {
    if (this.#hasEnded || !this.#budget.tryReserve(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives a part back. */
  shrink(bytes: number): void {
    this.#budget.release(bytes);
    this.#bytes -= bytes;
  }

  /** Ends it: what still works on the request (a decoder) gets nothing more. */
  release(): void {
    this.#hasEnded = true;
    if (this.#bytes === 0) return;
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
  }
}

/** The refusal of new data while there is no room for it. */
export const budgetFull = () =>
  new TelemetryError("BUDGET_FULL", "the memory budget is used up; try again later", {
    retryable: true,
  });
