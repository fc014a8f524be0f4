/** lru-cache 11, and older ones that expose the same. */
import { intercept, type Method, replaceMethods, type Wrappers } from "../replace-methods.ts";
import { EntrySizes } from "./entry-sizes.ts";
import { LruEvictions, noKey } from "./lru-evictions.ts";
import {
  type Internals,
  type LookupOptions,
  type LruCache,
  LruLookup,
  oldValueOf,
} from "./lru-lookup.ts";
import type { CacheRecorder } from "./recorder.ts";
import type { CacheOptions, CacheResult, Storage } from "./types.ts";

export function isLruCache(cache: object): boolean {
  return (
    ["get", "set", "peek", "delete", "purgeStale"].every(
      (name) => typeof Reflect.get(cache, name) === "function",
    ) && typeof exposeOf(cache) === "function"
  );
}

const exposeOf = (cache: object): unknown =>
  (cache.constructor as { unsafeExposeInternals?: unknown }).unsafeExposeInternals;

export function watchLruCache(
  cache: object,
  recorder: CacheRecorder,
  { sizeOf }: { readonly sizeOf: CacheOptions["sizeOf"] },
): void {
  const expose = exposeOf(cache) as (of: object) => Internals;
  const internals = expose.call(cache.constructor, cache);
  const watch = new LruWatch(cache as LruCache, internals, recorder, sizeOf);
  recorder.reasons = ["capacity", "ttl", "explicit"];
  recorder.storage = () => watch.storage();
  replaceMethods(cache, watch.wrappers());
  replaceMethods(internals.keyMap, watch.evictions.keyWrappers());
}

class LruWatch {
  readonly evictions: LruEvictions;
  readonly #cache: LruCache;
  readonly #internals: Internals;
  readonly #lookup: LruLookup;
  readonly #recorder: CacheRecorder;
  readonly #sizes: EntrySizes | undefined;

  constructor(
    cache: LruCache,
    internals: Internals,
    recorder: CacheRecorder,
    sizeOf: CacheOptions["sizeOf"],
  ) {
    this.#cache = cache;
    this.#internals = internals;
    this.#lookup = new LruLookup(cache, internals);
    this.#recorder = recorder;
    this.#sizes = sizeOf === undefined ? undefined : new EntrySizes(sizeOf, recorder);
    this.evictions = new LruEvictions(internals, recorder, (key) => this.#sizes?.forget(key));
    this.#weighAll();
  }

  storage(): Partial<Storage> {
    const { size, calculatedSize, maxSize, maxEntrySize } = this.#cache;
    if (this.#sizes !== undefined) return { entries: size, bytes: this.#sizes.bytes };
    const bytes = maxEntrySize > 0 ? calculatedSize : undefined;
    return { entries: size, bytes, limitBytes: maxSize > 0 ? maxSize : undefined };
  }

  wrappers(): Wrappers {
    const explicitly = (method: Method) => this.evictions.during("explicit", method);
    return {
      get: (get) => this.#getter(get),
      set: (set) => this.#setter(set),
      memo: (memo) => this.#memoizer(memo),
      fetch: (fetch) => this.#fetcher(fetch),
      forceFetch: (fetch) => this.#fetcher(fetch),
      delete: explicitly,
      clear: explicitly,
      pop: explicitly,
      load: (load) => this.#loader(explicitly(load)),
      purgeStale: (purge) => this.evictions.during("ttl", purge),
    };
  }

  /**
   * The common case, a lookup that serves nothing old, costs 1 to 2 ns more than unwrapped: so its parameters are
   * named (a rest parameter costs 8), and what was found shows in the value alone.
   */
  #getter(get: Method): Method {
    const cache = this.#cache;
    const { evictions } = this;
    const recorder = this.#recorder;
    const { requests } = recorder.counts;
    const getCarefully = (receiver: unknown, key: unknown, options: unknown) =>
      this.#getCarefully(get, receiver, key, options);
    return function (this: unknown, key: unknown, options?: unknown): unknown {
      if (options !== undefined || cache.allowStale || evictions.reason !== undefined) {
        return getCarefully(this, key, options);
      }
      const value = get.call(this, key);
      if (value === undefined) recorder.missed(key);
      else requests.hit++;
      return value;
    };
  }

  #getCarefully(get: Method, cache: unknown, key: unknown, options: unknown): unknown {
    const { keyMap, isStale } = this.#internals;
    const index = keyMap.get(key);
    const wasStale = index !== undefined && isStale(index);
    const value = this.evictions.within("ttl", get, cache, [key, options]);
    if (value === undefined) this.#recorder.missed(key);
    else this.#recorder.counts.requests[wasStale ? "stale" : "hit"]++;
    return value;
  }

