/** A least-recently-used cache as applications have one: a Map with a bound, whose entries do not live for ever. */
export interface LruOptions<V> {
  readonly capacity: number;
  readonly now: () => number;
  /** Asked for each entry. */
  readonly lifeMs: () => number;
  readonly onRemoved?: (value: V, reason: "capacity" | "ttl") => void;
}

/** Counted by the cache itself, so that the demo can compare with what arrived. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
  readonly evicted: number;
  readonly expired: number;
  readonly entries: number;
}

export class Lru<K, V> extends Map<K, V> {
  readonly #options: LruOptions<V>;
  readonly #endsMs = new Map<K, number>();
  readonly #counts = { hits: 0, misses: 0, evicted: 0, expired: 0 };
  #capacity: number;

  constructor(options: LruOptions<V>) {
    super();
    this.#options = options;
    this.#capacity = options.capacity;
  }

  get counts(): CacheCounts {
    return { ...this.#counts, entries: this.size };
  }

  override get(key: K): V | undefined {
    const value = super.get(key);
    if (value === undefined || this.#hasEnded(key, value)) {
      this.#counts.misses++;
      return undefined;
    }
    this.#counts.hits++;
    this.#putLast(key, value);
    return value;
  }

  override set(key: K, value: V): this {
    const { now, lifeMs, onRemoved } = this.#options;
    this.#putLast(key, value);
    this.#endsMs.set(key, now() + lifeMs());
    for (const [oldestKey, oldest] of this) {
      if (this.size <= this.#capacity) break;
      this.delete(oldestKey);
      this.#counts.evicted++;
      onRemoved?.(oldest, "capacity");
    }
    return this;
  }

  override delete(key: K): boolean {
    this.#endsMs.delete(key);
    return super.delete(key);
  }

  /** What is too much by then goes with the next set(). */
  resize(capacity: number): void {
    this.#capacity = capacity;
  }

  #hasEnded(key: K, value: V): boolean {
    const { now, onRemoved } = this.#options;
    if (this.#endsMs.get(key)! > now()) return false;
    this.delete(key);
    this.#counts.expired++;
    onRemoved?.(value, "ttl");
    return true;
  }

  /** Behind all others: evicted last. */
  #putLast(key: K, value: V): void {
    super.delete(key);
    super.set(key, value);
  }
}
