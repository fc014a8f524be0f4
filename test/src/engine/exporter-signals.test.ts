/** What an exporter is told of the pipelines that lead to it, at the start and by a reload. */
import { afterEach, expect, test } from "@jest/globals";
import { defineExporter, type Signal } from "../../../src/component.ts";
import { section } from "../../../src/config/fields.ts";
import { MemoryBudget } from "../../../src/engine/budget.ts";
import { Service } from "../../../src/engine/service.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { silentLogger } from "../../../src/log.ts";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { registryOf, stubFactory } from "../../support/nop-registry.ts";
import { resolve } from "../config/support.ts";

const all = { traces: "stable", metrics: "stable", logs: "stable" } as const;

/** Of each instance, in the order of creation: the signals it was told, and whether it was stopped. */
const created: { signals: readonly Signal[]; isStopped: boolean }[] = [];

/** Takes no traces, as its configuration would say. */
const picky = defineExporter({
  type: "picky",
  summary: "Takes no traces.",
  stability: all,
  config: section({}),
  example: {},
  create: ({ signals }) => {
    const one = { signals, isStopped: false };
    if (signals.includes("traces")) throw new TelemetryError("CONFIG_INVALID", "no traces here");
    created.push(one);
    return {
      push: () => Promise.resolve({}),
      shutdown: () => {
        one.isStopped = true;
        return Promise.resolve();
      },
    };
  },
});

const registry = registryOf([stubFactory("receiver"), picky]);

const configOf = async (...pipelines: readonly string[]) => {
  const lines = pipelines.map((id) => `${id}: { receivers: [nop], exporters: [picky] }`);
  const yaml = `{ receivers: { nop: }, exporters: { picky: }, service: { pipelines: { ${lines.join()} } } }`;
  return (await resolve(yaml, registry)).config!;
};

const newService = () =>
  new Service({
    clock: new FakeClock(),
    log: silentLogger,
    budget: new MemoryBudget(Number.MAX_SAFE_INTEGER),
    meters: new MeterRegistry(),
    listen: () => Promise.reject(new Error("no listener in this test")),
    shutdownTimeoutMs: 1000,
    recentErrors: () => [],
  });

afterEach(() => void created.splice(0));

const refusal = {
  code: "CONFIG_INVALID",
  message: 'failed to create "picky" exporter: no traces here',
};

test("each signal once, however many pipelines", async () => {
  const service = newService();
  await service.start(await configOf("logs", "logs/2", "metrics"));
  expect(created.map(({ signals }) => signals)).toEqual([["logs", "metrics"]]);
  await service.stop();
});

test("one that cannot serve a signal keeps the service from starting", async () => {
  await expect(newService().start(await configOf("logs", "traces"))).rejects.toMatchObject(refusal);
});

test("a reload that adds a signal is refused where the exporter cannot serve it, although it is carried over", async () => {
  const service = newService();
  await service.start(await configOf("logs"));
  await expect(service.reload(await configOf("logs", "traces"))).rejects.toMatchObject(refusal);
  expect(service.view.isReady()).toBe(true);
  expect(created).toEqual([{ signals: ["logs"], isStopped: false }]);

  await service.reload(await configOf("logs", "metrics"));
  expect(created.map(({ isStopped }) => isStopped)).toEqual([false, true]);
  expect(service.view.edges().map(({ signal }) => signal)).toEqual(["logs", "metrics"]);
  await service.stop();
});
