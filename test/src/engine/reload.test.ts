import { beforeEach, describe, expect, test } from "@jest/globals";
import { notNow, World } from "./recording-world.ts";

let world: World;

beforeEach(() => {
  world = new World();
});

/** One pipeline for logs; a body of `{ v: 1 }` and `{ v: 2 }` makes a component another one. */
const line = (parts: {
  receivers?: string;
  processors?: string;
  exporters?: string;
  connectors?: string;
  extensions?: string;
  pipelines: string;
}) => `
extensions: { ${parts.extensions ?? ""} }
receivers: { ${parts.receivers ?? "in: "} }
processors: { ${parts.processors ?? ""} }
exporters: { ${parts.exporters ?? "direct: "} }
connectors: { ${parts.connectors ?? ""} }
service:
  extensions: [${[...(parts.extensions ?? "").matchAll(/ext\/\w/gu)].join(", ")}]
  pipelines: { ${parts.pipelines} }
`;

const edge = (to: string) => world.service.view.edges().filter((one) => one.to === to);
const heldItems = () =>
  world.service.view.edges().reduce((sum, { heldItems: items }) => sum + items, 0) +
  world.service.view.components().reduce((sum, { held }) => sum + held.items, 0);

describe("what did not change", () => {
  test("lives on: no stop, no start, its counts go on", async () => {
    const yaml = line({ pipelines: "logs: { receivers: [in], exporters: [direct] }" });
    await world.start(yaml);
    await world.send("in", "a", "b");
    world.take();
    await world.reload(yaml);
    await world.reload(
      line({
        exporters: "direct: , direct/2: ",
        pipelines: "logs: { receivers: [in], exporters: [direct, direct/2] }",
      }),
    );
    expect(world.take()).toEqual(["start exporter direct/2"]);
    await world.send("in", "c");
    expect(edge("direct")).toMatchObject([{ items: 3, requests: 2 }]);
    expect(edge("direct/2")).toMatchObject([{ items: 1 }]);
    expect(world.backend("direct").taken).toEqual(["a", "b", "c"]);
    expect(world.metric("otelcol_exporter_sent_log_records", { exporter: "direct" })).toBe(3);
    expect(world.metric("otelcol_receiver_accepted_log_records", { receiver: "in" })).toBe(3);
  });

  test("keeps what it holds, while what stands before and behind it is replaced", async () => {
    const yaml = (v: number) =>
      line({
        receivers: `in: { v: ${v} }`,
        processors: "batch: { timeout: 1s }",
        exporters: `direct: { v: ${v} }`,
        pipelines: "logs: { receivers: [in], processors: [batch], exporters: [direct] }",
      });
    await world.start(yaml(1));
    await world.send("in", "a");
    await world.reload(yaml(2));
    expect(world.backend("direct").taken).toEqual([]);
    await world.send("in", "b");
    await world.clock.advance(1000);
    expect(world.backend("direct").taken).toEqual(["a", "b"]);
    expect(edge("batch")).toMatchObject([{ items: 2 }]);
    expect(edge("direct")).toMatchObject([{ items: 2 }]);
    expect(world.metric("otelcol_processor_incoming_items", { processor: "batch" })).toBe(2);
    expect(world.metric("otelcol_exporter_sent_log_records", { exporter: "direct" })).toBe(2);
    expect(world.budget.usedBytes).toBe(0);
  });
});

