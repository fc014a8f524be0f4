const maxKeys = 1000;
/** Longer keys are not kept: a thousand of them would be too much. */
const maxKeyLength = 1024;
/** What is stored later than this was hardly loaded because of that miss. */
const maxAgeMs = 60_000;

/**
 * Misses that wait for their value, by key: what is stored tells how long its load took. Of several misses of a key
 * the last counts, so that the time is never exaggerated. Bounded: the oldest makes room.
 */
export class PendingMisses {
  /** In the order of time. */
  readonly #missedMs = new Map<unknown, number>();

  add(key: unknown, nowMs: number): void {
    if (typeof key === "string" && key.length > maxKeyLength) return;
    const missed = this.#missedMs;
    // Deleted first, so that it moves to the end.
    if (!missed.delete(key) && missed.size >= maxKeys) {
      for (const oldest of missed.keys()) {
        missed.delete(oldest);
        break;
      }
    }
    missed.set(key, nowMs);
  }

  get isEmpty(): boolean {
    return this.#missedMs.size === 0;
  }

  /** The time since the key's miss in seconds; undefined: none is known. */
  take(key: unknown, nowMs: number): number | undefined {
    const missedMs = this.#missedMs.get(key);
    if (missedMs === undefined) return undefined;
    this.#missedMs.delete(key);
    const ageMs = nowMs - missedMs;
    return ageMs <= maxAgeMs ? ageMs / 1000 : undefined;
  }

  /** Lets go of keys that nobody stored in time. */
  sweep(nowMs: number): void {
    for (const [key, missedMs] of this.#missedMs) {
      if (nowMs - missedMs <= maxAgeMs) return;
      this.#missedMs.delete(key);
    }
  }
}
