/** Why entries leave an LRU cache. */
import { intercept, type Method, type Wrappers } from "../replace-methods.ts";
import { type Internals, oldValueOf } from "./lru-lookup.ts";
import type { CacheRecorder } from "./recorder.ts";
import type { EvictionReason } from "./types.ts";

/** No key of any cache. */
export const noKey = Symbol("no key");

/**
 * Entries leave an LRU cache in many ways: room is made, a lookup finds them too old, a timer removes them, a fetch
 * fails. All of them pass through its map of keys, so that is where they are counted; why, the method tells that is
 * under way.
 */
export class LruEvictions {
  /** What the method under way removes entries for; undefined: nothing is under way, or the fast path of get. */
  reason: EvictionReason | undefined = undefined;
  /** The key that memo() looks up: it leaves only when it is too old. */
  memoKey: unknown = noKey;
  readonly #internals: Internals;
  readonly #recorder: CacheRecorder;
  readonly #onLeave: (key: unknown) => void;

  constructor(internals: Internals, recorder: CacheRecorder, onLeave: (key: unknown) => void) {
    this.#internals = internals;
    this.#recorder = recorder;
    this.#onLeave = onLeave;
  }

  during(reason: EvictionReason, method: Method): Method {
    return intercept((cache, args) => this.within(reason, method, cache, args));
  }

  within(
    reason: EvictionReason,
    method: Method,
    cache: unknown,
    args: readonly unknown[],
    memoKey: unknown = noKey,
  ): unknown {
    const { reason: outerReason, memoKey: outerKey } = this;
    this.reason = reason;
    this.memoKey = memoKey;
    try {
      return Reflect.apply(method, cache, args);
    } finally {
      this.reason = outerReason;
      this.memoKey = outerKey;
    }
  }

  keyWrappers(): Wrappers {
    const leaves = (key: unknown) => this.#leaves(key);
    const { keyMap } = this.#internals;
    return {
      // With its parameter named, as in the getter of lru-cache.ts.
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
    this.#onLeave(key);
    const value = valList[index];
    // A load that failed, and nothing was there before.
    if (isBackgroundFetch(value) && oldValueOf(value) === undefined) return;
    if (key === this.memoKey) this.#recorder.evicted(1, "ttl");
    else this.#recorder.evicted(1, this.reason ?? this.#reasonOf(index, value));
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
}