describe("what is replaced", () => {
  test("a batch gives what it holds to its successor", async () => {
    const yaml = (timeout: string) =>
      line({
        processors: `batch: { timeout: ${timeout} }`,
        pipelines: "logs: { receivers: [in], processors: [batch], exporters: [direct] }",
      });
    await world.start(yaml("1h"));
    await world.send("in", "a");
    await world.send("in", "b");
    await world.reload(yaml("1s"));
    await world.clock.advance(0);
    expect(world.backend("direct").taken).toEqual([]);
    expect(heldItems()).toBe(2);
    await world.clock.advance(1000);
    expect(world.backend("direct").taken).toEqual(["a", "b"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a queue goes to the exporter's successor, in order, also where it does not fit", async () => {
    const yaml = (size: number) =>
      line({
        exporters: `queued: { sending_queue: { queue_size: ${size}, num_consumers: 1 } }`,
        pipelines: "logs: { receivers: [in], exporters: [queued] }",
      });
    const backend = world.backend("queued");
    backend.error = notNow();
    await world.start(yaml(10));
    for (const name of "abcdefg") await world.send("in", name);
    await world.reload(yaml(2));
    // Two in the queue, five wait before it.
    expect(heldItems()).toBe(7);
    await expect(world.send("in", "h")).rejects.toMatchObject({ code: "QUEUE_FULL" });
    backend.error = undefined;
    await world.clock.advance(60_000);
    expect(backend.taken).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
    expect(heldItems()).toBe(0);
    expect(world.budget.usedBytes).toBe(0);
    expect(world.metric("otelcol_exporter_sent_log_records", { exporter: "queued" })).toBe(7);
  });

  test("what waits before a small queue moves on at the next reload, and is delivered at the end", async () => {
    const yaml = (size: number) =>
      line({
        exporters: `queued: { sending_queue: { queue_size: ${size}, num_consumers: 1 } }`,
        pipelines: "logs: { receivers: [in], exporters: [queued] }",
      });
    const backend = world.backend("queued");
    backend.error = notNow();
    await world.start(yaml(10));
    for (const name of "abcdef") await world.send("in", name);
    await world.reload(yaml(2));
    await world.reload(yaml(1));
    expect(heldItems()).toBe(6);
    const stopped = world.service.stop();
    await world.clock.advance(100);
    backend.error = undefined;
    await world.clock.advance(20_000);
    expect(await stopped).toEqual({ lostItems: 0 });
    expect(backend.taken.toSorted()).toEqual(["a", "b", "c", "d", "e", "f"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("and if the time is up before, that is counted", async () => {
    const yaml = (size: number) =>
      line({
        exporters: `queued: { sending_queue: { queue_size: ${size}, num_consumers: 1 } }`,
        pipelines: "logs: { receivers: [in], exporters: [queued] }",
      });
    world.backend("queued").error = notNow();
    await world.start(yaml(10));
    for (const name of "abcdef") await world.send("in", name);
    await world.reload(yaml(2));
    const stopped = world.service.stop();
    await world.clock.advance(30_000);
    expect(await stopped).toEqual({ lostItems: 6 });
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a receiver: the old one has stopped before the new one starts", async () => {
    const yaml = (v: number) =>
      line({
        receivers: `in: { v: ${v} }`,
        pipelines: "logs: { receivers: [in], exporters: [direct] }",
      });
    await world.start(yaml(1));
    world.take();
    await world.reload(yaml(2));
    expect(world.take()).toEqual(["stop receiver in", "start receiver in"]);
    await world.send("in", "a");
    expect(world.backend("direct").taken).toEqual(["a"]);
  });

  test("what a branch of a replaced sender still keeps is delivered to the same destination", async () => {
    const yaml = (v: number) =>
      line({
        receivers: `in: { v: ${v} }`,
        exporters: "direct/good: , direct/bad: ",
        pipelines: "logs: { receivers: [in], exporters: [direct/good, direct/bad] }",
      });
    const bad = world.backend("direct/bad");
    bad.error = notNow();
    await world.start(yaml(1));
    await world.send("in", "a");
    await world.reload(yaml(2));
    expect(heldItems()).toBe(1);
    bad.error = undefined;
    await world.clock.advance(10_000);
    expect(bad.taken).toEqual(["a"]);
    expect(world.backend("direct/good").taken).toEqual(["a"]);
    expect(edge("direct/bad")).toMatchObject([{ items: 1, refusedItems: 1, heldItems: 0 }]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("an exporter that no longer takes a signal flushes what it holds of it", async () => {
    const queue = "sending_queue: { num_consumers: 1 }, timeout: ";
    const backend = world.backend("queued");
    backend.error = notNow();
    await world.start(
      line({
        exporters: `queued: { ${queue} 1s }`,
        pipelines:
          "logs: { receivers: [in], exporters: [queued] }, traces: { receivers: [in], exporters: [queued] }",
      }),
    );
    await world.send("in", "a");
    const reloaded = world.reload(
      line({
        exporters: `queued: { ${queue} 2s }`,
        pipelines: "traces: { receivers: [in], exporters: [queued] }",
      }),
    );
    await world.clock.advance(1000);
    backend.error = undefined;
    await world.clock.advance(10_000);
    await reloaded;
    expect(backend.taken).toEqual(["a"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("one connector with two outputs: each keeps its own branch", async () => {
    const yaml = (v: number) =>
      line({
        receivers: `in: { v: ${v} }`,
        exporters: "direct/logs: , direct/metrics: ",
        connectors: "fwd: ",
        pipelines: `logs: { receivers: [in], exporters: [fwd] },
          logs/out: { receivers: [fwd], exporters: [direct/logs] },
          metrics: { receivers: [fwd], exporters: [direct/metrics] }`,
      });
    await world.start(yaml(1));
    await world.send("in", "a");
    await world.reload(yaml(2));
    await world.send("in", "b");
    expect(world.backend("direct/logs").taken).toEqual(["a", "b"]);
    // The connector hands logs on as they are; what matters is that they come once.
    expect(world.backend("direct/metrics").taken).toEqual(["a", "b"]);
    expect(edge("fwd")).toMatchObject([{ items: 2 }, { items: 2 }]);
  });
});

describe("what is removed", () => {
  test("an exporter delivers the rest of its queue beside the new graph", async () => {
    const old = world.backend("queued/old");
    old.error = notNow();
    await world.start(
      line({
        exporters: "queued/old: ",
        pipelines: "logs: { receivers: [in], exporters: [queued/old] }",
      }),
    );
    await world.send("in", "a");
    await world.reload(
      line({
        exporters: "queued/new: ",
        pipelines: "logs: { receivers: [in], exporters: [queued/new] }",
      }),
    );
    await world.send("in", "b");
    await world.clock.advance(0);
    expect(world.backend("queued/new").taken).toEqual(["b"]);
    expect(heldItems()).toBe(1);
    old.error = undefined;
    await world.clock.advance(2000);
    expect(old.taken).toEqual(["a"]);
    expect(world.alive.get("exporter queued/old")).toBe(0);
    expect(world.service.view.components().map(({ id }) => id.text)).not.toContain("queued/old");
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a branch of a fan-out delivers what it keeps", async () => {
    const bad = world.backend("direct/bad");
    bad.error = notNow();
    await world.start(
      line({
        exporters: "direct/good: , direct/bad: ",
        pipelines:
          "logs: { receivers: [in], exporters: [direct/good, direct/bad] }, logs/2: { receivers: [in], exporters: [direct/bad] }",
      }),
    );
    await world.send("in", "a");
    expect(heldItems()).toBe(2);
    await world.reload(
      line({
        exporters: "direct/good: , direct/bad: ",
        pipelines:
          "logs: { receivers: [in], exporters: [direct/good] }, logs/2: { receivers: [in], exporters: [direct/bad] }",
      }),
    );
    bad.error = undefined;
    await world.clock.advance(10_000);
    expect(bad.taken).toEqual(["a", "a"]);
    expect(heldItems()).toBe(0);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a branch of a fan-out moves on to the exporter's successor, and is counted at the end", async () => {
    const yaml = (v: number, isTwice: boolean) =>
      line({
        exporters: `direct/good: , direct/bad: { v: ${v} }`,
        pipelines: `logs: { receivers: [in], exporters: [direct/good${isTwice ? ", direct/bad" : ""}] }, logs/2: { receivers: [in], exporters: [direct/bad] }`,
      });
    const bad = world.backend("direct/bad");
    bad.error = notNow();
    await world.start(yaml(1, true));
    await world.send("in", "a");
    await world.reload(yaml(2, false));
    await world.reload(yaml(3, false));
    expect(edge("direct/bad").map(({ pipeline, heldItems: items }) => [pipeline, items])).toEqual([
      ["logs/2", 1],
      ["logs", 1],
    ]);
    const stopped = world.service.stop();
    await world.clock.advance(30_000);
    expect(await stopped).toEqual({ lostItems: 2 });
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a batch gives what it holds to what stands behind it, without waiting for a dead backend", async () => {
    const backend = world.backend("direct");
    backend.error = notNow();
    const yaml = (processors: string) =>
      line({
        processors: "batch: { timeout: 0s }, pass: ",
        exporters: "direct: , direct/2: ",
        pipelines: `logs: { receivers: [in], processors: [${processors}], exporters: [direct, direct/2] }`,
      });
    await world.start(yaml("batch, pass"));
    world.backend("direct/2").error = notNow();
    await world.send("in", "a");
    await world.send("in", "b");
    await world.clock.advance(0);
    const reloaded = world.reload(yaml("pass"));
    await world.clock.advance(0);
    await reloaded;
    expect(world.service.view.isReady()).toBe(true);
    backend.error = undefined;
    world.backend("direct/2").error = undefined;
    await world.clock.advance(30_000);
    expect(backend.taken).toEqual(["a", "b"]);
    expect(world.backend("direct/2").taken).toEqual(["a", "b"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a batch flushes into what stands behind it", async () => {
    await world.start(
      line({
        processors: "batch: { timeout: 1h }",
        pipelines: "logs: { receivers: [in], processors: [batch], exporters: [direct] }",
      }),
    );
    await world.send("in", "a");
    await world.reload(line({ pipelines: "logs: { receivers: [in], exporters: [direct] }" }));
    await world.clock.advance(0);
    expect(world.backend("direct").taken).toEqual(["a"]);
    await world.send("in", "b");
    expect(world.backend("direct").taken).toEqual(["a", "b"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("an exporter whose queue is full while a push hangs", async () => {
    const old = world.backend("queued/old");
    old.isHanging = true;
    const exporters =
      "direct: , queued/old: { sending_queue: { queue_size: 1, num_consumers: 1 } }";
    await world.start(
      line({ exporters, pipelines: "logs: { receivers: [in], exporters: [direct, queued/old] }" }),
    );
    await world.send("in", "a");
    await expect(world.send("in", "b")).rejects.toMatchObject({ code: "QUEUE_FULL" });
    await world.reload(line({ pipelines: "logs: { receivers: [in], exporters: [direct] }" }));
    old.release();
    await world.clock.advance(5000);
    expect(old.taken).toEqual(["a"]);
    expect(world.budget.usedBytes).toBe(0);
  });
});

describe("extensions", () => {
  const yaml = (a: number, b: number, uses: string) =>
    line({
      extensions: `ext/a: { v: ${a} }, ext/b: { v: ${b}, uses: [ext/a] }`,
      receivers: "in: ",
      exporters: `direct/1: { uses: [${uses}] }, direct/2: `,
      pipelines: "logs: { receivers: [in], exporters: [direct/1, direct/2] }",
    });

  test("a changed one is replaced with all that use it, directly or through another; the rest lives on", async () => {
    await world.start(yaml(1, 1, "ext/b"));
    world.take();
    await world.reload(yaml(2, 1, "ext/b"));
    expect(world.take()).toEqual([
      "stop exporter direct/1",
      "stop extension ext/b",
      "stop extension ext/a",
      "start extension ext/a",
      "start extension ext/b",
      "start exporter direct/1",
    ]);
  });

  test("one that nobody uses is replaced alone, an unchanged one is carried over", async () => {
    await world.start(yaml(1, 1, "ext/a"));
    world.take();
    await world.reload(yaml(1, 2, "ext/a"));
    expect(world.take()).toEqual(["stop extension ext/b", "start extension ext/b"]);
  });

  test("a removed one stops after the removed exporter that still needs it", async () => {
    const old = world.backend("queued");
    old.error = notNow();
    await world.start(
      line({
        extensions: "ext/a: ",
        exporters: "queued: { uses: [ext/a] }",
        pipelines: "logs: { receivers: [in], exporters: [queued] }",
      }),
    );
    await world.send("in", "a");
    world.take();
    await world.reload(line({ pipelines: "logs: { receivers: [in], exporters: [direct] }" }));
    expect(world.take()).toEqual(["start exporter direct"]);
    old.error = undefined;
    await world.clock.advance(5000);
    expect(old.taken).toEqual(["a"]);
    expect(world.take()).toEqual(["stop exporter queued", "stop extension ext/a"]);
  });
});

describe("a reload that fails", () => {
  const yaml = (v: number, more = "") =>
    line({
      extensions: `ext/a: { v: ${v} }, ext/b: `,
      receivers: `in: { v: ${v} }, in/steady: ${more}`,
      processors: `pass: { v: ${v} }, batch: { timeout: ${v}h }`,
      exporters: `queued: { v: ${v}, uses: [ext/a] }, direct: { v: ${v} }`,
      pipelines:
        "logs: { receivers: [in, in/steady], processors: [pass, batch], exporters: [queued, direct] }",
    });

  test.each([
    "extension ext/a",
    "exporter queued",
    "exporter direct",
    "processor pass",
    "receiver in",
  ])("because %s does not start puts the old graph back; nothing held is lost", async (name) => {
    const queued = world.backend("queued");
    queued.error = notNow();
    await world.start(yaml(1));
    await world.send("in", "in-batch");
    await world.send("in/steady", "in-batch-2");
    world.failNextStart.add(name);
    const [kind, id] = name.split(" ");
    await expect(world.reload(yaml(2))).rejects.toThrow(`cannot start "${id}" ${kind}`);
    expect(world.log.join("\n")).toContain("going back to the configuration that ran before");
    expect([...world.alive.values()].every((count) => count === 1)).toBe(true);
    expect(world.service.view.isReady()).toBe(true);
    await world.clock.advance(0);
    expect(heldItems()).toBe(2);
    queued.error = undefined;
    await world.send("in", "after");
    await world.send("in/steady", "after-2");
    expect(await world.service.stop()).toEqual({ lostItems: 0 });
    const expected = ["in-batch", "in-batch-2", "after", "after-2"];
    expect(queued.taken).toEqual(expected);
    expect(world.backend("direct").taken).toEqual(expected);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("because something cannot be created changes nothing", async () => {
    await world.start(yaml(1));
    await world.send("in", "a");
    world.take();
    world.failCreate.add("receiver in");
    await expect(world.reload(yaml(2))).rejects.toThrow('failed to create "in" receiver');
    // What had been created for it is given up without ever having run.
    expect(world.take().filter((event) => event.startsWith("start"))).toEqual([]);
    expect(heldItems()).toBe(1);
    await world.send("in", "b");
    expect(await world.service.stop()).toEqual({ lostItems: 0 });
    expect(world.backend("direct").taken).toEqual(["a", "b"]);
  });

  test("and whose way back fails leaves the rest running, is not ready, and the next reload mends it", async () => {
    await world.start(yaml(1));
    await world.send("in", "a");
    world.failStart.add("receiver in");
    await expect(world.reload(yaml(2))).rejects.toThrow(
      'cannot go back to the configuration before: cannot start "in" receiver',
    );
    expect(world.service.view.isReady()).toBe(false);
    await world.send("in/steady", "b");
    world.failStart.clear();
    await world.reload(yaml(1));
    expect(world.service.view.isReady()).toBe(true);
    await world.send("in", "c");
    expect(await world.service.stop()).toEqual({ lostItems: 0 });
    expect(world.backend("queued").taken).toEqual(["a", "b", "c"]);
  });

  test("a removed exporter that still delivers is put back as it is", async () => {
    const queued = world.backend("queued");
    queued.error = notNow();
    await world.start(
      line({ exporters: "queued: ", pipelines: "logs: { receivers: [in], exporters: [queued] }" }),
    );
    await world.send("in", "a");
    world.take();
    world.failStart.add("exporter direct");
    await expect(
      world.reload(line({ pipelines: "logs: { receivers: [in], exporters: [direct] }" })),
    ).rejects.toThrow("will not start");
    expect(world.take()).toEqual(["start exporter direct", "stop exporter direct"]);
    await world.send("in", "b");
    queued.error = undefined;
    await world.clock.advance(60_000);
    expect(queued.taken.toSorted()).toEqual(["a", "b"]);
  });
});

describe("while a reload runs", () => {
  const yaml = (v: number) =>
    line({
      exporters: `direct: { v: ${v} }`,
      pipelines: "logs: { receivers: [in], exporters: [direct] }",
    });

  /** A reload that waits for a push of the exporter that it replaces. */
  async function slowReload() {
    const backend = world.backend("direct");
    backend.isHanging = true;
    await world.start(yaml(1));
    const first = world.send("in", "first");
    const reloaded = world.reload(yaml(2));
    await world.clock.advance(0);
    return { backend, first, reloaded };
  }

  test("callers wait, and what waits is in the budget", async () => {
    const { backend, first, reloaded } = await slowReload();
    const before = world.budget.usedBytes;
    const second = world.send("in", "second");
    await world.clock.advance(0);
    expect(world.budget.usedBytes).toBeGreaterThan(before);
    backend.release();
    await Promise.all([first, reloaded, second]);
    expect(backend.taken).toEqual(["first", "second"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("nothing reaches a new component before it runs", async () => {
    await world.start(line({ pipelines: "logs: { receivers: [in], exporters: [direct] }" }));
    const gate = Promise.withResolvers<void>();
    world.slowStart.set("exporter direct/new", gate.promise);
    const reloaded = world.reload(
      line({
        exporters: "direct: , direct/new: ",
        pipelines: "logs: { receivers: [in], exporters: [direct, direct/new] }",
      }),
    );
    await world.clock.advance(0);
    const sent = world.send("in", "a");
    await world.clock.advance(1000);
    expect(world.backend("direct/new").pushes).toBe(0);
    gate.resolve();
    await Promise.all([reloaded, sent]);
    expect(world.backend("direct/new").taken).toEqual(["a"]);
    expect(world.backend("direct").taken).toEqual(["a"]);
  });

  test("callers of a receiver that is stopped again are refused retryably: it waits for them", async () => {
    const two = (v: number) =>
      line({
        receivers: `in/1: { v: ${v} }, in/2: { v: ${v} }`,
        exporters: `direct: { v: ${v} }`,
        pipelines: "logs: { receivers: [in/1, in/2], exporters: [direct] }",
      });
    await world.start(two(1));
    const gate = Promise.withResolvers<void>();
    for (const id of ["in/1", "in/2"]) world.slowStart.set(`receiver ${id}`, gate.promise);
    world.take();
    const reloaded = world.reload(two(2)).catch((error: unknown) => error);
    await world.clock.advance(0);
    const [second] = world.take().slice(-1);
    // One receiver starts before the other fails.
    const first = second === "start receiver in/1" ? "in/1" : "in/2";
    const other = first === "in/1" ? "in/2" : "in/1";
    world.failStart.add(`receiver ${other}`);
    world.slowStart.delete(`receiver ${other}`);
    const failing = Promise.withResolvers<void>();
    world.slowStart.set(`receiver ${other}`, failing.promise);
    gate.resolve();
    await world.clock.advance(0);
    const sent = world.send(first, "waits").catch((error: unknown) => error);
    failing.resolve();
    expect(await sent).toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
    expect(await reloaded).toMatchObject({ code: "START_FAILED" });
    expect(world.backend("direct").taken).toEqual([]);
  });

  test("callers are refused retryably once the budget is full", async () => {
    world = new World({ budgetBytes: 100_000 });
    const { backend, first, reloaded } = await slowReload();
    const waiting: Promise<string>[] = [];
    for (let i = 0; i < 50; i++) {
      const sent = world.send("in", "x".repeat(8000)).then(
        () => "taken",
        ({ code, retryable }: { code: string; retryable: boolean }) => `${code} ${retryable}`,
      );
      waiting.push(sent);
    }
    expect(world.budget.usedBytes).toBeLessThanOrEqual(100_000);
    backend.release();
    const outcomes = await Promise.all(waiting);
    expect(new Set(outcomes)).toEqual(new Set(["taken", "BUDGET_FULL true"]));
    await Promise.all([first, reloaded]);
    expect(backend.taken).toHaveLength(1 + outcomes.filter((o) => o === "taken").length);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("a fan-out before the exchanged part does not refuse", async () => {
    const fan = (v: number) =>
      line({
        processors: "pure: ",
        exporters: `queued: { v: ${v} }, direct: `,
        pipelines:
          "logs: { receivers: [in], processors: [pure], exporters: [queued] }, logs/2: { receivers: [in], exporters: [direct] }",
      });
    const backend = world.backend("queued");
    backend.isHanging = true;
    await world.start(fan(1));
    await world.send("in", "a");
    const reloaded = world.reload(fan(2));
    await world.clock.advance(0);
    const second = world.send("in", "b");
    await world.clock.advance(20_000);
    await Promise.all([reloaded, second]);
    backend.release();
    await world.clock.advance(20_000);
    expect(world.backend("direct").taken).toEqual(["a", "b"]);
    expect(new Set(backend.taken)).toEqual(new Set(["a", "b"]));
  });

  test("a caller that waits for the result gets it from the successor", async () => {
    const waits = (v: number) =>
      line({
        exporters: `queued: { v: ${v}, sending_queue: { wait_for_result: true }, retry_on_failure: { initial_interval: 1s } }`,
        pipelines: "logs: { receivers: [in], exporters: [queued] }",
      });
    const backend = world.backend("queued");
    backend.error = notNow();
    await world.start(waits(1));
    const sent = world.send("in", "a");
    await world.clock.advance(0);
    await world.reload(waits(2));
    backend.error = undefined;
    await world.clock.advance(5000);
    await sent;
    expect(backend.taken).toEqual(["a"]);
    expect(world.budget.usedBytes).toBe(0);
  });

  test("more reloads queue up, in order", async () => {
    const { backend, first, reloaded } = await slowReload();
    const more = [3, 4, 5].map((v) => world.reload(yaml(v)));
    await world.clock.advance(0);
    backend.release();
    await Promise.all([first, reloaded, ...more]);
    expect(world.take().filter((event) => event === "start exporter direct")).toHaveLength(5);
    expect(world.alive.get("exporter direct")).toBe(1);
  });

  test("a shutdown lets it end, and refuses those that have not begun", async () => {
    const { backend, first, reloaded } = await slowReload();
    const late = world.reload(yaml(3));
    const lateOutcome = late.catch((error: unknown) => error);
    await world.clock.advance(0);
    const stopped = world.service.stop();
    backend.release();
    await Promise.all([first, reloaded]);
    expect(await stopped).toEqual({ lostItems: 0 });
    expect(await lateOutcome).toMatchObject({ code: "SHUTTING_DOWN" });
    await expect(world.reload(yaml(4))).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
    expect(world.alive.get("exporter direct")).toBe(0);
  });

  test("a shutdown ends in time although the reload waits for something that never comes", async () => {
    const { backend, first, reloaded } = await slowReload();
    backend.ignoresAbort = true;
    first.catch(() => {});
    reloaded.catch(() => {});
    const stopped = world.service.stop();
    let isStopped = false;
    void stopped.then(() => (isStopped = true));
    await world.clock.advance(24_000);
    expect(isStopped).toBe(false);
    await world.clock.advance(10_000);
    expect(isStopped).toBe(true);
  });
});

test("under load reloads lose nothing, double nothing and refuse nothing", async () => {
  const yaml = (v: number) =>
    line({
      receivers: "in: ",
      processors: `pass: { v: ${v % 2} }, batch: { timeout: ${10 + v}ms, send_batch_size: 3 }, pure: { v: ${v} }`,
      exporters: `queued: { v: ${v}, sending_queue: { queue_size: 100000 } }, direct: { v: ${v % 3} }`,
      pipelines:
        "logs: { receivers: [in], processors: [pass, batch, pure], exporters: [queued, direct] }, logs/2: { receivers: [in], processors: [pure], exporters: [direct] }",
    });
  await world.start(yaml(0));
  let sent = 0;
  let isOver = false;
  const refusals: unknown[] = [];
  const load = async () => {
    while (!isOver) {
      await world.send("in", `n${sent++}`).catch((error: unknown) => refusals.push(error));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const loads = [load(), load(), load()];
  for (let v = 1; v <= 20; v++) {
    const reloaded = world.reload(yaml(v));
    await world.clock.advance(7);
    await reloaded;
  }
  isOver = true;
  await Promise.all(loads);
  const stopped = world.service.stop();
  await world.clock.advance(1000);
  expect(await stopped).toEqual({ lostItems: 0 });
  expect(refusals).toEqual([]);
  const all = Array.from({ length: sent }, (_, i) => `n${i}`).toSorted();
  expect(sent).toBeGreaterThan(50);
  expect(world.backend("queued").taken.toSorted()).toEqual(all);
  expect(world.backend("direct").taken.toSorted()).toEqual([...all, ...all].toSorted());
  expect(world.budget.usedBytes).toBe(0);
});
