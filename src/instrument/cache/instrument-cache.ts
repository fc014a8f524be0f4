import { messageOf } from "../problems.ts";
import { type Runtime, runtimeFor } from "../runtime.ts";
import { cacheBook } from "./book.ts";
import { isIoredis, watchIoredis } from "./ioredis.ts";
import { isLruCache, watchLruCache } from "./lru-cache.ts";
import { isMapLike, watchMapLike } from "./map-like.ts";
import { isNodeRedis, nodeRedisTarget, watchNodeRedis } from "./node-redis.ts";
import { type CheckedOptions, checkOptions } from "./options.ts";
import type { CacheRecorder } from "./recorder.ts";
import type { CacheOptions } from "./types.ts";

interface Instrumented {
  readonly runtime: Runtime;
  readonly name: string;
}

/** By the object whose methods were replaced. */
const instrumented = new WeakMap<object, Instrumented>();

/**
 * Measures a cache: a Map and what has its shape, an lru-cache, a client of node-redis or ioredis. Replaces methods of
 * this one object and returns it; does nothing where that was done before. What cannot be measured is told and left
 * as it is.
 */
export function instrumentCache<T extends object>(cache: T, options: CacheOptions): T {
  const runtime = runtimeFor("instrumentCache()");
  if (runtime === undefined) return cache;
  let name = "";
  try {
    const checked = checkOptions(options, "instrumentCache()", runtime.problems);
    if (checked === undefined) return cache;
    ({ name } = checked);
    instrument(cache, checked, runtime);
  } catch (error) {
    const message = `cannot instrument the cache ${JSON.stringify(name)}: ${messageOf(error)}`;
    runtime.problems.report("cache_failed", message, name);
  }
  return cache;
}

function instrument(cache: object, options: CheckedOptions, runtime: Runtime): void {
  const { name, limitBytes } = options;
  const watch = watcherOf(cache);
  const target = isNodeRedis(cache) ? nodeRedisTarget(cache) : cache;
  if (isDone(target, name, runtime)) return;
  const book = cacheBook(runtime);
  const recorder = book.recorder(name, limitBytes);
  watch(target, recorder, options);
  book.keep(recorder);
  instrumented.set(target, { runtime, name });
}

type Watcher = (cache: object, recorder: CacheRecorder, options: CheckedOptions) => void;

/** Clients of Redis have get and set, too, so they come first. Throws where nothing fits. */
function watcherOf(cache: object): Watcher {
  if (typeof cache !== "object" || cache === null) throw new Error("it is no object");
  if (isIoredis(cache)) return remote(watchIoredis);
  if (isNodeRedis(cache)) return remote(watchNodeRedis);
  if (isLruCache(cache)) return watchLruCache;
  if (isMapLike(cache)) return watchMapLike;
  throw new Error("it is of no known kind; use cacheMeter()");
}

const remote =
  (watch: Watcher): Watcher =>
  (client, recorder, options) => {
    if (options.sizeOf !== undefined) {
      recorder.complain("sizeOf is not used: what Redis evicts is not seen here");
    }
    watch(client, recorder, options);
  };

/** A new start() measures anew. */
function isDone(cache: object, name: string, runtime: Runtime): boolean {
  const before = instrumented.get(cache);
  if (before?.runtime !== runtime) return false;
  if (before.name !== name) {
    const message = `the cache ${JSON.stringify(name)} is instrumented already, as ${JSON.stringify(before.name)}`;
    runtime.problems.report("already_instrumented", message, name);
  }
  return true;
}
