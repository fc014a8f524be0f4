/** Garbage collections, compared with what an observer beside it sees. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GarbageCollection } from "../../../../src/instrument/system/garbage-collection.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as (options?: { type: "minor" }) => void;
const { PerformanceObserver, constants } = process.getBuiltinModule("node:perf_hooks");

/** Seconds, by the kind of the collection. */
let seen: Map<number, number[]>;
const witness = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { kind } = (entry as unknown as { detail: { kind: number } }).detail;
    seen.set(kind, [...(seen.get(kind) ?? []), entry.duration / 1000]);
  }
});
let bench: Bench;

beforeEach(() => {
  bench = new Bench();
  seen = new Map();
});
afterEach(() => witness.disconnect());

const byType = (points: Point[]) =>
  Object.fromEntries(points.map((p) => [p.attributes["v8js.gc.type"], p]));
const sum = (values: readonly number[] = []) => values.reduce((total, value) => total + value, 0);

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
}

test("a series for each type from the start, with the boundaries of the conventions", () => {
  using _ = new GarbageCollection(bench.meter);
  const points = bench.collect();
  expect(Object.keys(byType(points))).toEqual(["major", "minor", "incremental", "weakcb"]);
  for (const point of points) {
    expect(point).toMatchObject({
      metric: "v8js.gc.duration",
      kind: "histogram",
      unit: "s",
      bounds: [0.01, 0.1, 1, 10],
      sum: 0,
    });
  }
});

test("every collection, by its type, in seconds", async () => {
  using _ = new GarbageCollection(bench.meter);
  // Registered later, so told later: what it was told, the other was too.
  witness.observe({ entryTypes: ["gc"] });
  // Several before the observers are told: they come as one list.
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    collectGarbage({ type: "minor" });
  }
  const { NODE_PERFORMANCE_GC_MAJOR: major, NODE_PERFORMANCE_GC_MINOR: minor } = constants;
  const count = (kind: number) => seen.get(kind)?.length ?? 0;
  await until(() => count(major) >= 3 && count(minor) >= 3);
  const points = byType(bench.collect());
  for (const [type, kind] of [
    ["major", major],
    ["minor", minor],
  ] as const) {
    expect(points[type]!.count).toBe(count(kind));
    expect(points[type]!.sum).toBeCloseTo(sum(seen.get(kind)), 9);
  }
});

test("dispose ends the counting; another one begins again", async () => {
  const first = new GarbageCollection(bench.meter);
  first[Symbol.dispose]();
  witness.observe({ entryTypes: ["gc"] });
  collectGarbage();
  await until(() => seen.size > 0);
  expect(byType(bench.collect())["major"]!.count ?? 0).toBe(0);
  using _ = new GarbageCollection(bench.meter);
  collectGarbage();
  await until(() => (byType(bench.collect())["major"]!.count ?? 0) > 0);
});
