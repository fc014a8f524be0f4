import type { Problems } from "../problems.ts";
import { oncePerRuntime } from "../runtime.ts";
import type { Instrument, Meter } from "../types.ts";
import { CacheCounts, reasonNames, resultNames } from "./counts.ts";
import { CacheRecorder } from "./recorder.ts";
import type { CacheResult, EvictionReason, Storage } from "./types.ts";

/** Further caches are counted together. */
const maxNames = 20;

/** A cache, as long as something in the application still holds it or one of its methods. */
interface Tracked {
  readonly recorder: WeakRef<CacheRecorder>;
  readonly counts: CacheCounts;
}

/** Everything that one value of `cache.name` stands for: one cache at a time, except "_OTHER". */
class NamedCaches {
  readonly attributes: { readonly "cache.name": string };
  readonly #results: Record<CacheResult, { "cache.name": string; "cache.result": CacheResult }>;
  readonly #reasons: Record<
    EvictionReason,
    { "cache.name": string; "cache.eviction.reason": EvictionReason }
  >;
  readonly #past = new CacheCounts();
  #tracked: Tracked[] = [];
  readonly #shown = new Set<EvictionReason>();

  constructor(name: string) {
    this.attributes = { "cache.name": name };
    const result = (value: CacheResult) => ({ "cache.name": name, "cache.result": value });
    const reason = (value: EvictionReason) => ({
      "cache.name": name,
      "cache.eviction.reason": value,
    });
    this.#results = {
      hit: result("hit"),
      miss: result("miss"),
      stale: result("stale"),
      bypass: result("bypass"),
    };
    this.#reasons = {
      capacity: reason("capacity"),
      ttl: reason("ttl"),
      explicit: reason("explicit"),
    };
  }

  track(recorder: CacheRecorder): void {
    this.#tracked.push({ recorder: new WeakRef(recorder), counts: recorder.counts });
  }

  get isInUse(): boolean {
    this.#letGo();
    return this.#tracked.length > 0;
  }

  observeRequests(observe: (value: number, attributes: object) => void): void {
    for (const result of resultNames) {
      const total = this.#sum((counts) => counts.requests[result]);
      const isUsual = result === "hit" || result === "miss";
      if (isUsual || total > 0) observe(total, this.#results[result]);
    }
  }

  observeEvictions(observe: (value: number, attributes: object) => void): void {
    for (const { recorder } of this.#tracked) {
      for (const reason of recorder.deref()?.reasons ?? []) this.#shown.add(reason);
    }
    for (const reason of reasonNames) {
      const total = this.#sum((counts) => counts.evictions[reason]);
      if (total > 0 || this.#shown.has(reason)) observe(total, this.#reasons[reason]);
    }
  }

  savedSeconds(): number {
    return this.#sum((counts) => {
      counts.priceHits();
      return counts.savedSeconds;
    });
  }

  /** Undefined where no cache says it. */
  stored(part: keyof Storage): number | undefined {
    this.#letGo();
    let total: number | undefined;
    for (const { recorder } of this.#tracked) {
      const value = recorder.deref()?.read()[part];
      if (value !== undefined) total = (total ?? 0) + value;
    }
    return total;
  }

  #sum(of: (counts: CacheCounts) => number): number {
    let total = of(this.#past);
    for (const { counts } of this.#tracked) total += of(counts);
    return total;
  }

  #letGo(): void {
    this.#tracked = this.#tracked.filter(({ recorder, counts }) => {
      const isAlive = recorder.deref() !== undefined;
      if (!isAlive) this.#past.addTotals(counts);
      return isAlive;
    });
  }
}

/** The caches of a process and their metrics. */
export class CacheBook {
  readonly #names = new Map<string, NamedCaches>();
  readonly #duration: Instrument<"cache.name" | "cache.result">;
  readonly #problems: Problems;

