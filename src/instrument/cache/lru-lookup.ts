import type { CacheResult } from "./types.ts";

export interface LruCache {
  readonly size: number;
  readonly maxSize: number;
  readonly maxEntrySize: number;
  readonly calculatedSize: number;
  readonly allowStale: boolean;
  readonly fetchMethod: unknown;
  readonly memoMethod: unknown;
}

/** What LRUCache.unsafeExposeInternals gives; these parts are the same in all versions since 7. */
export interface Internals {
  /** From keys to places in the list of values. */
  readonly keyMap: Map<unknown, number>;
  readonly valList: readonly unknown[];
  readonly isBackgroundFetch: (value: unknown) => boolean;
  readonly isStale: (index: number) => boolean;
}

export interface LookupOptions {
  readonly allowStale?: boolean;
  readonly forceRefresh?: boolean;
}

/** What the cache has under a key before it is asked: of a fetch under way, what was there before. */
export interface Found {
  readonly value: "fresh" | "stale" | "absent";
  readonly isLoading: boolean;
}

/** Foretells what a lookup will find: it depends on options, and some of them remove what they find. */
export class LruLookup {
  readonly #cache: LruCache;
  readonly #internals: Internals;

  constructor(cache: LruCache, internals: Internals) {
    this.#cache = cache;
    this.#internals = internals;
  }

  fetchOf(key: unknown): Promise<unknown> | undefined {
    const value = this.valueOf(key);
    return this.#internals.isBackgroundFetch(value) ? (value as Promise<unknown>) : undefined;
  }

  resultOfGet(key: unknown, options: LookupOptions | undefined): CacheResult {
    const { value } = this.find(key);
    if (value === "fresh") return "hit";
    return value === "stale" && this.#allowsStale(options) ? "stale" : "miss";
  }

  /** fetch() loads what is old, and returns the old value meanwhile where that is allowed. */
  resultOfFetch({ value, isLoading }: Found, options: LookupOptions | undefined): CacheResult {
    const isServed = value !== "absent" && this.#allowsStale(options);
    if (isServed) return value === "fresh" ? "hit" : "stale";
    if (options?.forceRefresh === true) return "bypass";
    return value === "fresh" && !isLoading ? "hit" : "miss";
  }

  #allowsStale(options: LookupOptions | undefined): boolean {
    return options?.allowStale ?? this.#cache.allowStale;
  }

  find(key: unknown): Found {
    const { keyMap, valList, isBackgroundFetch, isStale } = this.#internals;
    const index = keyMap.get(key);
    if (index === undefined) return { value: "absent", isLoading: false };
    const stored = valList[index];
    const isLoading = isBackgroundFetch(stored);
    const isNew = isLoading && oldValueOf(stored) === undefined;
    if (isNew) return { value: "absent", isLoading };
    return { value: isStale(index) ? "stale" : "fresh", isLoading };
  }

  valueOf(key: unknown): unknown {
    const index = this.#internals.keyMap.get(key);
    return index === undefined ? undefined : this.#internals.valList[index];
  }
}

/** What was there before the fetch that is under way. */
export const oldValueOf = (fetching: unknown): unknown =>
  (fetching as { readonly ["__staleWhileFetching"]?: unknown })["__staleWhileFetching"];
