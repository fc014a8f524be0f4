/** What start() measures of the process. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, expect, jest, test } from "@jest/globals";
import { SystemMetrics } from "../../../../src/instrument/system/system.ts";
import { Bench } from "../../../support/instrument-points.ts";

const folder = join(__dirname, "..", "..", "..", "..", "src", "instrument");
const always = [
  "process.cpu.time",
  "process.cpu.utilization",
  "process.memory.usage",
  "repomind.server.active_connections",
];
const delays = ["max", "p50", "p99"].map((name) => `nodejs.eventloop.delay.${name}`);
const gc = ["v8js.gc.duration"];

afterEach(() => {
  jest.restoreAllMocks();
});

/** The metrics of one collection, once the event loop's delay has a sample. */
async function metricsOf(bench: Bench, isWaiting = true): Promise<string[]> {
  for (;;) {
    const names = new Set(bench.collect().map((p) => p.metric));
    if (!isWaiting || delays.every((name) => names.has(name))) return [...names].toSorted();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("memory, CPU, event loop, garbage collection and connections", async () => {
  const bench = new Bench();
  using _ = new SystemMetrics(bench.meter, {}, bench.problems);
  expect(await metricsOf(bench)).toEqual([...delays, ...always, ...gc]);
  expect(bench.said).toEqual([]);
});

test("eventLoop: false and gc: false leave those out and load nothing for them", async () => {
  const load = jest.spyOn(process, "getBuiltinModule");
  const bench = new Bench();
  using _ = new SystemMetrics(bench.meter, { eventLoop: false, gc: false }, bench.problems);
  expect(load).not.toHaveBeenCalled();
  expect(await metricsOf(bench, false)).toEqual(always);
});

test("a runtime that lacks a part: it is told, the others go on", async () => {
  const { monitorEventLoopDelay: _, ...rest } = process.getBuiltinModule("node:perf_hooks");
  jest.spyOn(process, "getBuiltinModule").mockReturnValue(rest);
  const bench = new Bench();
  using measured = new SystemMetrics(bench.meter, {}, bench.problems);
  jest.restoreAllMocks();
  expect(await metricsOf(bench, false)).toEqual([...always, ...gc]);
  expect(bench.said).toEqual([
    {
      code: "system_failed",
      message: expect.stringMatching(/^cannot measure the event loop: .*not a function/u),
    },
  ]);
  expect(measured).toBeDefined();
});

test("dispose, also twice, takes everything back", () => {
  const bench = new Bench();
  const measured = new SystemMetrics(bench.meter, {}, bench.problems);
  measured[Symbol.dispose]();
  measured[Symbol.dispose]();
  // A histogram keeps what it has counted.
  expect(new Set(bench.collect().map((p) => p.metric))).toEqual(new Set(gc));
});

test("a process that has nothing else to do ends", () => {
  const program = `
    import { InstrumentRegistry } from ${JSON.stringify(join(folder, "metrics", "meter.ts"))};
    import { Problems } from ${JSON.stringify(join(folder, "problems.ts"))};
    import { SystemMetrics } from ${JSON.stringify(join(folder, "system", "system.ts"))};
    const problems = new Problems();
    new SystemMetrics(new InstrumentRegistry(100, problems), {}, problems);
    process.on("exit", () => console.log("ended"));`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(printed.trim()).toBe("ended");
});
