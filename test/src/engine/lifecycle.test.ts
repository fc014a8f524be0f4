import { expect, test } from "@jest/globals";
import { notNow, World } from "./recording-world.ts";

const yaml = `
extensions: { ext/a: , ext/b: }
receivers: { in/1: , in/2: }
processors: { pass/x: , pass/y: }
exporters: { direct/1: , queued/2: }
connectors: { fwd: }
service:
  extensions: [ext/a, ext/b]
  pipelines:
    logs/a: { receivers: [in/1], processors: [pass/x], exporters: [direct/1, fwd] }
    logs/b: { receivers: [in/2, fwd], processors: [pass/y], exporters: [queued/2] }
`;

const kindsOf = (events: readonly string[]) => events.map((event) => event.split(" ")[1]);
const startOrder = [
  "extension",
  "extension",
  "exporter",
  "exporter",
  "processor",
  "connector",
  "processor",
  "receiver",
  "receiver",
];

test("starts extensions, exporters, processors, receivers, each after what it leads to", async () => {
  const world = new World();
  await world.start(yaml);
  const events = world.take();
  expect(kindsOf(events)).toEqual(startOrder);
  expect(events.slice(0, 2)).toEqual(["start extension ext/a", "start extension ext/b"]);
  expect(events.slice(4, 7)).toEqual([
    "start processor pass/y",
    "start connector fwd",
    "start processor pass/x",
  ]);
  expect(world.service.view.isReady()).toBe(true);
});

test("stops in the opposite order", async () => {
  const world = new World();
  await world.start(yaml);
  world.take();
  expect(await world.service.stop()).toEqual({ lostItems: 0 });
  const events = world.take();
  expect(kindsOf(events)).toEqual(startOrder.toReversed());
  expect(events.slice(2, 5)).toEqual([
    "stop processor pass/x",
    "stop connector fwd",
    "stop processor pass/y",
  ]);
  expect(events.slice(-2)).toEqual(["stop extension ext/b", "stop extension ext/a"]);
  expect(world.service.view.isReady()).toBe(false);
  expect(await world.service.stop()).toEqual({ lostItems: 0 });
  expect(world.take()).toEqual([]);
});

test.each(["extension ext/b", "exporter queued/2", "connector fwd", "receiver in/1"])(
  "a failing start of %s is named, and what started is stopped in order",
  async (name) => {
    const world = new World();
    world.failStart.add(name);
    const [kind, id] = name.split(" ");
    await expect(world.start(yaml)).rejects.toMatchObject({
      code: "START_FAILED",
      message: `cannot start "${id}" ${kind}: BUG: will not start`,
    });
    const events = world.take();
    const started = events.filter((event) => event.startsWith("start"));
    expect(started.at(-1)).toBe(`start ${name}`);
    expect(kindsOf(started)).toEqual(startOrder.slice(0, started.length));
    const stopped = events.filter((event) => event.startsWith("stop"));
    expect(kindsOf(stopped)).toEqual(startOrder.toReversed());
    expect([...world.alive.values()].every((count) => count === 0)).toBe(true);
    expect(world.service.view.isReady()).toBe(false);
    expect(world.budget.usedBytes).toBe(0);
    await expect(world.reload(yaml)).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  },
);

test("a component that cannot be created is named, nothing is started", async () => {
  const world = new World();
  world.failCreate.add("processor pass/y");
  await expect(world.start(yaml)).rejects.toThrow(
    'failed to create "pass/y" processor: BUG: will not be created',
  );
  expect(world.take().filter((event) => event.startsWith("start"))).toEqual([]);
  // Their series are gone with them: nothing reads a component that never ran.
  expect(world.metric("otelcol_exporter_queue_capacity", { exporter: "queued/2" })).toBeNaN();
});

test("what is left when the shutdown timeout has passed is logged, counted and reported", async () => {
  const world = new World({ shutdownTimeoutMs: 1000 });
  world.backend("queued/2").error = notNow();
  await world.start(yaml);
  await world.send("in/2", "a", "b", "c");
  const stopped = world.service.stop();
  await world.clock.advance(999);
  expect(world.events.filter((event) => event.includes("extension"))).toHaveLength(2);
  await world.clock.advance(1);
  expect(await stopped).toEqual({ lostItems: 3 });
  expect(world.log.join("\n")).toContain("Shutdown timed out. Dropping data");
  expect(kindsOf(world.take().filter((event) => event.startsWith("stop")))).toEqual(
    startOrder.toReversed(),
  );
  expect(world.budget.usedBytes).toBe(0);
});

test("a pipeline whose backend is dead does not use up the time of another", async () => {
  const world = new World({ shutdownTimeoutMs: 1000 });
  world.backend("direct/dead").error = notNow();
  await world.start(`
receivers: { in/1: , in/2: }
processors: { batch: { timeout: 1h } }
exporters: { direct/dead: , direct/good: }
service:
  pipelines:
    logs/dead: { receivers: [in/1], processors: [batch], exporters: [direct/dead] }
    logs/good: { receivers: [in/2], processors: [batch], exporters: [direct/good] }
`);
  await world.send("in/1", "lost");
  await world.send("in/2", "kept");
  const stopped = world.service.stop();
  await world.clock.advance(1000);
  expect(await stopped).toEqual({ lostItems: 1 });
  expect(world.backend("direct/good").taken).toEqual(["kept"]);
});

test("a component that never stops is left behind after the timeout, and what it holds is counted", async () => {
  const world = new World({ shutdownTimeoutMs: 1000 });
  const backend = world.backend("direct/1");
  backend.isHanging = true;
  backend.ignoresAbort = true;
  world.hangStop.add("receiver in/1");
  await world.start(`
receivers: { in/1: }
processors: { batch: { timeout: 0s } }
exporters: { direct/1: }
service: { pipelines: { logs: { receivers: [in/1], processors: [batch], exporters: [direct/1] } } }
`);
  await world.send("in/1", "a");
  await world.clock.advance(0);
  expect(backend.pushes).toBe(1);
  const stopped = world.service.stop();
  await world.clock.advance(10_000);
  expect(await stopped).toEqual({ lostItems: 1 });
  expect(world.log.join("\n")).toMatch(/did not stop in time and is left behind.*in\/1/u);
  expect(world.log.join("\n")).toMatch(/did not stop in time and is left behind.*direct\/1/u);
});

test("a component that fails to stop keeps no other from stopping", async () => {
  const world = new World();
  await world.start(yaml);
  const { view } = world.service;
  expect(view.components().every(({ status }) => status.state === "ok")).toBe(true);
  world.hangStop.add("extension ext/b");
  const stopped = world.service.stop();
  await world.clock.advance(60_000);
  await stopped;
  expect(world.take().at(-1)).toBe("stop extension ext/a");
});

test("data that waits in a fan-out's branch is delivered at the end", async () => {
  const world = new World();
  const bad = world.backend("direct/bad");
  bad.error = notNow();
  await world.start(`
receivers: { in: }
exporters: { direct/good: , direct/bad: }
service: { pipelines: { logs: { receivers: [in], exporters: [direct/good, direct/bad] } } }
`);
  await world.send("in", "a");
  expect(world.backend("direct/good").taken).toEqual(["a"]);
  const stopped = world.service.stop();
  await world.clock.advance(500);
  bad.error = undefined;
  await world.clock.advance(500);
  expect(await stopped).toEqual({ lostItems: 0 });
  expect(bad.taken).toEqual(["a"]);
  expect(world.backend("direct/good").taken).toEqual(["a"]);
  expect(world.budget.usedBytes).toBe(0);
});
