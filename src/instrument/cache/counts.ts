import type { CacheResult, EvictionReason } from "./types.ts";

/**
 * What one cache did, since its start. Plain numbers that a collection reads: a hit costs one increment, less than a
 * bound counter.
 */
export class CacheCounts {
  readonly requests: Record<CacheResult, number> = { hit: 0, miss: 0, stale: 0, bypass: 0 };
  readonly evictions: Record<EvictionReason, number> = { capacity: 0, ttl: 0, explicit: 0 };
  savedSeconds = 0;
  #pricedHits = 0;
  readonly #loads = new Mean();
  readonly #hits = new Mean();

  /** The time from a miss until its value was stored. */
  loaded(seconds: number): void {
    this.#loads.add(seconds);
  }

  hitTook(seconds: number): void {
    this.#hits.add(seconds);
  }

  /**
   * Prices the hits since the last call, at the means of now: so the total never falls, and a mean that moves changes
   * nothing that was said. Hits that come before the first load wait for it.
   */
  priceHits(): void {
    if (this.#loads.count === 0) return;
    const saved = Math.max(0, this.#loads.value - this.#hits.value);
    this.savedSeconds += (this.requests.hit - this.#pricedHits) * saved;
    this.#pricedHits = this.requests.hit;
  }

  /** Takes over what a cache did that is gone. */
  addTotals(other: CacheCounts): void {
    other.priceHits();
    for (const result of resultNames) this.requests[result] += other.requests[result];
    for (const reason of reasonNames) this.evictions[reason] += other.evictions[reason];
    this.savedSeconds += other.savedSeconds;
  }
}

export const resultNames = ["hit", "miss", "stale", "bypass"] as const;
export const reasonNames = ["capacity", "ttl", "explicit"] as const;

/** Of nothing it is 0: reading a cache in memory takes a few nanoseconds, which are not measured. */
class Mean {
  count = 0;
  #sum = 0;

  add(value: number): void {
    this.count++;
    this.#sum += value;
  }

  get value(): number {
    return this.count === 0 ? 0 : this.#sum / this.count;
  }
}
