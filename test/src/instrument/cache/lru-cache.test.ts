/** lru-cache: every way in which entries come, go and are loaded. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { array, assert, constant, constantFrom, integer, oneof, property, tuple } from "fast-check";
import { LRUCache } from "lru-cache";
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

const figures = (name = "lru") => cacheFigures(bench)[name]!;

describe("get and set", () => {
  test("1,000 sets in a cache of 100: 900 evictions, 100 entries", () => {
    const cache = instrumentCache(new LRUCache<number, number>({ max: 100 }), { name: "lru" });
    for (let i = 0; i < 1000; i++) cache.set(i, i);
    for (let i = 0; i < 1000; i++) cache.get(i);
    expect(figures()).toEqual({
      requests: { hit: 100, miss: 900 },
      evictions: { capacity: 900, ttl: 0, explicit: 0 },
      timed: {},
      usage: undefined,
      limit: undefined,
      entries: 100,
      savedSeconds: 0,
    });
  });

  test("maxSize: one set may evict many, usage and limit are the cache's own", () => {
    const cache = instrumentCache(
      new LRUCache<string, string>({ maxSize: 100, sizeCalculation: (value) => value.length }),
      { name: "lru" },
    );
    for (let i = 0; i < 10; i++) cache.set(`k${i}`, "x".repeat(10));
    cache.set("big", "x".repeat(35));
    expect(figures()).toMatchObject({
      evictions: { capacity: 4 },
      entries: 7,
      usage: 95,
      limit: 100,
    });
    // Too big: what was there leaves as well.
    cache.set("big", "x".repeat(101));
    expect(figures()).toMatchObject({ evictions: { capacity: 5 }, entries: 6, usage: 60 });
    expect(() => cache.set("none", "")).toThrow(TypeError);
    cache.delete("k9");
    expect(figures().evictions).toEqual({ capacity: 5, ttl: 0, explicit: 1 });
  });

  test("what is asked for by the application is explicit", () => {
    const cache = instrumentCache(new LRUCache<number, number>({ max: 10 }), { name: "lru" });
    for (let i = 0; i < 10; i++) cache.set(i, i);
    expect(cache.delete(0)).toBe(true);
    expect(cache.delete(0)).toBe(false);
    cache.set(1, undefined);
    expect(cache.pop()).toBe(2);
    expect(figures()).toMatchObject({ evictions: { explicit: 3 }, entries: 7 });
    cache.load(cache.dump().slice(0, 5));
    expect(figures()).toMatchObject({ evictions: { explicit: 10 }, entries: 5 });
    cache.clear();
    cache.clear();
    expect(figures()).toMatchObject({
      evictions: { capacity: 0, ttl: 0, explicit: 15 },
      entries: 0,
    });
  });

  test("the last entry too", () => {
    const cache = instrumentCache(
      new LRUCache<string, number>({ max: 1, ttl: 10, ttlResolution: 0 }),
      {
        name: "lru",
      },
    );
    cache.set("a", 1);
    cache.set("b", 1);
    time.nowMs += 11;
    cache.get("b");
    cache.set("c", 1);
    cache.delete("c");
    expect(figures()).toMatchObject({
      evictions: { capacity: 1, ttl: 1, explicit: 1 },
      entries: 0,
    });
  });

  test("peek, has and iteration are no requests", () => {
    const cache = instrumentCache(new LRUCache<string, number>({ max: 10 }), { name: "lru" });
    cache.set("a", 1);
    expect([cache.peek("a"), cache.peek("b"), cache.has("a"), [...cache.values()]]).toEqual([
      1,
      undefined,
      true,
      [1],
    ]);
    expect(figures().requests).toEqual({ hit: 0, miss: 0 });
  });
});

describe("time to live", () => {
  const options = { max: 10, ttl: 100, ttlResolution: 0 };

  test("a lookup that finds an entry too old is a miss, and the entry leaves", () => {
    const cache = instrumentCache(new LRUCache<string, number>(options), { name: "lru" });
    cache.set("a", 1).set("b", 2).set("c", 3);
    time.nowMs += 101;
    cache.set("d", 4);
    expect(cache.get("a")).toBeUndefined();
    expect(cache.get("d")).toBe(4);
    expect(cache.purgeStale()).toBe(true);
    expect(figures()).toMatchObject({
      requests: { hit: 1, miss: 1 },
      evictions: { capacity: 0, ttl: 3, explicit: 0 },
      entries: 1,
    });
  });

  test("room made by an entry that was too old anyway is capacity", () => {
    const cache = instrumentCache(new LRUCache<string, number>({ ...options, max: 1 }), {
      name: "lru",
    });
    cache.set("a", 1);
    time.nowMs += 101;
    cache.set("b", 2);
    expect(figures().evictions).toEqual({ capacity: 1, ttl: 0, explicit: 0 });
  });

  test("served although it is old: stale", () => {
    const cache = instrumentCache(
      new LRUCache<string, number>({ ...options, noDeleteOnStaleGet: true }),
      { name: "lru" },
    );
    cache.set("a", 1);
    expect(cache.get("a", { allowStale: true })).toBe(1);
    time.nowMs += 101;
    expect(cache.get("a", { allowStale: true })).toBe(1);
    expect(cache.get("a")).toBeUndefined();
    expect(cache.get("b", {})).toBeUndefined();
    cache.allowStale = true;
    expect(cache.get("a")).toBe(1);
    expect(figures().requests).toEqual({ hit: 1, miss: 2, stale: 2 });
  });

  test("a timer of the cache that removes an entry", async () => {
    time.restore();
    const gone: string[] = [];
    await new Promise<void>((resolve) => {
      const cache = instrumentCache(
        new LRUCache<string, number>({
          max: 10,
          ttl: 1,
          ttlAutopurge: true,
          dispose: (_value, key, reason) => {
            gone.push(`${key} ${reason}`);
            // The entry leaves the map of keys after this.
            if (gone.length === 2) setImmediate(resolve);
          },
        }),
        { name: "lru" },
      );
      cache.set("a", 1).set("b", 2);
    });
    expect(gone).toEqual(["a expire", "b expire"]);
    expect(figures().evictions).toEqual({ capacity: 0, ttl: 2, explicit: 0 });
  });
});

describe("fetch", () => {
  interface Load {
    readonly key: string;
    readonly resolve: (value: string | undefined) => void;
    readonly reject: (error: Error) => void;
  }
  let loads: Load[];
  const fetching = (options: Partial<LRUCache.Options<string, string, unknown>> = {}) => {
    loads = [];
    return instrumentCache(
      new LRUCache<string, string>({
        max: 3,
        ttl: 100,
        ttlResolution: 0,
        fetchMethod: (key) =>
          new Promise((resolve, reject) => loads.push({ key, resolve, reject })),
        ...options,
      }),
      { name: "lru" },
    );
  };

  test("a miss lasts until the value is there; who waits for the same load is a miss too", async () => {
    const cache = fetching();
    const both = Promise.all([cache.fetch("a"), cache.fetch("a")]);
    time.nowMs += 80;
    loads[0]!.resolve("A");
    expect(await both).toEqual(["A", "A"]);
    expect(await cache.fetch("a")).toBe("A");
    expect(cache.get("a")).toBe("A");
    expect(loads).toHaveLength(1);
    expect(figures()).toMatchObject({
      requests: { hit: 2, miss: 2 },
      timed: { hit: 1, miss: 2 },
      entries: 1,
    });
    expect(figures().savedSeconds).toBeCloseTo(2 * 0.08, 9);
  });

  test("stale while it is loaded anew", async () => {
    const cache = fetching({ allowStale: true });
    const first = cache.fetch("a");
    time.nowMs += 10;
    loads[0]!.resolve("A1");
    await first;
    time.nowMs += 200;
    expect(await cache.fetch("a")).toBe("A1");
    expect(await cache.fetch("a")).toBe("A1");
    expect(loads).toHaveLength(2);
    loads[1]!.resolve("A2");
    await cache.fetch("a", { allowStale: false });
    expect(await cache.fetch("a")).toBe("A2");
    expect(figures()).toMatchObject({
      requests: { hit: 1, miss: 2, stale: 2 },
      timed: { hit: 1, miss: 2, stale: 2 },
      evictions: { capacity: 0, ttl: 0, explicit: 0 },
    });
  });

  test("a forced refresh passes the cache by", async () => {
    const cache = fetching();
    cache.set("a", "A");
    const forced = cache.fetch("a", { forceRefresh: true });
    time.nowMs += 20;
    loads[0]!.resolve("B");
    expect(await forced).toBe("B");
    expect(await cache.forceFetch("a")).toBe("B");
    expect(figures()).toMatchObject({
      requests: { hit: 1, miss: 0, bypass: 1 },
      timed: { hit: 1, bypass: 1 },
    });
  });

  test("a load that fails is a miss without a duration, and no entry left", async () => {
    const cache = fetching();
    const failing = cache.fetch("a");
    loads[0]!.reject(new Error("down"));
    await expect(failing).rejects.toThrow("down");
    const nothing = cache.fetch("b");
    loads[1]!.resolve(undefined);
    expect(await nothing).toBeUndefined();
    expect(figures()).toMatchObject({
      requests: { hit: 0, miss: 2 },
      timed: { miss: 1 },
      evictions: { capacity: 0, ttl: 0, explicit: 0 },
      entries: 0,
      savedSeconds: 0,
    });
  });

  test("an old value that cannot be loaded anew leaves because its time was over", async () => {
    const cache = fetching();
    cache.set("a", "A").set("b", "B");
    time.nowMs += 101;
    const failing = cache.fetch("a");
    loads[0]!.reject(new Error("down"));
    await expect(failing).rejects.toThrow("down");
    expect(figures()).toMatchObject({ evictions: { ttl: 1 }, entries: 1 });
  });

  test("a good value that is lost because its forced refresh failed leaves explicitly", async () => {
    const cache = fetching();
    cache.set("a", "A").set("b", "B");
    const failing = cache.fetch("a", { forceRefresh: true });
    loads[0]!.reject(new Error("down"));
    await expect(failing).rejects.toThrow("down");
    expect(figures()).toMatchObject({
      requests: { hit: 0, miss: 0, bypass: 1 },
      evictions: { capacity: 0, ttl: 0, explicit: 1 },
      entries: 1,
    });
  });

  test("loads make room as sets do", async () => {
    const cache = fetching();
    for (const key of ["a", "b", "c"]) cache.set(key, key);
    const all = ["d", "e"].map((key) => cache.fetch(key));
    for (const { key, resolve } of loads) resolve(key);
    expect(await Promise.all(all)).toEqual(["d", "e"]);
    expect(figures()).toMatchObject({ evictions: { capacity: 2, ttl: 0 }, entries: 3 });
  });

  test("a value that turns out large makes room when it arrives", async () => {
    const cache = instrumentCache(
      new LRUCache<string, string>({
        maxSize: 10,
        sizeCalculation: (value) => value.length,
        fetchMethod: async () => "x".repeat(9),
      }),
      { name: "lru", sizeOf: (value) => 100 * String(value).length },
    );
    for (const key of ["a", "b", "c"]) cache.set(key, "xxx");
    await cache.fetch("d");
    expect(figures()).toMatchObject({
      evictions: { capacity: 3, ttl: 0 },
      entries: 1,
      usage: 900,
      limit: undefined,
    });
  });

  test("a rejection that nobody handles is still reported as one", () => {
    const root = join(__dirname, "..", "..", "..", "..");
    const program = `
      const { instrumentCache, start } = await import("./src/instrument/index.ts");
      const { LRUCache } = await import("lru-cache");
      start({ export: false, http: false, system: false });
      process.on("unhandledRejection", (error) => console.log(String(error)));
      const fetchMethod = async (key) => { throw new Error(key); };
      const cache = instrumentCache(new LRUCache({ max: 2, fetchMethod }), { name: "lru" });
      void cache.fetch("nobody");
      await cache.fetch("somebody").catch(() => {});`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
      encoding: "utf8",
    });
    expect(printed).toBe("Error: nobody\n");
  });

  test("without a method that loads, it is get", async () => {
    const cache = fetching({ fetchMethod: undefined as never });
    cache.set("a", "A");
    expect(await cache.fetch("a")).toBe("A");
    time.nowMs += 101;
    expect(await cache.fetch("a")).toBeUndefined();
    expect(figures()).toMatchObject({
      requests: { hit: 1, miss: 1 },
      evictions: { ttl: 1, capacity: 0 },
      timed: {},
    });
  });
});

describe("memo", () => {
  const memoizing = (options: Partial<LRUCache.Options<string, number, unknown>> = {}) =>
    instrumentCache(
      new LRUCache<string, number>({
        max: 2,
        ttl: 100,
        ttlResolution: 0,
        memoMethod: (key) => {
          time.nowMs += 30;
          if (key === "broken") throw new Error("no");
          return key.length;
        },
        ...options,
      }),
      { name: "lru" },
    );

  test("misses are loads; each is timed", () => {
    const cache = memoizing();
    expect([cache.memo("a"), cache.memo("a"), cache.memo("bb")]).toEqual([1, 1, 2]);
    expect(cache.memo("a", { forceRefresh: true })).toBe(1);
    expect(() => cache.memo("broken")).toThrow("no");
    expect(figures()).toMatchObject({
      requests: { hit: 1, miss: 3, bypass: 1 },
      timed: { hit: 1, miss: 2, bypass: 1 },
      evictions: { capacity: 0 },
    });
    expect(figures().savedSeconds).toBeCloseTo(0.03, 9);
  });

  test("an entry that is too old leaves for its time, one that is in the way for room", () => {
    const cache = memoizing();
    cache.memo("a");
    time.nowMs += 101;
    cache.memo("a");
    cache.memo("b");
    cache.memo("c");
    expect(figures()).toMatchObject({
      requests: { hit: 0, miss: 4 },
      evictions: { capacity: 1, ttl: 1, explicit: 0 },
    });
  });

  test("old values may be served", () => {
    const cache = memoizing({ allowStale: true });
    cache.memo("a");
    time.nowMs += 101;
    expect(cache.memo("a")).toBe(1);
    expect(figures()).toMatchObject({ requests: { hit: 0, miss: 1, stale: 1 } });
  });

  test("without a method it throws as it does", () => {
    const cache = memoizing({ memoMethod: undefined as never });
    expect(() => cache.memo("a")).toThrow("no memoMethod provided to constructor");
    expect(figures().requests).toEqual({ hit: 0, miss: 0 });
  });

  test("lookups inside of it are counted for themselves", () => {
    const inner = new LRUCache<string, number>({ max: 5, ttl: 100, ttlResolution: 0 });
    const cache = memoizing({
      memoMethod: (key) => {
        inner.get(key);
        return cache.get("other") ?? 7;
      },
    });
    cache.set("other", 1);
    time.nowMs += 101;
    expect(cache.memo("a")).toBe(7);
    expect(figures()).toMatchObject({
      requests: { hit: 0, miss: 2 },
      evictions: { ttl: 1, capacity: 0 },
    });
  });
});

describe("it stays what it was", () => {
  test("the same object, its class, its own callbacks", () => {
    const told: string[] = [];
    const plain = new LRUCache<string, number>({
      max: 2,
      dispose: (value, key, reason) => told.push(`${key}=${value} ${reason}`),
      disposeAfter: (value, key, reason) => told.push(`after ${key}=${value} ${reason}`),
      onInsert: (value, key, reason) => told.push(`${key}=${value} ${reason}`),
    });
    const { dispose } = plain;
    const cache = instrumentCache(plain, { name: "lru" });
    expect(cache).toBe(plain);
    expect(cache).toBeInstanceOf(LRUCache);
    expect(cache.dispose).toBe(dispose);
    expect(Object.keys(cache)).not.toContain("get");
    expect(cache.set("a", 1)).toBe(cache);
    cache.set("a", 2).set("b", 1).set("c", 1);
    expect(told).toEqual([
      "a=1 add",
      "a=1 set",
      "a=2 replace",
      "after a=1 set",
      "b=1 add",
      "a=2 evict",
      "c=1 add",
      "after a=2 evict",
    ]);
  });

  test("a subclass that overrides get", () => {
    class Upper extends LRUCache<string, string> {
      override get(key: string): string | undefined {
        return super.get(key)?.toUpperCase();
      }
    }
    const cache = instrumentCache(new Upper({ max: 2 }), { name: "lru" });
    cache.set("a", "x");
    expect([cache.get("a"), cache.get("b")]).toEqual(["X", undefined]);
    expect(figures().requests).toEqual({ hit: 1, miss: 1 });
  });

  test("dispose may use the cache", () => {
    const cache: LRUCache<string, number> = instrumentCache(
      new LRUCache<string, number>({
        max: 1,
        disposeAfter: (_value, key) => {
          cache.get(key);
          if (key === "a") cache.delete("b");
        },
      }),
      { name: "lru" },
    );
    cache.set("a", 1);
    cache.set("b", 2);
    expect(figures()).toMatchObject({
      requests: { hit: 0, miss: 2 },
      evictions: { capacity: 1, ttl: 0, explicit: 1 },
      entries: 0,
    });
  });

  test("whatever is done with it: the same answers, and each entry that went is counted", () => {
    const key = integer({ min: 0, max: 6 });
    const step = oneof(
      tuple(constantFrom("get", "has", "peek", "delete", "memo"), key),
      tuple(constant("set"), key, integer({ min: 1, max: 9 })),
      tuple(constantFrom("clear", "pop", "purgeStale")),
      tuple(constant("wait"), integer({ min: 1, max: 80 })),
    );
    const reasons = { evict: "capacity", expire: "ttl", delete: "explicit" } as const;
    assert(
      property(array(step, { maxLength: 80 }), (steps) => {
        bench = new Bench();
        setRuntime(bench);
        let isPopping = false;
        const gone: Record<string, number> = { capacity: 0, ttl: 0, explicit: 0 };
        const options = {
          max: 4,
          maxSize: 15,
          ttl: 100,
          ttlResolution: 0,
          sizeCalculation: (value: number) => value,
          memoMethod: (k: number) => k + 1,
        };
        const plain = new LRUCache<number, number>({
          ...options,
          dispose: (_value, _key, reason) => {
            if (reason in reasons) {
              gone[isPopping ? "explicit" : reasons[reason as "evict"]]! += 1;
            }
          },
        });
        const cache = instrumentCache(new LRUCache<number, number>(options), {
          name: "lru",
          sizeOf: (value) => 10 * (value as number),
        });
        for (const [name, ...args] of steps as [string, ...number[]][]) {
          if (name === "wait") {
            time.nowMs += args[0]!;
            continue;
          }
          isPopping = name === "pop";
          const call = (of: object) =>
            (of as Record<string, (...a: unknown[]) => unknown>)[name]!(...args);
          const [expected, actual] = [call(plain), call(cache)];
          expect(actual).toBe(name === "set" ? cache : expected);
        }
        expect([...cache.rentries()]).toEqual([...plain.rentries()]);
        expect(figures()).toMatchObject({
          evictions: gone,
          entries: plain.size,
          usage: 10 * plain.calculatedSize,
        });
      }),
      { numRuns: 300 },
    );
  });

  test("sizeOf weighs what is loaded and overwritten", () => {
    const cache = new LRUCache<string, string>({ max: 3, memoMethod: (key) => key.repeat(5) });
    cache.set("a", "1234");
    instrumentCache(cache, {
      name: "lru",
      sizeOf: (value) => String(value).length,
      limitBytes: 99,
    });
    cache.memo("b");
    expect(figures()).toMatchObject({ usage: 9, limit: 99 });
    cache.memo("b", { forceRefresh: true });
    cache.set("a", "1");
    cache.load([...cache.dump(), ["c", { value: "333" }]]);
    expect(figures()).toMatchObject({ usage: 9, entries: 3 });
    cache.set("d", "1");
    expect(figures()).toMatchObject({ usage: 9 - 5 + 1, entries: 3 });
  });
});

test("one that is frozen, or behind a Proxy, is told and works as before", () => {
  const frozen = Object.freeze(new LRUCache<string, number>({ max: 1 }));
  const target = new LRUCache<string, number>({ max: 1 });
  const proxy = new Proxy(target, {});
  expect(instrumentCache(frozen, { name: "frozen" })).toBe(frozen);
  expect(instrumentCache(proxy, { name: "proxy" })).toBe(proxy);
  frozen.set("a", 1).set("b", 2);
  expect(frozen.get("b")).toBe(2);
  expect(Object.hasOwn(target, "get")).toBe(false);
  expect(bench.codes).toEqual(["cache_failed", "cache_failed"]);
  expect(cacheFigures(bench)).toEqual({});
});

test("two caches are never mixed", () => {
  const one = instrumentCache(new LRUCache<number, number>({ max: 5 }), { name: "one" });
  const two = instrumentCache(new LRUCache<number, number>({ max: 5 }), { name: "two" });
  for (let i = 0; i < 10; i++) one.set(i, i);
  one.get(9);
  two.get(9);
  expect(figures("one")).toMatchObject({ requests: { hit: 1, miss: 0 }, entries: 5 });
  expect(figures("one").evictions).toEqual({ capacity: 5, ttl: 0, explicit: 0 });
  expect(figures("two")).toMatchObject({ requests: { hit: 0, miss: 1 }, entries: 0 });
  expect(figures("two").evictions).toEqual({ capacity: 0, ttl: 0, explicit: 0 });
});
