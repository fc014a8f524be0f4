/** A token bucket for each identity. */
import type { Clock } from "../../src/clock.ts";

interface Bucket {
  tokens: number;
  atMs: number;
}

/** The least recently seen ones are forgotten: with a full bucket, as they come. */
const maxIdentities = 10_000;

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** The least recently seen first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst > 0 ? burst : Math.max(1, Math.ceil(perSecond));
  }

  /** Milliseconds until the next request may come; 0: this one may. */
  take(identity: string): number {
    if (this.#perSecond === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(identity) ?? { tokens: this.#burst, atMs: nowMs };
    const earned = ((nowMs - bucket.atMs) / 1000) * this.#perSecond;
    bucket.tokens = Math.min(this.#burst, bucket.tokens + earned);
    bucket.atMs = nowMs;
    this.#keep(identity, bucket);
    if (bucket.tokens < 1) return ((1 - bucket.tokens) / this.#perSecond) * 1000;
    bucket.tokens--;
    return 0;
  }

  #keep(identity: string, bucket: Bucket): void {
    this.#buckets.delete(identity);
    this.#buckets.set(identity, bucket);
    if (this.#buckets.size <= maxIdentities) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      break;
    }
  }
}
