/** At most so many within any second. */
export class WindowLimit {
  readonly limit: number;
  allowed = 0;
  limited = 0;
  /** When those of the last second came; at most `limit`. */
  #timesMs: number[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  take(nowMs: number): boolean {
    const firstValid = this.#timesMs.findIndex((timeMs) => timeMs > nowMs - 1000);
    this.#timesMs = firstValid < 0 ? [] : this.#timesMs.slice(firstValid);
    if (this.#timesMs.length >= this.limit) {
      this.limited++;
      return false;
    }
    this.#timesMs.push(nowMs);
    this.allowed++;
    return true;
  }

  /** Within the last second. */
  get used(): number {
    return this.#timesMs.length;
  }
}
