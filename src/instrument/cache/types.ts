export interface CacheOptions {
  /** What the cache is called in the metrics: a name that the application chose, for each cache its own. */
  name: string;
  /** What the cache may hold at most; sent as it is. Default: what the cache itself says (lru-cache with maxSize). */
  limitBytes?: number;
  /** The bytes of an entry, asked when it is stored. Not for clients of Redis. */
  sizeOf?: (value: unknown, key: unknown) => number;
}

/** For a cache that nothing else here knows: the application says what happens. */
export interface CacheMeter {
  /** The time that the lookup took may be given, in seconds. */
  hit: (seconds?: number) => void;
  miss: (seconds?: number) => void;
  /** Served although its time was over. */
  stale: (seconds?: number) => void;
  /** The time from a miss until the value was stored, in seconds. */
  load: (seconds: number) => void;
  evict: (entries: number, reason: EvictionReason) => void;
  /** What the cache holds now. */
  usage: (bytes: number, entries: number) => void;
}

export type CacheResult = "hit" | "miss" | "stale" | "bypass";
export type EvictionReason = "capacity" | "ttl" | "explicit";

/** What a cache holds now; undefined: it does not say. */
export interface Storage {
  readonly entries: number | undefined;
  readonly bytes: number | undefined;
  readonly limitBytes: number | undefined;
}
