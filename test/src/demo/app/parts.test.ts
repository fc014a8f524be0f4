/** The app's parts that need no server. */
import { beforeEach, describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { IndexQueue } from "../../../../src/demo/app/index-queue.ts";
import { Lru } from "../../../../src/demo/app/lru.ts";
import { pageOf, repoCount, repoOf } from "../../../../src/demo/app/repos.ts";
import { matchRoute } from "../../../../src/demo/app/router.ts";
import { eventsOf } from "../../../../src/demo/app/sse.ts";
import { WindowLimit } from "../../../../src/demo/app/window-limit.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { Bench } from "../../../support/instrument-points.ts";

describe("the cache", () => {
  let nowMs = 0;
  let removed: string[] = [];
  const lru = (capacity: number) =>
    new Lru<number, string>({
      capacity,
      now: () => nowMs,
      lifeMs: () => 100,
      onRemoved: (value, reason) => removed.push(`${value} ${reason}`),
    });
  beforeEach(() => {
    nowMs = 0;
    removed = [];
  });

  test("what was used longest ago makes room", () => {
    const cache = lru(2).set(1, "a").set(2, "b");
    cache.get(1);
    cache.set(3, "c");
    expect([...cache.values()]).toEqual(["a", "c"]);
    expect(removed).toEqual(["b capacity"]);
    expect(cache.get(2)).toBeUndefined();
    expect(cache.counts).toEqual({ hits: 1, misses: 1, evicted: 1, expired: 0, entries: 2 });
  });

  test("an entry ends with its time, however often it was read", () => {
    const cache = lru(2).set(1, "a");
    nowMs = 99;
    expect(cache.get(1)).toBe("a");
    nowMs = 100;
    expect(cache.get(1)).toBeUndefined();
    expect(removed).toEqual(["a ttl"]);
    expect(cache.counts).toMatchObject({ hits: 1, misses: 1, expired: 1, entries: 0 });
    cache.set(1, "again");
    expect(cache.get(1)).toBe("again");
  });

  test("a smaller capacity holds from the next set() on", () => {
    const cache = lru(3).set(1, "a").set(2, "b").set(3, "c");
    cache.resize(1);
    expect(cache.size).toBe(3);
    cache.set(4, "d");
    expect([...cache.keys()]).toEqual([4]);
    expect(cache.counts.evicted).toBe(3);
  });

  test("never more than its capacity, and every lookup is a hit or a miss", () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 9 })));
    fc.assert(
      fc.property(steps, (all) => {
        const cache = lru(4);
        let lookups = 0;
        for (const [isGet, key] of all) {
          if (isGet) lookups++;
          if (isGet) cache.get(key);
          else cache.set(key, "x");
          expect(cache.size).toBeLessThanOrEqual(4);
        }
        const { hits, misses } = cache.counts;
        expect(hits + misses).toBe(lookups);
      }),
    );
  });
});

test("the rate limit counts the requests of the last second, refused ones not among them", () => {
  const limit = new WindowLimit(3);
  const taken = [0, 100, 200, 900, 999, 1000, 1001, 1100].map((ms) => limit.take(ms));
  expect(taken).toEqual([true, true, true, false, false, true, false, true]);
  expect([limit.allowed, limit.limited, limit.used]).toEqual([5, 3, 3]);
});

describe("the index queue", () => {
  let finish: (() => void)[] = [];
  let indexed: number[] = [];
  let bench: Bench;
  const index = (repo: number) =>
    new Promise<void>((resolve) => {
      indexed.push(repo);
      finish.push(resolve);
    });
  const finishOne = async () => {
    finish.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  };
  beforeEach(() => {
    finish = [];
    indexed = [];
    bench = new Bench();
    setRuntime(bench);
  });
  const sizeSeen = () =>
    bench.collect().find(({ metric }) => metric === "repomind.queue.size")?.value;

  test("one after the other; what comes when it is full is refused", async () => {
    const queue = new IndexQueue(2, index);
    expect([1, 2, 3, 4].map((repo) => queue.add(repo))).toEqual([true, true, true, false]);
    expect([indexed, queue.size, sizeSeen()]).toEqual([[1], 2, 2]);
    await finishOne();
    expect([indexed, queue.size, sizeSeen()]).toEqual([[1, 2], 1, 1]);
    await finishOne();
    await finishOne();
    expect([indexed, queue.size]).toEqual([[1, 2, 3], 0]);
    queue.add(5);
    expect(indexed).toEqual([1, 2, 3, 5]);
  });

  test("a stalled worker ends its job and takes no other until it goes on", async () => {
    const queue = new IndexQueue(5, index);
    queue.add(1);
    queue.stall(true);
    queue.add(2);
    await finishOne();
    expect([indexed, queue.size]).toEqual([[1], 1]);
    queue.stall(false);
    expect([indexed, queue.size]).toEqual([[1, 2], 0]);
  });
});

describe("routes", () => {
  const routes = [
    { method: "GET", template: "/repos", handle: 1 },
    { method: "GET", template: "/repos/:id", handle: 2 },
    { method: "POST", template: "/ask", handle: 3 },
  ];
  test.each([
    ["GET", "/repos", 1, undefined],
    ["GET", "/repos/7", 2, "7"],
    ["POST", "/ask", 3, undefined],
    ["GET", "/repos/", undefined, undefined],
    ["GET", "/repos/7/files", undefined, undefined],
    ["POST", "/repos", undefined, undefined],
    ["GET", "/", undefined, undefined],
  ])("%s %s", (method, path, handle, id) => {
    const match = matchRoute(routes, method, path);
    expect([match?.route.handle, match?.id]).toEqual([handle, id]);
  });
});

test("repositories are the same at every look, and there are only so many", () => {
  expect(repoOf(17)).toEqual(repoOf(17));
  expect(repoOf(17)).not.toEqual(repoOf(18));
  for (const id of [-1, repoCount, 1.5, Number.NaN]) expect(repoOf(id)).toBeUndefined();
  expect(pageOf(3)).toHaveLength(20);
  expect(pageOf(1)[0]).toBe(repoOf(20)!.name);
});

test("server-sent events are read however their bytes are cut", async () => {
  const text = `event: a\ndata: {"n":1}\n\n: comment\n\ndata: {"n":"ü"}\n\ndata: [DONE]\n\ndata: {"n":3}\n\n`;
  const bytes = new TextEncoder().encode(text);
  const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }));
  await fc.assert(
    fc.asyncProperty(cuts, async (at) => {
      const edges = [0, ...at.toSorted((a, b) => a - b), bytes.length];
      async function* parts() {
        for (let i = 1; i < edges.length; i++) yield bytes.subarray(edges[i - 1], edges[i]);
      }
      const events = [];
      for await (const event of eventsOf(parts())) events.push(event);
      expect(events).toEqual([{ n: 1 }, { n: "ü" }]);
    }),
  );
});
