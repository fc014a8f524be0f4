/** Map, its subclasses, and what has its shape. */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import {
  array,
  assert,
  constant,
  constantFrom,
  integer,
  oneof,
  option,
  property,
  tuple,
} from "fast-check";
import { instrumentCache } from "../../../../src/instrument/cache/instrument-cache.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { cacheFigures } from "../../../support/cache-figures.ts";
import { FakePerformance } from "../../../support/fake-performance.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
const time = new FakePerformance();

beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
  time.install();
});
afterEach(() => {
  setRuntime(undefined);
  time.restore();
});

const figures = (name: string) => cacheFigures(bench)[name]!;

describe("Map", () => {
  test("hits, misses, entries and what was deleted, by the names of the table", () => {
    const cache = instrumentCache(new Map<string, number>(), { name: "repos", limitBytes: 1000 });
    cache.get("a");
    cache.set("a", 1).set("b", 2).set("c", 3);
    cache.get("a");
    cache.get("b");
    cache.delete("a");
    cache.delete("a");
    expect(figures("repos")).toEqual({
      requests: { hit: 2, miss: 1 },
      evictions: { explicit: 1 },
      timed: {},
      usage: undefined,
      limit: 1000,
      entries: 2,
      savedSeconds: 0,
    });
    cache.clear();
    expect(figures("repos")).toMatchObject({ evictions: { explicit: 3 }, entries: 0 });
    const units = bench.collect().map(({ metric, unit, kind, isMonotonic }) => {
      return [metric, unit, kind, isMonotonic].join(" ");
    });
    expect(new Set(units)).toEqual(
      new Set([
        "repomind.cache.requests {request} sum true",
        "repomind.cache.evictions {entry} sum true",
        "repomind.cache.saved_time s sum true",
        "repomind.cache.limit By sum ",
        "repomind.cache.entries {entry} sum ",
      ]),
    );
  });

  test("a key that holds undefined is a hit, has() is no request", () => {
    const cache = instrumentCache(new Map<unknown, unknown>([["u", undefined]]), { name: "m" });
    cache.get("u");
    cache.has("u");
    cache.has("missing");
    cache.get(Number.NaN);
    cache.set(Number.NaN, null);
    cache.get(Number.NaN);
    expect(figures("m").requests).toEqual({ hit: 2, miss: 1 });
  });

  test("it stays what it was", () => {
    const plain = new Map([["a", 1]]);
    const cache = new Map([["a", 1]]);
    expect(instrumentCache(cache, { name: "m" })).toBe(cache);
    expect(cache.set("b", 2)).toBe(cache);
    plain.set("b", 2);
    expect(cache).toBeInstanceOf(Map);
    expect([...cache]).toEqual([...plain]);
    expect([...cache.keys(), cache.size]).toEqual(["a", "b", 2]);
    expect(Object.keys(cache)).toEqual([]);
    expect(structuredClone(cache)).toEqual(plain);
    expect(new Map(cache)).toEqual(plain);
    expect([cache.get.name, cache.get.length, cache.set.length]).toEqual(["get", 1, 2]);
    expect(cache.delete("zz")).toBe(false);
    expect(cache.clear()).toBeUndefined();
    // On a wrong receiver it throws as before, and counts nothing.
    expect(() => Reflect.apply(Reflect.get(cache, "get"), new Set(), ["a"])).toThrow(TypeError);
    expect(figures("m").requests).toEqual({ hit: 0, miss: 0 });
  });

  test("nothing that a Map answers changes, whatever is done with it", () => {
    const key = oneof(integer({ min: 0, max: 4 }), constantFrom("a", Number.NaN, -0, null));
    const step = oneof(
      tuple(constantFrom("get", "has", "delete"), key),
      tuple(constant("set"), key, option(integer(), { nil: undefined })),
      tuple(constant("clear")),
    );
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        bench = new Bench();
        setRuntime(bench);
        const plain = new Map<unknown, unknown>();
        let reads = 0;
        let removed = 0;
        const cache = instrumentCache(new Map<unknown, unknown>(), {
          name: "m",
          sizeOf: (value) => (typeof value === "number" ? Math.abs(value) : 1),
        });
        for (const [name, ...args] of steps as [string, ...unknown[]][]) {
          if (name === "get") reads++;
          if (name === "clear") removed += plain.size;
          const call = (map: object) =>
            (map as Record<string, (...a: unknown[]) => unknown>)[name]!(...args);
          const [expected, actual] = [call(plain), call(cache)];
          if (name === "delete" && expected === true) removed++;
          if (name === "set") expect(actual).toBe(cache);
          else expect(actual).toBe(expected);
        }
        expect([...cache]).toEqual([...plain]);
        const { requests, evictions, entries, usage } = figures("m");
        expect(requests["hit"]! + requests["miss"]!).toBe(reads);
        expect(evictions["explicit"]).toBe(removed);
        expect(entries).toBe(plain.size);
        const values = [...plain.values()];
        expect(usage).toBe(
          values.reduce<number>((sum, v) => sum + (typeof v === "number" ? Math.abs(v) : 1), 0),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe("sizeOf", () => {
  test("what is there already, overwritten, deleted and cleared is weighed exactly", () => {
    const cache = instrumentCache(new Map([["old", "12345"]]), {
      name: "m",
      sizeOf: (value, key) => String(value).length + String(key).length,
    });
    expect(figures("m").usage).toBe(8);
    cache.set("a", "1");
    cache.set("old", "1");
    expect(figures("m").usage).toBe(6);
    cache.delete("old");
    expect(figures("m").usage).toBe(2);
    cache.clear();
    expect(figures("m").usage).toBe(0);
  });

  test("one that throws or returns nonsense is told and takes 0", () => {
    const sizes: unknown[] = [5, Number.NaN, -1, "7", Infinity];
    const cache = instrumentCache(new Map<number, number>(), {
      name: "m",
      sizeOf: (value) => {
        const size = sizes[value as number];
        if (size === undefined) throw new Error("too hard");
        return size as number;
      },
    });
    for (let i = 0; i < 6; i++) expect(cache.set(i, i)).toBe(cache);
    expect(figures("m")).toMatchObject({ usage: 5, entries: 6 });
    expect(bench.said.map(({ message }) => message)).toEqual([
      'cache "m": sizeOf returned no number of bytes; 0 is taken',
      'cache "m": sizeOf failed, 0 bytes are taken: too hard',
    ]);
  });
});

describe("saved time", () => {
  test("hits times the time from a miss to its set", () => {
    const cache = instrumentCache(new Map<string, number>(), { name: "m" });
    for (const [key, ms] of [
      ["a", 100],
      ["b", 300],
    ] as const) {
      cache.get(key);
      time.nowMs += ms;
      cache.set(key, 1);
    }
    for (let i = 0; i < 10; i++) cache.get("a");
    expect(figures("m").savedSeconds).toBeCloseTo(10 * 0.2, 9);
    // A mean that falls takes nothing back.
    cache.get("c");
    time.nowMs += 2;
    cache.set("c", 1);
    expect(figures("m").savedSeconds).toBeCloseTo(2, 9);
  });

  test("hits before the first load wait for it", () => {
    const cache = instrumentCache(new Map([["a", 1]]), { name: "m" });
    for (let i = 0; i < 3; i++) cache.get("a");
    expect(figures("m").savedSeconds).toBe(0);
    cache.get("b");
    time.nowMs += 50;
    cache.set("b", 2);
    expect(figures("m").savedSeconds).toBeCloseTo(0.15, 9);
  });

  test("the last miss of a key counts, a set without a miss does not, nor one an hour later", () => {
    const cache = instrumentCache(new Map<string, number>(), { name: "m" });
    cache.set("other", 1);
    cache.get("a");
    time.nowMs += 1000;
    cache.get("a");
    time.nowMs += 10;
    cache.set("a", 1);
    cache.get("late");
    time.nowMs += 3_600_000;
    cache.set("late", 1);
    cache.get("a");
    expect(figures("m").savedSeconds).toBeCloseTo(0.01, 9);
  });

  test("a million keys that nobody stores are forgotten, the oldest first", () => {
    const cache = instrumentCache(new Map<unknown, number>(), { name: "m" });
    cache.get("first");
    cache.get("x".repeat(2000));
    for (let i = 0; i < 1_000_000; i++) cache.get(i);
    time.nowMs += 100;
    cache.set("first", 1);
    cache.set("x".repeat(2000), 1);
    cache.get("first");
    expect(figures("m")).toMatchObject({ requests: { hit: 1, miss: 1_000_002 }, savedSeconds: 0 });
    cache.set(999_999, 1);
    expect(figures("m").savedSeconds).toBeCloseTo(0.1, 9);
  });

  test("objects as keys are let go of after a minute", () => {
    const cache = instrumentCache(new Map<object, number>(), { name: "m" });
    const key = {};
    cache.get(key);
    time.nowMs += 61_000;
    bench.collect();
    time.nowMs = 1000;
    cache.set(key, 1);
    cache.get(key);
    expect(figures("m").savedSeconds).toBe(0);
  });
});

describe("what behaves like a Map", () => {
  class Least<K, V> extends Map<K, V> {
    readonly #max: number;
    constructor(max: number) {
      super();
      this.#max = max;
    }
    override set(key: K, value: V): this {
      super.set(key, value);
      if (this.size > this.#max) this.delete(this.keys().next().value!);
      return this;
    }
  }

  test("a subclass with private fields: what its set() deletes makes room", () => {
    const cache = instrumentCache(new Least<number, string>(10), {
      name: "least",
      sizeOf: (value) => String(value).length,
    });
    for (let i = 0; i < 100; i++) expect(cache.set(i, "12")).toBe(cache);
    cache.delete(99);
    expect(cache).toBeInstanceOf(Least);
    expect(figures("least")).toMatchObject({
      evictions: { capacity: 90, explicit: 1 },
      entries: 9,
      usage: 18,
    });
  });

  test("what its get() deletes was too old", () => {
    class Short extends Map<string, number> {
      override get(key: string): number | undefined {
        if (super.has(key)) this.delete(key);
        return undefined;
      }
    }
    const cache = instrumentCache(new Short([["a", 1]]), { name: "short" });
    cache.get("a");
    cache.get("a");
    expect(figures("short")).toMatchObject({
      requests: { hit: 0, miss: 2 },
      evictions: { ttl: 1 },
    });
  });

  test("entries that leave unseen end the usage, which is told", () => {
    class Sly extends Map<number, string> {
      override set(key: number, value: string): this {
        super.set(key, value);
        if (this.size > 2) super.delete(this.keys().next().value!);
        return this;
      }
    }
    const cache = instrumentCache(new Sly(), { name: "sly", sizeOf: () => 1 });
    cache.set(1, "").set(2, "");
    expect(figures("sly").usage).toBe(2);
    cache.set(3, "");
    expect(figures("sly")).toMatchObject({ usage: undefined, entries: 2 });
    expect(bench.said[0]?.message).toBe(
      'cache "sly": entries leave it unseen, so its usage is no longer sent',
    );
  });

  function objectCache() {
    const store: Record<string, unknown> = {};
    return {
      get: (key: string) => store[key],
      set: (key: string, value: unknown) => {
        store[key] = value;
      },
      has: (key: string) => key in store,
      delete: (key: string) => delete store[key],
      clear() {
        for (const key of Object.keys(store)) this.delete(key);
      },
      get size() {
        return Object.keys(store).length;
      },
    };
  }

  test("an object with these methods; clear() that calls delete() is counted once", () => {
    const cache = instrumentCache(objectCache(), { name: "o", sizeOf: () => 3 });
    cache.get("a");
    cache.set("a", null);
    cache.set("b", 1);
    cache.get("a");
    expect(Object.keys(cache)).toEqual(["get", "set", "has", "delete", "clear", "size"]);
    expect(figures("o")).toMatchObject({ requests: { hit: 1, miss: 1 }, entries: 2, usage: 6 });
    cache.clear();
    expect(figures("o")).toMatchObject({ evictions: { explicit: 2 }, entries: 0, usage: 0 });
  });

  test("sizeOf needs to see every entry", () => {
    const filled = objectCache();
    filled.set("a", 1);
    instrumentCache(filled, { name: "filled", sizeOf: () => 3 });
    const { size: _, ...silent } = objectCache();
    instrumentCache(silent, { name: "silent", sizeOf: () => 3 });
    silent.set("a", 1);
    expect(figures("filled")).toMatchObject({ usage: undefined, entries: 1 });
    expect(figures("silent")).toMatchObject({ usage: undefined, entries: undefined });
    expect(bench.codes).toEqual(["cache_failed", "cache_failed"]);
  });

  test("an asynchronous one is awaited and timed; null is a miss", async () => {
    const store = new Map<string, unknown>([["null", null]]);
    const cache = instrumentCache(
      {
        get: async (key: string) => {
          time.nowMs += 5;
          if (key === "broken") throw new Error("down");
          return store.get(key);
        },
        set: async (key: string, value: unknown) => void store.set(key, value),
        has: async (key: string) => store.has(key),
        delete: async (key: string) => store.delete(key),
      },
      { name: "async" },
    );
    expect(await cache.get("a")).toBeUndefined();
    time.nowMs += 100;
    await cache.set("a", 1);
    expect(await cache.get("a")).toBe(1);
    expect(await cache.get("null")).toBeNull();
    await expect(cache.get("broken")).rejects.toThrow("down");
    expect(await cache.delete("a")).toBe(true);
    expect(await cache.delete("a")).toBe(false);
    const { requests, evictions, timed, savedSeconds } = figures("async");
    expect({ requests, evictions, timed }).toEqual({
      requests: { hit: 1, miss: 2 },
      evictions: { explicit: 1 },
      timed: { hit: 1, miss: 2 },
    });
    expect(savedSeconds).toBeCloseTo(0.1 - 0.005, 9);
  });

  test("a cache of promises gives the same promises", () => {
    const map = instrumentCache(new Map<string, Promise<number>>(), { name: "map" });
    const like = instrumentCache(objectCache(), { name: "like" });
    const value = Promise.resolve(1);
    map.set("a", value);
    like.set("a", value);
    expect(map.get("a")).toBe(value);
    expect(like.get("a")).toBe(value);
    expect(figures("map").requests).toEqual({ hit: 1, miss: 0 });
    expect(figures("like").requests).toEqual({ hit: 1, miss: 0 });
  });

  test("values whose own traps throw are not asked anything", () => {
    const hostile = new Proxy(
      {},
      {
        getPrototypeOf: () => {
          throw new Error("trap");
        },
      },
    );
    const cache = instrumentCache(objectCache(), { name: "o" });
    cache.set("a", hostile);
    expect(cache.get("a") === hostile).toBe(true);
    expect(figures("o").requests).toEqual({ hit: 1, miss: 0 });
  });

  test("promises from a function that is not async say nothing, which is told", async () => {
    const promise = Promise.resolve(undefined);
    const cache = { get: () => promise, set() {}, has: () => false, delete: () => false };
    expect(instrumentCache(cache, { name: "p" }).get()).toBe(promise);
    expect(figures("p").requests).toEqual({ hit: 0, miss: 0 });
    expect(bench.said[0]?.message).toContain("use cacheMeter()");
  });
});

describe("what cannot be measured", () => {
  test("is told and left as it is", () => {
    const throwing = {
      get get(): unknown {
        throw new Error("no");
      },
    };
    const frozen = Object.freeze(new Map([["a", 1]]));
    const half = { get: () => 1, set: () => {}, has: () => true, delete: () => true };
    Object.defineProperty(half, "delete", { configurable: false, writable: false });
    const proxy = new Proxy(new Map(), {
      defineProperty: () => {
        throw new Error("mine");
      },
    });
    const { get, set } = half;
    const caches: [string, unknown][] = [
      ["throwing", throwing],
      ["frozen", frozen],
      ["half", half],
      ["proxy", proxy],
      ["empty", {}],
      ["null", null],
      ["text", "abc"],
    ];
    for (const [name, cache] of caches) {
      expect(instrumentCache(cache as object, { name })).toBe(cache);
    }
    expect(bench.said.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'cache_failed cannot instrument the cache "throwing": no',
      'cache_failed cannot instrument the cache "frozen": its method get cannot be replaced',
      'cache_failed cannot instrument the cache "half": its method delete cannot be replaced',
      'cache_failed cannot instrument the cache "proxy": mine',
      'cache_failed cannot instrument the cache "empty": it is of no known kind; use cacheMeter()',
      'cache_failed cannot instrument the cache "null": it is no object',
      'cache_failed cannot instrument the cache "text": it is no object',
    ]);
    expect(frozen.get("a")).toBe(1);
    expect([half.get, half.set]).toEqual([get, set]);
    expect(cacheFigures(bench)).toEqual({});
  });

  test("options without a name, or with nonsense in them", () => {
    const map = new Map();
    for (const options of [undefined, null, {}, { name: "" }, { name: 7 }]) {
      expect(instrumentCache(map, options as never)).toBe(map);
    }
    const broken = {
      get name(): string {
        throw new Error("no name");
      },
    };
    expect(instrumentCache(map, broken)).toBe(map);
    expect(Object.hasOwn(map, "get")).toBe(false);
    instrumentCache(map, { name: "m", limitBytes: -1, sizeOf: 7 as never });
    expect(figures("m")).toMatchObject({ limit: undefined, usage: undefined });
    expect(bench.said.map(({ message }) => message)).toEqual([
      "instrumentCache() needs the name of the cache",
      'cannot instrument the cache "": no name',
      'cache "m": limitBytes is no number of bytes and has no effect',
      'cache "m": sizeOf is no function and has no effect',
    ]);
  });

  test("a size that throws leaves the other caches alone", () => {
    const cache = { get: () => 1, set() {}, has() {}, delete: () => true };
    Object.defineProperty(cache, "size", {
      get: () => {
        throw new Error("no size");
      },
    });
    instrumentCache(cache, { name: "broken" });
    instrumentCache(new Map([[1, 1]]), { name: "good" });
    expect(figures("broken").entries).toBeUndefined();
    expect(figures("good").entries).toBe(1);
    expect(bench.said[0]?.message).toBe('cache "broken": cannot ask what it holds: no size');
  });

  test("a Proxy of a Map that binds its methods", () => {
    const map = new Map([["a", 1]]);
    const proxy = new Proxy(map, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    expect(instrumentCache(proxy, { name: "proxy" })).toBe(proxy);
    expect([proxy.get("a"), proxy.get("b"), proxy.size]).toEqual([1, undefined, 1]);
    expect(figures("proxy")).toMatchObject({ requests: { hit: 1, miss: 1 }, entries: 1 });
  });
});