  #setter(set: Method): Method {
    const { evictions } = this;
    const recorder = this.#recorder;
    const weigh = this.#sizes === undefined ? undefined : (key: unknown) => this.#weigh(key);
    // As within() does, spelled out with named parameters for the same reason as in #getter.
    return function (this: unknown, key: unknown, value: unknown, options?: unknown): unknown {
      const { reason, memoKey } = evictions;
      evictions.reason = "capacity";
      evictions.memoKey = noKey;
      let result: unknown;
      try {
        result = set.call(this, key, value, options);
      } finally {
        evictions.reason = reason;
        evictions.memoKey = memoKey;
      }
      if (value !== undefined) recorder.stored(key);
      weigh?.(key);
      return result;
    };
  }

  #loader(load: Method): Method {
    return intercept((cache, args) => {
      const result = Reflect.apply(load, cache, args);
      this.#weighAll();
      return result;
    });
  }

  #memoizer(memo: Method): Method {
    return intercept((cache, args) => {
      if (this.#cache.memoMethod === undefined) return Reflect.apply(memo, cache, args);
      const [key, options] = args as [unknown, LookupOptions?];
      const isForced = options?.forceRefresh === true;
      const result = isForced ? "bypass" : this.#lookup.resultOfGet(key, options);
      this.#recorder.counts.requests[result]++;
      const startMs = performance.now();
      const value = this.evictions.within("capacity", memo, cache, args, key);
      const seconds = (performance.now() - startMs) / 1000;
      this.#recorder.took(result, seconds);
      if (result === "miss" || result === "bypass") this.#recorder.loaded(seconds);
      this.#weigh(key);
      return value;
    });
  }

  #fetcher(fetch: Method): Method {
    return intercept((cache, args) => {
      const [key, options] = args as [unknown, LookupOptions?];
      const canLoad = this.#cache.fetchMethod !== undefined;
      if (!canLoad) return this.#fetchWithoutMethod(fetch, cache, args);
      const found = this.#lookup.find(key);
      const result = this.#lookup.resultOfFetch(found, options);
      this.#recorder.counts.requests[result]++;
      const startMs = performance.now();
      const promise = this.evictions.within("capacity", fetch, cache, args);
      this.#follow(key, result, found.isLoading, startMs);
      return promise;
    });
  }

  /** It is get() then, in a promise. */
  #fetchWithoutMethod(fetch: Method, cache: unknown, args: readonly unknown[]): unknown {
    const [key, options] = args as [unknown, LookupOptions?];
    const result = this.#lookup.resultOfGet(key, options);
    if (result === "miss") this.#recorder.missed(key);
    else this.#recorder.counts.requests[result]++;
    return this.evictions.within("ttl", fetch, cache, args);
  }

  /**
   * Measures until the fetch under way has ended. Its promise is the cache's own, not the one the application has:
   * so a rejection that the application does not handle is still reported as such.
   */
  #follow(key: unknown, result: CacheResult, isJoined: boolean, startMs: number): void {
    const secondsNow = () => (performance.now() - startMs) / 1000;
    const isWaiting = result === "miss" || result === "bypass";
    const fetching = this.#lookup.fetchOf(key);
    if (!isWaiting) this.#recorder.took(result, secondsNow());
    const ended = (value: unknown): void => {
      if (isWaiting) this.#recorder.took(result, secondsNow());
      if (!isJoined && value !== undefined) this.#recorder.loaded(secondsNow());
      this.#weigh(key);
    };
    fetching?.then(ended, () => this.#weigh(key));
  }

  #weighAll(): void {
    if (this.#sizes === undefined) return;
    for (const key of this.#internals.keyMap.keys()) this.#weigh(key);
  }

  /** Says anew what the entry takes; one that left was forgotten as it went. */
  #weigh(key: unknown): void {
    if (this.#sizes === undefined) return;
    const stored = this.#lookup.valueOf(key);
    const value = this.#internals.isBackgroundFetch(stored) ? oldValueOf(stored) : stored;
    if (value !== undefined) this.#sizes.weigh(key, value);
  }
}