  constructor(meter: Meter, problems: Problems) {
    this.#problems = problems;
    this.#duration = meter.histogram("repomind.cache.operation.duration", {
      unit: "s",
      description:
        "Time a lookup took: of asynchronous caches, and of those that load what they miss.",
      attributes: { "cache.name": "any", "cache.result": resultNames },
    });
    this.#observeCounts(meter);
    this.#observeStorage(meter);
  }

  /** A recorder under the name, or under another one where a cache has it already: two are never mixed. */
  recorder(wanted: string, limitBytes: number | undefined): CacheRecorder {
    const name = this.#bounded(this.#freeName(wanted));
    return new CacheRecorder({
      name,
      counts: new CacheCounts(),
      limitBytes,
      problems: this.#problems,
      bindDuration: (result) => this.#duration.bind({ "cache.name": name, "cache.result": result }),
    });
  }

  /** From now on the recorder's cache is reported, as long as it lives. */
  keep(recorder: CacheRecorder): void {
    let caches = this.#names.get(recorder.name);
    if (caches === undefined) {
      caches = new NamedCaches(recorder.name);
      this.#names.set(recorder.name, caches);
    }
    caches.track(recorder);
  }

  #freeName(wanted: string): string {
    const isFree = (name: string) => this.#names.get(name)?.isInUse !== true;
    if (isFree(wanted)) return wanted;
    let n = 2;
    while (!isFree(`${wanted}_${n}`)) n++;
    const name = `${wanted}_${n}`;
    const message = `${JSON.stringify(wanted)} is the name of two caches; the second is reported as ${JSON.stringify(name)}`;
    this.#problems.report("cache_name_taken", message, wanted);
    return name;
  }

  #bounded(name: string): string {
    if (this.#names.has(name) || this.#names.size < maxNames) return name;
    const message = `there are more than ${maxNames} names of caches; further ones are reported as _OTHER`;
    this.#problems.report("cache_limit", message);
    return "_OTHER";
  }

  #observeCounts(meter: Meter): void {
    const requests = {
      unit: "{request}",
      description: "Lookups in a cache.",
      attributes: { "cache.name": "any", "cache.result": resultNames },
    } as const;
    meter.observe("repomind.cache.requests", "counter", requests, (observe) => {
      for (const caches of this.#names.values()) caches.observeRequests(observe);
    });
    const evictions = {
      unit: "{entry}",
      description: "Entries that left a cache without being replaced.",
      attributes: { "cache.name": "any", "cache.eviction.reason": reasonNames },
    } as const;
    meter.observe("repomind.cache.evictions", "counter", evictions, (observe) => {
      for (const caches of this.#names.values()) caches.observeEvictions(observe);
    });
    const saved = {
      unit: "s",
      description: "Time that hits saved: their number times (mean load - mean hit).",
      attributes: ["cache.name"],
    } as const;
    meter.observe("repomind.cache.saved_time", "counter", saved, (observe) => {
      for (const caches of this.#names.values()) observe(caches.savedSeconds(), caches.attributes);
    });
  }

  #observeStorage(meter: Meter): void {
    const parts = [
      { part: "bytes", name: "usage", unit: "By", description: "Bytes that a cache holds." },
      {
        part: "limitBytes",
        name: "limit",
        unit: "By",
        description: "Bytes that a cache may hold.",
      },
      {
        part: "entries",
        name: "entries",
        unit: "{entry}",
        description: "Entries that a cache holds.",
      },
    ] as const;
    for (const { part, name, unit, description } of parts) {
      const options = { unit, description, attributes: ["cache.name"] } as const;
      meter.observe(`repomind.cache.${name}`, "upDownCounter", options, (observe) => {
        for (const caches of this.#names.values()) {
          const value = caches.stored(part);
          if (value !== undefined) observe(value, caches.attributes);
        }
      });
    }
  }
}

export const cacheBook = oncePerRuntime(({ meter, problems }) => new CacheBook(meter, problems));
