/** Caches with get, set, has and delete: Map itself, its subclasses, and everything of that shape. */
import { intercept, type Method, replaceMethods, type Wrappers } from "../replace-methods.ts";
import { EntrySizes } from "./entry-sizes.ts";
import type { CacheRecorder } from "./recorder.ts";
import type { CacheOptions, EvictionReason, Storage } from "./types.ts";

type SizeOf = CacheOptions["sizeOf"];

/** As the language has them: a subclass may have replaced its own. */
const {
  get: { value: mapGet },
  set: { value: mapSet },
  has: { value: mapHas },
  forEach: { value: mapForEach },
  size: { get: mapSize },
} = Object.getOwnPropertyDescriptors(Map.prototype) as unknown as {
  get: { value: Method };
  set: { value: Method };
  has: { value: (this: unknown, key: unknown) => boolean };
  forEach: { value: (this: unknown, each: (value: unknown, key: unknown) => void) => void };
  size: { get: (this: unknown) => number };
};

/** By what a Map is inside, so that also one of another realm is one, and a Proxy of one is none. */
export function isMap(cache: object): cache is Map<unknown, unknown> {
  try {
    mapSize.call(cache);
    return true;
  } catch {
    return false;
  }
}

export function isMapLike(cache: object): boolean {
  return ["get", "set", "has", "delete"].every(
    (name) => typeof Reflect.get(cache, name) === "function",
  );
}

export function watchMapLike(
  cache: object,
  recorder: CacheRecorder,
  { sizeOf }: { readonly sizeOf: SizeOf },
): void {
  const watch = isMap(cache) ? new MapWatch(cache, recorder) : new MapLikeWatch(cache, recorder);
  const isAsync = isAsyncFunction(Reflect.get(cache, "get"));
  if (sizeOf !== undefined) watch.weighWith(sizeOf, isAsync);
  recorder.reasons = ["explicit"];
  recorder.storage = () => watch.storage();
  replaceMethods(cache, isAsync ? watch.asyncWrappers() : watch.wrappers());
}

/** Not by instanceof, which asks a Proxy's handler, and that may throw. */
const isPromise = (value: unknown) =>
  typeof value === "object" && process.getBuiltinModule("node:util").types.isPromise(value);

const isAsyncFunction = (method: unknown) =>
  Object.prototype.toString.call(method) === "[object AsyncFunction]";

class MapLikeWatch {
  protected readonly cache: object;
  protected readonly recorder: CacheRecorder;
  protected sizes: EntrySizes | undefined = undefined;
  /** What removes an entry inside one of the cache's own methods. */
  #reason: EvictionReason | undefined = undefined;
  #storesPromises = false;

  constructor(cache: object, recorder: CacheRecorder) {
    this.cache = cache;
    this.recorder = recorder;
  }

  storage(): Partial<Storage> {
    return { entries: this.size(), bytes: this.sizes?.bytes };
  }

  /** Undefined where the cache does not say. */
  protected size(): number | undefined {
    const size: unknown = Reflect.get(this.cache, "size");
    return typeof size === "number" ? size : undefined;
  }

  /** Only for a cache whose every entry is seen: one that is empty now, and says how many it has. */
  weighWith(sizeOf: NonNullable<SizeOf>, isAsync: boolean): void {
    if (isAsync || this.size() !== 0) {
      this.recorder.complain("its entries cannot be followed, so sizeOf is not used");
      return;
    }
    this.sizes = new EntrySizes(sizeOf, this.recorder);
  }

  wrappers(): Wrappers {
    return {
      get: (get) => this.#getter(get),
      set: (set) => this.#setter(set),
      delete: (remove) => this.#remover(remove),
      clear: (clear) => this.#clearer(clear),
    };
  }

  asyncWrappers(): Wrappers {
    return {
      get: (get) => this.#asyncGetter(get),
      set: (set) => this.#setter(set),
      delete: (remove) => this.#asyncRemover(remove),
    };
  }

  #getter(get: Method): Method {
    return intercept((cache, args) => {
      const value = this.#within("ttl", get, cache, args);
      if (value === undefined) this.recorder.missed(args[0]);
      else if (isPromise(value) && !this.#storesPromises) this.#saysNothing();
      else this.recorder.counts.requests.hit++;
      return value;
    });
  }

