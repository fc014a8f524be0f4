import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { cacheMeter } from "../../../../src/instrument/cache/cache-meter.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { cacheFigures } from "../../../support/cache-figures.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));
const figures = () => cacheFigures(bench)["m"]!;

test("everything that an application can say about a cache", () => {
  const meter = cacheMeter({ name: "m", limitBytes: 1_000_000 });
  meter.hit();
  meter.hit(0.001);
  meter.hit(0.003);
  meter.miss(0.002);
  meter.miss();
  meter.stale(0.001);
  meter.load(0.1);
  meter.load(0.3);
  meter.evict(3, "capacity");
  meter.evict(2, "ttl");
  meter.usage(5000, 10);
  meter.usage(6000, 12);
  expect(figures()).toEqual({
    requests: { hit: 3, miss: 2, stale: 1 },
    evictions: { capacity: 3, ttl: 2, explicit: 0 },
    timed: { hit: 2, miss: 1, stale: 1 },
    usage: 6000,
    limit: 1_000_000,
    entries: 12,
    savedSeconds: expect.closeTo(3 * (0.2 - 0.002), 9),
  });
});

test("a hit that takes longer than a load saves nothing, never less", () => {
  const meter = cacheMeter({ name: "m" });
  meter.load(0.001);
  meter.hit(1);
  expect(figures().savedSeconds).toBe(0);
});

test("its functions need no object", () => {
  const meter = cacheMeter({ name: "m" });
  const [hit, evict] = [meter.hit.bind(undefined), meter.evict.bind(undefined)];
  hit(0.5);
  evict(1, "explicit");
  expect(figures()).toMatchObject({ requests: { hit: 1 }, evictions: { explicit: 1 } });
});

test("nonsense is told and left out", () => {
  const meter = cacheMeter({ name: "m", sizeOf: () => 1 });
  meter.hit(Number.NaN);
  meter.miss(-1);
  meter.load(Infinity);
  meter.evict(-1, "ttl");
  meter.evict(1, "boredom" as never);
  meter.usage(Number.NaN, 1);
  expect(figures()).toMatchObject({
    requests: { hit: 1, miss: 1 },
    evictions: { capacity: 0, ttl: 0, explicit: 0 },
    timed: {},
    usage: undefined,
    savedSeconds: 0,
  });
  expect(bench.said.map(({ message }) => message)).toEqual([
    'cache "m": cacheMeter() makes no use of sizeOf',
    'cache "m": a time that is no number of seconds is not recorded',
    'cache "m": an eviction without a number of entries or a known reason is not counted',
    'cache "m": a usage that is no number is not recorded',
  ]);
});

test("without a name, or before start(), nothing is measured and nothing throws", () => {
  const use = () => {
    const meter = cacheMeter({} as never);
    meter.hit();
    meter.miss();
    meter.stale();
    meter.load(1);
    meter.evict(1, "ttl");
    meter.usage(1, 1);
  };
  use();
  expect(bench.codes).toEqual(["invalid_option"]);
  expect(bench.collect()).toEqual([]);
  setRuntime({ meter: bench.meter, problems: bench.problems, isDisabled: true });
  use();
  expect(bench.codes).toEqual(["invalid_option"]);
});
