/** Memory and CPU of the process, with figures that are known and with those of this process. */
import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type ProcessSource,
  ProcessUsage,
} from "../../../../src/instrument/system/process-usage.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

let bench: Bench;
let calls: string[];
let now: { seconds: number; user: number; system: number; bytes: number };

const source: ProcessSource = {
  uptimeSeconds: () => now.seconds,
  cpuUsage: () => {
    calls.push("cpu");
    return { user: now.user * 1e6, system: now.system * 1e6 };
  },
  residentBytes: () => {
    calls.push("memory");
    return now.bytes;
  },
  cpus: () => {
    calls.push("cpus");
    return 2;
  },
};

const named = (points: Point[], metric: string) => points.filter((p) => p.metric === metric);
const byMode = (points: Point[], metric: string) =>
  named(points, metric).map((p) => [p.attributes["cpu.mode"], p.value]);
const utilization = () => byMode(bench.collect(), "process.cpu.utilization");

beforeEach(() => {
  bench = new Bench();
  calls = [];
  now = { seconds: 10, user: 4, system: 1, bytes: 50_000_000 };
});

test("resident memory and CPU time, by the names of the conventions", () => {
  using _ = new ProcessUsage(bench.meter, source);
  const points = bench.collect();
  expect(named(points, "process.memory.usage")).toMatchObject([
    { kind: "sum", isMonotonic: undefined, unit: "By", attributes: {}, value: 50_000_000 },
  ]);
  expect(named(points, "process.cpu.time")).toMatchObject([
    { kind: "sum", isMonotonic: true, unit: "s", attributes: { "cpu.mode": "user" }, value: 4 },
    { kind: "sum", isMonotonic: true, unit: "s", attributes: { "cpu.mode": "system" }, value: 1 },
  ]);
  expect(named(points, "process.cpu.utilization")).toMatchObject([
    { kind: "gauge", unit: "1", attributes: { "cpu.mode": "user" } },
    { kind: "gauge", unit: "1", attributes: { "cpu.mode": "system" } },
  ]);
  expect(points).toHaveLength(5);
});

test("each figure is read once a collection, and the CPUs once", () => {
  using _ = new ProcessUsage(bench.meter, source);
  bench.collect();
  expect(calls.toSorted()).toEqual(["cpu", "cpus", "memory"]);
  now.seconds += 10;
  bench.collect();
  expect(calls.toSorted()).toEqual(["cpu", "cpu", "cpus", "memory", "memory"]);
});

test("nothing is read before the first collection", () => {
  using _ = new ProcessUsage(bench.meter, source);
  expect(calls).toEqual([]);
});

describe("utilization: of all CPUs that the process may use", () => {
  test("first of the process's life, then since the last collection", () => {
    using _ = new ProcessUsage(bench.meter, source);
    expect(utilization()).toEqual([
      ["user", 4 / 10 / 2],
      ["system", 1 / 10 / 2],
    ]);
    now = { ...now, seconds: 20, user: 24 };
    expect(utilization()).toEqual([
      ["user", 1],
      ["system", 0],
    ]);
    now = { ...now, seconds: 30, system: 2 };
    expect(utilization()).toEqual([
      ["user", 0],
      ["system", 0.05],
    ]);
  });

  test("a second reader just after the first is told the same; its CPU time is of now", () => {
    using _ = new ProcessUsage(bench.meter, source);
    bench.collect();
    now = { ...now, seconds: 10.2, user: 4.2 };
    const points = bench.collect();
    expect(byMode(points, "process.cpu.utilization")).toEqual([
      ["user", 0.2],
      ["system", 0.05],
    ]);
    expect(byMode(points, "process.cpu.time")).toEqual([
      ["user", 4.2],
      ["system", 1],
    ]);
    // The window goes on from the first one.
    now = { ...now, seconds: 11, user: 5 };
    expect(utilization()).toEqual([
      ["user", 0.5],
      ["system", 0],
    ]);
  });
});

test("with delta points CPU time is what was used since the last collection", () => {
  bench = new Bench({ isDelta: true });
  using _ = new ProcessUsage(bench.meter, source);
  bench.collect();
  now = { ...now, seconds: 20, user: 6, system: 1.5 };
  const points = bench.collect();
  expect(byMode(points, "process.cpu.time")).toEqual([
    ["user", 2],
    ["system", 0.5],
  ]);
  // Up-down counters are cumulative also then.
  expect(named(points, "process.memory.usage")).toMatchObject([{ value: 50_000_000 }]);
});

test("a figure that cannot be read is told once; the others are there", () => {
  const broken = {
    ...source,
    residentBytes: () => {
      throw new Error("no such file");
    },
  };
  using _ = new ProcessUsage(bench.meter, broken);
  expect(bench.collect()).toHaveLength(4);
  expect(bench.collect()).toHaveLength(4);
  expect(bench.said).toEqual([
    {
      code: "observe_failed",
      message: "process.memory.usage: cannot observe: no such file",
    },
  ]);
});

test("dispose ends the points and the reading", () => {
  new ProcessUsage(bench.meter, source)[Symbol.dispose]();
  expect(bench.collect()).toEqual([]);
  expect(calls).toEqual([]);
});

test("of this process", () => {
  using _ = new ProcessUsage(bench.meter);
  const before = process.cpuUsage();
  const points = bench.collect();
  const after = process.cpuUsage();
  const memory = named(points, "process.memory.usage")[0]!.value!;
  expect(memory / process.memoryUsage.rss()).toBeCloseTo(1, 1);
  const [user, system] = named(points, "process.cpu.time").map((p) => p.value! * 1e6);
  expect(user).toBeGreaterThanOrEqual(before.user);
  expect(user).toBeLessThanOrEqual(after.user);
  expect(system).toBeGreaterThanOrEqual(before.system);
  expect(system).toBeLessThanOrEqual(after.system);
  const shares = named(points, "process.cpu.utilization").map((p) => p.value!);
  const { availableParallelism } = process.getBuiltinModule("node:os");
  expect(shares[0]! * process.uptime() * availableParallelism()).toBeCloseTo(user! / 1e6, 0);
  for (const share of shares) expect(share).toBeGreaterThan(0);
});