  #saysNothing(): void {
    this.recorder.complain(
      "its get() returns promises but is no async function: it is not known what hits; use cacheMeter()",
    );
  }

  #setter(set: Method): Method {
    return intercept((cache, args) => {
      const result = this.#within("capacity", set, cache, args);
      this.#stored(args[0], args[1]);
      return result;
    });
  }

  #stored(key: unknown, value: unknown): void {
    this.recorder.stored(key);
    if (isPromise(value)) this.#storesPromises = true;
    if (this.sizes !== undefined) this.weigh(this.sizes, key, value);
  }

  /** Entries that go without a call of delete leave a cache that is smaller than what was weighed. */
  protected weigh(sizes: EntrySizes, key: unknown, value: unknown): void {
    if (this.holds(key)) sizes.weigh(key, value);
    const size = this.size();
    if (size !== undefined && sizes.entries <= size) return;
    this.sizes = undefined;
    this.recorder.complain("entries leave it unseen, so its usage is no longer sent");
  }

  /** Whether the key was really stored, where that can be asked without an effect. */
  protected holds(_key: unknown): boolean {
    return true;
  }

  #remover(remove: Method): Method {
    return intercept((cache, args) => {
      const result = Reflect.apply(remove, cache, args);
      if (result === true) this.recorder.evicted(1, this.#reason ?? "explicit");
      this.sizes?.forget(args[0]);
      return result;
    });
  }

  /** A clear() that calls delete() for each entry is not counted twice. */
  #clearer(clear: Method): Method {
    return intercept((cache, args) => {
      const { evictions } = this.recorder.counts;
      const reason = this.#reason ?? "explicit";
      const expected = evictions[reason] + this.#safeSize();
      const result = this.#within(reason, clear, cache, args);
      this.recorder.evicted(Math.max(0, expected - evictions[reason]), reason);
      this.sizes?.clear();
      return result;
    });
  }

  #safeSize(): number {
    try {
      return this.size() ?? 0;
    } catch {
      return 0;
    }
  }

  /** An async function returns a promise of its own at each call, so that another one may stand for it. */
  #asyncGetter(get: Method): Method {
    return intercept((cache, args) => {
      const startMs = performance.now();
      const promise = Reflect.apply(get, cache, args) as Promise<unknown>;
      return promise.then((value) => {
        this.#answered(args[0], value, startMs);
        return value;
      });
    });
  }

  #answered(key: unknown, value: unknown, startMs: number): void {
    const isMiss = value === undefined || value === null;
    if (isMiss) this.recorder.missed(key);
    else this.recorder.counts.requests.hit++;
    this.recorder.took(isMiss ? "miss" : "hit", (performance.now() - startMs) / 1000);
  }

  #asyncRemover(remove: Method): Method {
    if (!isAsyncFunction(remove)) return remove;
    return intercept((cache, args) => {
      const promise = Reflect.apply(remove, cache, args) as Promise<unknown>;
      return promise.then((result) => {
        if (result === true) this.recorder.evicted(1, "explicit");
        return result;
      });
    });
  }

  /** What the cache deletes in its own set makes room; in its own get, time was over. */
  #within(reason: EvictionReason, method: Method, cache: unknown, args: unknown[]): unknown {
    const outer = this.#reason;
    this.#reason = reason;
    try {
      return Reflect.apply(method, cache, args);
    } finally {
      this.#reason = outer;
    }
  }
}

/** A Map, or an object of a subclass: what is inside can be asked without any effect. */
class MapWatch extends MapLikeWatch {
  protected override size(): number {
    return mapSize.call(this.cache);
  }

  override weighWith(sizeOf: NonNullable<SizeOf>): void {
    const sizes = new EntrySizes(sizeOf, this.recorder);
    mapForEach.call(this.cache, (value, key) => sizes.weigh(key, value));
    this.sizes = sizes;
  }

  protected override holds(key: unknown): boolean {
    return mapHas.call(this.cache, key);
  }

  override wrappers(): Wrappers {
    const all = super.wrappers();
    return {
      ...all,
      get: (get) => (get === mapGet ? this.#plainGetter(get) : all["get"]!(get)),
      set: (set) => (set === mapSet ? this.#plainSetter(set) : all["set"]!(set)),
    };
  }

  /** Map's own get: nothing is deleted in it, and a key may hold undefined. A hit costs 1 ns more than unwrapped. */
  #plainGetter(get: Method): Method {
    const { recorder } = this;
    const { requests } = recorder.counts;
    return function (this: unknown, key: unknown): unknown {
      const value = get.call(this, key);
      if (value !== undefined || mapHas.call(this, key)) requests.hit++;
      else recorder.missed(key);
      return value;
    };
  }

  #plainSetter(set: Method): Method {
    const stored = (key: unknown, value: unknown) => {
      this.recorder.stored(key);
      if (this.sizes !== undefined) this.weigh(this.sizes, key, value);
    };
    return function (this: unknown, key: unknown, value: unknown): unknown {
      const result = set.call(this, key, value);
      stored(key, value);
      return result;
    };
  }
}
