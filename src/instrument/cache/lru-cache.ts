/** lru-cache 11, and older ones that expose the same. */
import { EntrySizes } from "./entry-sizes.ts";
import {
  type Internals,
  type LookupOptions,
  type LruCache,
  LruLookup,
  oldValueOf,
} from "./lru-lookup.ts";
import type { CacheRecorder } from "./recorder.ts";
import { intercept, type Method, replaceMethods, type Wrappers } from "./replace-methods.ts";
import type { CacheOptions, CacheResult, EvictionReason, Storage } from "./types.ts";

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
  replaceMethods(internals.keyMap, watch.keyWrappers());
}

/** The method under way. */
interface Context {
  /** Why entries leave; undefined: nothing is under way, or the fast path of get. */
  reason: EvictionReason | undefined;
  /** The key that memo() looks up: it leaves only when it is too old. */
  memoKey: unknown;
}

/** No key of any cache. */
const none = Symbol("none");

/**
 * Entries leave an LRU cache in many ways: room is made, a lookup finds them too old, a timer removes them, a fetch
 * fails. All of them pass through its map of keys, so that is where they are counted; why, the method tells that is
 * under way.
 */
class LruWatch {
  readonly #cache: LruCache;
  readonly #internals: Internals;
  readonly #lookup: LruLookup;
  readonly #recorder: CacheRecorder;
  readonly #sizes: EntrySizes | undefined;
  readonly #context: Context = { reason: undefined, memoKey: none };

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
    this.#weighAll();
  }

  storage(): Partial<Storage> {
    const { size, calculatedSize, maxSize, maxEntrySize } = this.#cache;
    if (this.#sizes !== undefined) return { entries: size, bytes: this.#sizes.bytes };
    const bytes = maxEntrySize > 0 ? calculatedSize : undefined;
    return { entries: size, bytes, limitBytes: maxSize > 0 ? maxSize : undefined };
  }

  wrappers(): Wrappers {
    const explicitly = (method: Method) => this.#during("explicit", method);
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
      purgeStale: (purge) => this.#during("ttl", purge),
    };
  }

  keyWrappers(): Wrappers {
    const leaves = (key: unknown) => this.#leaves(key);
    const { keyMap } = this.#internals;
    return {
      // With its parameter named, as in #getter.
      delete: (remove) =>
        function (this: unknown, key: unknown): unknown {
          leaves(key);
          return remove.call(this, key);
        },
      clear: (clear) =>
        function (this: unknown): unknown {
          for (const key of keyMap.keys()) leaves(key);
          return clear.call(this);
        },
    };
  }

  #leaves(key: unknown): void {
    const { keyMap, valList, isBackgroundFetch } = this.#internals;
    const index = keyMap.get(key);
    if (index === undefined) return;
    this.#sizes?.forget(key);
    const value = valList[index];
    // A load that failed, and nothing was there before.
    if (isBackgroundFetch(value) && oldValueOf(value) === undefined) return;
    const { reason, memoKey } = this.#context;
    if (key === memoKey) this.#recorder.evicted(1, "ttl");
    else this.#recorder.evicted(1, reason ?? this.#reasonOf(index, value));
  }

  /** Of what leaves while no method is under way. */
  #reasonOf(index: number, value: unknown): EvictionReason {
    const { isBackgroundFetch, isStale } = this.#internals;
    // Only where room is made its place is empty already.
    if (value === undefined) return "capacity";
    if (isStale(index)) return "ttl";
    // A refresh that the application forced, and that failed.
    return isBackgroundFetch(value) ? "explicit" : "capacity";
  }

  #during(reason: EvictionReason, method: Method): Method {
    return intercept((cache, args) => this.#within(reason, method, cache, args));
  }

  #within(
    reason: EvictionReason,
    method: Method,
    cache: unknown,
    args: readonly unknown[],
    memoKey: unknown = none,
  ): unknown {
    const context = this.#context;
    const { reason: outerReason, memoKey: outerKey } = context;
    context.reason = reason;
    context.memoKey = memoKey;
    try {
      return Reflect.apply(method, cache, args);
    } finally {
      context.reason = outerReason;
      context.memoKey = outerKey;
    }
  }

  /**
   * The common case, a lookup that serves nothing old, costs 1 to 2 ns more than unwrapped: so its parameters are
   * named (a rest parameter costs 8), and what was found shows in the value alone.
   */
  #getter(get: Method): Method {
    const cache = this.#cache;
    const context = this.#context;
    const recorder = this.#recorder;
    const { requests } = recorder.counts;
    const getCarefully = (receiver: unknown, key: unknown, options: unknown) =>
      this.#getCarefully(get, receiver, key, options);
    return function (this: unknown, key: unknown, options?: unknown): unknown {
      if (options !== undefined || cache.allowStale || context.reason !== undefined) {
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
    const value = this.#within("ttl", get, cache, [key, options]);
    if (value === undefined) this.#recorder.missed(key);
    else this.#recorder.counts.requests[wasStale ? "stale" : "hit"]++;
    return value;
  }

  #setter(set: Method): Method {
    const context = this.#context;
    const recorder = this.#recorder;
    const weigh = this.#sizes === undefined ? undefined : (key: unknown) => this.#weigh(key);
    // As #within does, spelled out with named parameters for the same reason as in #getter.
    return function (this: unknown, key: unknown, value: unknown, options?: unknown): unknown {
      const { reason, memoKey } = context;
      context.reason = "capacity";
      context.memoKey = none;
      let result: unknown;
      try {
        result = set.call(this, key, value, options);
      } finally {
        context.reason = reason;
        context.memoKey = memoKey;
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
      const value = this.#within("capacity", memo, cache, args, key);
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
      const promise = this.#within("capacity", fetch, cache, args);
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
    return this.#within("ttl", fetch, cache, args);
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
