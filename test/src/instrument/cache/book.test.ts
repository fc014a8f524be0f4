/** Names: two caches are never mixed, none is counted twice. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { cacheMeter } from "../../../../src/instrument/cache/cache-meter.ts";
import { instrumentCache } from "../../../../src/instrument/cache/instrument-cache.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { cacheFigures } from "../../../support/cache-figures.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));

/** Collects garbage until the object is really gone. */
async function collected(object: WeakRef<object>): Promise<void> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  do {
    // A WeakRef is kept until the turn ends in which it was made or asked.
    await new Promise((resolve) => setImmediate(resolve));
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  } while (object.deref() !== undefined);
}

const requests = () =>
  Object.fromEntries(
    Object.entries(cacheFigures(bench)).map(([name, figures]) => [name, figures.requests["hit"]]),
  );

test("a name that is taken: the second cache gets another one, which is told once", () => {
  const caches = [1, 2, 3].map(() => instrumentCache(new Map([["a", 1]]), { name: "users" }));
  for (const [i, cache] of caches.entries()) {
    for (let n = 0; n <= i; n++) cache.get("a");
  }
  cacheMeter({ name: "users_2" }).hit();
  expect(requests()).toEqual({ users: 1, users_2: 2, users_3: 3, users_2_2: 1 });
  expect(bench.said.map(({ message }) => message)).toEqual([
    '"users" is the name of two caches; the second is reported as "users_2"',
    '"users_2" is the name of two caches; the second is reported as "users_2_2"',
  ]);
});

test("the same cache again is nothing new; under another name it is told", () => {
  const cache = new Map([["a", 1]]);
  for (let i = 0; i < 3; i++) expect(instrumentCache(cache, { name: "m" })).toBe(cache);
  const { get } = Object.getOwnPropertyDescriptors(cache) as unknown as Record<string, unknown>;
  instrumentCache(cache, { name: "other" });
  expect(Object.getOwnPropertyDescriptors(cache)).toMatchObject({ get });
  cache.get("a");
  expect(requests()).toEqual({ m: 1 });
  expect(bench.said.map(({ message }) => message)).toEqual([
    'the cache "other" is instrumented already, as "m"',
  ]);
});

test("more than 20 names: the rest is counted together, and each still for itself", () => {
  const caches = Array.from({ length: 23 }, (_, i) =>
    instrumentCache(new Map([["a", 1]]), { name: `c${i}`, limitBytes: 10, sizeOf: () => 4 }),
  );
  for (const cache of caches) cache.get("a");
  caches[21]!.set("b", 2);
  const figures = cacheFigures(bench);
  expect(Object.keys(figures)).toHaveLength(21);
  expect(figures["c19"]).toMatchObject({ requests: { hit: 1 }, entries: 1 });
  expect(figures["_OTHER"]).toMatchObject({
    requests: { hit: 3 },
    entries: 4,
    usage: 16,
    limit: 30,
  });
  expect(bench.codes).toEqual(["cache_limit"]);
});

test("a cache that is gone leaves its counts, and its name to the next one", async () => {
  const gone = (() => {
    const cache = instrumentCache(new Map<string, number>([["a", 1]]), { name: "m" });
    cache.get("a");
    cache.get("b");
    cache.delete("a");
    return new WeakRef(cache);
  })();
  await collected(gone);
  const next = instrumentCache(new Map([["a", 1]]), { name: "m" });
  next.get("a");
  expect(cacheFigures(bench)["m"]).toMatchObject({
    requests: { hit: 2, miss: 1 },
    evictions: { explicit: 1 },
    entries: 1,
  });
  expect(bench.said).toEqual([]);
});

test("nothing keeps a cache, and its numbers stay where its functions are still held", async () => {
  const hit = (() => cacheMeter({ name: "held" }).hit.bind(undefined))();
  const gone = (() => {
    const cache = instrumentCache(new Map([["a", 1]]), { name: "gone", sizeOf: () => 1 });
    cache.get("a");
    return new WeakRef(cache);
  })();
  bench.collect();
  await collected(gone);
  hit();
  const figures = cacheFigures(bench);
  expect(figures["held"]).toMatchObject({ requests: { hit: 1 } });
  expect(figures["gone"]).toMatchObject({ requests: { hit: 1 }, entries: undefined });
});

test("after a new start the same cache is measured anew, from 0", () => {
  const cache = instrumentCache(new Map([["a", 1]]), { name: "m" });
  cache.get("a");
  bench = new Bench();
  setRuntime(bench);
  instrumentCache(cache, { name: "n" });
  cache.get("a");
  expect(requests()).toEqual({ n: 1 });
  expect(bench.said).toEqual([]);
});

test("with delta points each collection says what happened since the last", () => {
  bench = new Bench({ isDelta: true });
  setRuntime(bench);
  const cache = instrumentCache(new Map([["a", 1]]), { name: "m" });
  cache.get("a");
  cache.get("b");
  expect(cacheFigures(bench)["m"]!.requests).toEqual({ hit: 1, miss: 1 });
  cache.get("a");
  cache.get("a");
  expect(cacheFigures(bench)["m"]).toMatchObject({ requests: { hit: 2 }, entries: 1 });
});

test("before start() a cache stays as it is", () => {
  setRuntime({ meter: bench.meter, problems: bench.problems, isDisabled: true });
  const cache = new Map();
  expect(instrumentCache(cache, { name: "m" })).toBe(cache);
  expect(Object.hasOwn(cache, "get")).toBe(false);
});
