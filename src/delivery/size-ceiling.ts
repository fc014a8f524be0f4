/**
 * How many bytes a destination takes at once, learnt from what it refused as too large.
 *
 * - A refusal of n bytes lowers the ceiling to n / 2 or, where that is more, to the largest payload it took
 *   that is smaller than n. "Just under n" would be refused again and again until it crept down to the real limit.
 * - What it takes all the same (a single item is never cut) raises the ceiling to that.
 * - After 10 min without a refusal the ceiling rises by a quarter: a limit that was raised at the destination is
 *   found, and one that was not costs one refused attempt in that time.
 */
const probeAfterMs = 600_000;
const probeFactor = 1.25;

export class SizeCeiling {
  #bytes = Number.POSITIVE_INFINITY;
  #largestTaken = 0;
  #changedMs = 0;

  /** Larger payloads are cut before they are sent. */
  bytes(nowMs: number): number {
    if (this.#bytes !== Number.POSITIVE_INFINITY && nowMs - this.#changedMs >= probeAfterMs) {
      this.#bytes *= probeFactor;
      this.#changedMs = nowMs;
    }
    return this.#bytes;
  }

  taken(bytes: number): void {
    if (bytes > this.#largestTaken) this.#largestTaken = bytes;
    if (bytes > this.#bytes) this.#bytes = bytes;
  }

  refused(bytes: number, nowMs: number): void {
    // It took as much before: its limit was lowered, and what is known of it is void.
    if (this.#largestTaken >= bytes) this.#largestTaken = 0;
    const next = Math.max(this.#largestTaken, Math.floor(bytes / 2));
    this.#bytes = Math.min(this.#bytes, next);
    this.#changedMs = nowMs;
  }
}
