import { messageOf } from "../problems.ts";
import { runtimeFor } from "../runtime.ts";
import { cacheBook } from "./book.ts";
import { reasonNames } from "./counts.ts";
import { checkOptions } from "./options.ts";
import { type CacheRecorder, isAmount } from "./recorder.ts";
import type { CacheMeter, CacheOptions, CacheResult, EvictionReason } from "./types.ts";

/** Measures a cache by what the application says about it. Its functions may be called without the object. */
export function cacheMeter(options: CacheOptions): CacheMeter {
  const runtime = runtimeFor("cacheMeter()");
  if (runtime === undefined) return idle;
  const { problems } = runtime;
  try {
    const checked = checkOptions(options, "cacheMeter()", problems);
    if (checked === undefined) return idle;
    const book = cacheBook(runtime);
    const recorder = book.recorder(checked.name, checked.limitBytes);
    book.keep(recorder);
    if (checked.sizeOf !== undefined) recorder.complain("cacheMeter() makes no use of sizeOf");
    return meterOf(recorder);
  } catch (error) {
    problems.report("cache_failed", `cannot make a cacheMeter(): ${messageOf(error)}`);
    return idle;
  }
}

const nothing = () => {};
const idle: CacheMeter = {
  hit: nothing,
  miss: nothing,
  stale: nothing,
  load: nothing,
  evict: nothing,
  usage: nothing,
};

function meterOf(recorder: CacheRecorder): CacheMeter {
  recorder.reasons = reasonNames;
  const count = (result: CacheResult) => (seconds?: number) => {
    recorder.counts.requests[result]++;
    if (seconds !== undefined) recorder.took(result, seconds);
  };
  return {
    hit: count("hit"),
    miss: count("miss"),
    stale: count("stale"),
    load: (seconds) => recorder.loaded(seconds),
    evict: (entries: number, reason: EvictionReason) => {
      if (isAmount(entries) && reasonNames.includes(reason)) recorder.evicted(entries, reason);
      else
        recorder.complain(
          "an eviction without a number of entries or a known reason is not counted",
        );
    },
    usage: (bytes, entries) => {
      if (isAmount(bytes) && isAmount(entries)) recorder.storage = () => ({ bytes, entries });
      else recorder.complain("a usage that is no number is not recorded");
    },
  };
}
