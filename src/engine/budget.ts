import type { Budget } from "../component.ts";

const gibibyte = 2 ** 30;

/** The default of --memory-budget: a quarter of the memory that the process may use, at most 2 GiB. */
export function defaultBudgetBytes(totalMemoryBytes: number): number {
  return Math.min(Math.floor(totalMemoryBytes / 4), 2 * gibibyte);
}

/** One budget for the whole process; see `Budget`. */
export class MemoryBudget implements Budget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  tryReserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  reserve(bytes: number): void {
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
