import { beforeEach, describe, expect, test } from "@jest/globals";
import { BatchStage } from "../../../processors/batch/batch.ts";
import { config } from "../../../processors/batch/config.ts";
import type { Context } from "../../../src/component.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { statusOf } from "../../../src/net/rpc-status.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { ScriptedEdge } from "../../support/scripted-edge.ts";
import { type TestSettings, testBudget, testSettings } from "../../support/settings.ts";

const context: Context = { receivedMs: 1 };
const never = new AbortController().signal;
const notNow = () => new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });
const no = () => new TelemetryError("BACKEND_REJECTED", "no", { retryable: false });

let clock: FakeClock;
let next: ScriptedEdge;
let settings: TestSettings;
let stage: BatchStage;

function create(options: Record<string, unknown>): void {
  clock = new FakeClock();
  const budget = testBudget();
  next = new ScriptedEdge(budget);
  settings = testSettings({ id: "batch", clock, budget });
  stage = new BatchStage({ config: config.parse(options), settings, next });
}

/** One request of so many records, named a0, a1 … */
const request = (name: string, items: number) =>
  logsPayload(Array.from({ length: items }, (_, i) => `${name}${i}`));

const send = (name: string, items = 1, ctx: Context = context) =>
  stage.consume(request(name, items), ctx);
const usedBytes = () => settings.budget.usedBytes;
const labels = { processor: "batch" };

describe("when a batch is sent", () => {
  test("after the timeout, whatever its size; the timer starts with the first item", async () => {
    create({ timeout: "200ms" });
    await clock.advance(1000);
    await send("a");
    await clock.advance(150);
    await send("b");
    await clock.advance(49);
    expect(next.taken).toEqual([]);
    await clock.advance(1);
    expect(next.taken).toEqual(["a0", "b0"]);
    expect(next.sizes).toEqual([2]);
    expect(clock.pending).toBe(0);
    expect(settings.meter.value("otelcol_processor_batch_timeout_trigger_send", labels)).toBe(1);
    expect(settings.meter.value("otelcol_processor_batch_batch_size_trigger_send", labels)).toBe(0);
  });

  test("at once when send_batch_size is reached; all of it, where there is no largest size", async () => {
    create({ timeout: "10s", send_batch_size: 5 });
    await send("a", 4);
    await clock.advance(0);
    expect(next.sizes).toEqual([]);
    await send("b", 7);
    await clock.advance(0);
    expect(next.sizes).toEqual([11]);
    // The timer of what was sent is gone: the next batch has its whole time.
    await clock.advance(9000);
    await send("c");
    await clock.advance(9000);
    expect(next.sizes).toEqual([11]);
    await clock.advance(1000);
    expect(next.sizes).toEqual([11, 1]);
    expect(settings.meter.value("otelcol_processor_batch_batch_size_trigger_send", labels)).toBe(1);
    expect(settings.meter.value("otelcol_processor_batch_batch_send_size", labels)).toBe(2);
  });

  test.each([
    // items, sizes sent by the size trigger, sent by the timeout
    [25, [10, 10], [5]],
    [20, [10, 10], []],
    [9, [], [9]],
    [11, [10], [1]],
  ])("%i items with sizes of 10: the rest waits for more", async (items, atOnce, later) => {
    create({ timeout: "1s", send_batch_size: 10, send_batch_max_size: 10 });
    await send("a", items);
    await clock.advance(999);
    expect(next.sizes).toEqual(atOnce);
    await clock.advance(1);
    expect(next.sizes).toEqual([...atOnce, ...later]);
    expect(next.taken).toEqual(bodiesOf(request("a", items)));
    expect(usedBytes()).toBe(0);
  });

  test("a last piece of at least send_batch_size is sent too", async () => {
    create({ timeout: "1s", send_batch_size: 10, send_batch_max_size: 15 });
    await send("a", 42);
    await clock.advance(0);
    expect(next.sizes).toEqual([15, 15, 12]);
    await send("b", 38);
    await clock.advance(0);
    expect(next.sizes).toEqual([15, 15, 12, 15, 15]);
    await send("c", 2);
    await clock.advance(0);
    // The rest of 8 and 2 more are a batch again.
    expect(next.sizes).toEqual([15, 15, 12, 15, 15, 10]);
    expect(clock.pending).toBe(0);
  });

  test.each([
    ["timeout 0", { timeout: "0s", send_batch_size: 10, send_batch_max_size: 10 }],
    ["send_batch_size 0", { timeout: "1s", send_batch_size: 0, send_batch_max_size: 10 }],
  ])("%s: nothing waits, large requests are split", async (_name, options) => {
    create(options);
    await send("a", 3);
    await send("b", 25);
    await clock.advance(0);
    expect(next.sizes).toEqual([3, 10, 10, 5]);
    expect(clock.pending).toBe(0);
    expect(settings.meter.value("otelcol_processor_batch_batch_size_trigger_send", labels)).toBe(4);
  });

  test("the seams of the requests stay, through joining and cutting", async () => {
    create({ timeout: "1s", send_batch_size: 4, send_batch_max_size: 4 });
    await send("a", 1);
    await send("b", 1);
    await send("c", 4);
    await clock.advance(1000);
    expect(next.payloads.map(({ seams }) => [...seams])).toEqual([[0, 1, 2], [0]]);
    expect(next.payloads.map(({ partItems }) => [...partItems])).toEqual([[1, 1, 2], [2]]);
    expect(next.taken).toEqual(["a0", "b0", "c0", "c1", "c2", "c3"]);
  });

  test("the context of a batch is that of its oldest item, without the sender's deadline", async () => {
    create({ timeout: "1s" });
    await send("a", 1, { receivedMs: 7, deadlineMs: 9, metadata: new Map([["x", ["1"]]]) });
    await send("b", 1, { receivedMs: 8 });
    await clock.advance(1000);
    await send("c", 1, { receivedMs: 2000 });
    await clock.advance(1000);
    expect(next.contexts).toEqual([
      { receivedMs: 7, metadata: undefined },
      { receivedMs: 2000, metadata: undefined },
    ]);
  });
});

describe("metadata_keys", () => {
  const by = (metadata: Record<string, string[]>): Context => ({
    receivedMs: 1,
    metadata: new Map(Object.entries(metadata)),
  });

  test("one batch for each combination of values, with these keys and no others", async () => {
    create({ timeout: "1s", metadata_keys: ["Tenant", "region"] });
    await send("a", 1, by({ tenant: ["x"], region: ["eu"], token: ["secret"] }));
    await send("b", 1, by({ tenant: ["y"], region: ["eu"] }));
    await send("c", 1, by({ region: ["eu"], tenant: ["x"] }));
    await send("d", 1, by({ tenant: ["x", "y"] }));
    // An empty value and none differ.
    await send("e", 1, by({ tenant: [""] }));
    await send("f", 1, by({}));
    await clock.advance(1000);
    expect(next.payloads.map(bodiesOf)).toEqual([["a0", "c0"], ["b0"], ["d0"], ["e0"], ["f0"]]);
    expect(next.contexts[0]!.metadata).toEqual(
      new Map([
        ["region", ["eu"]],
        ["tenant", ["x"]],
      ]),
    );
    expect(next.contexts[4]!.metadata).toEqual(new Map());
    expect(settings.meter.value("otelcol_processor_batch_metadata_cardinality", labels)).toBe(5);
  });

  test("a batch of one combination does not wait for another's size", async () => {
    create({ timeout: "1s", send_batch_size: 2, metadata_keys: ["tenant"] });
    await send("a", 1, by({ tenant: ["x"] }));
    await send("b", 1, by({ tenant: ["y"] }));
    await clock.advance(10);
    expect(next.sizes).toEqual([]);
    await send("c", 1, by({ tenant: ["y"] }));
    await clock.advance(0);
    expect(next.payloads.map(bodiesOf)).toEqual([["b0", "c0"]]);
  });

  test("one combination too many is refused for good, with the Collector's text and code", async () => {
    create({ timeout: "1s", metadata_keys: ["tenant"], metadata_cardinality_limit: 2 });
    await send("a", 1, by({ tenant: ["x"] }));
    await send("b", 1, by({ tenant: ["y"] }));
    const third = by({ tenant: ["z"] });
    const error = (await send("c", 1, third).catch((e: unknown) => e)) as TelemetryError;
    expect(error).toMatchObject({ code: "METADATA_LIMIT", retryable: false });
    // receiver/otlpreceiver/internal/errors: permanent without a status is INTERNAL.
    expect(statusOf(error)).toEqual({
      code: 13,
      message: "Permanent error: too many batcher metadata-value combinations",
    });
    expect(stage.ready(request("c", 1), third)).toMatchObject({ code: "METADATA_LIMIT" });
    // Those that are known go on, also when they are empty.
    await clock.advance(1000);
    await send("d", 1, by({ tenant: ["x"] }));
    await clock.advance(1000);
    expect(next.taken).toEqual(["a0", "b0", "d0"]);
    expect(usedBytes()).toBe(0);
  });

  test("metadata_cardinality_limit 0 is no limit; without keys the cardinality is one", async () => {
    create({ timeout: "0s", metadata_keys: ["tenant"], metadata_cardinality_limit: 0 });
    for (let i = 0; i < 1500; i++) await send("a", 1, by({ tenant: [String(i)] }));
    await clock.advance(0);
    expect(next.taken).toHaveLength(1500);
    create({});
    expect(settings.meter.value("otelcol_processor_batch_metadata_cardinality", labels)).toBe(1);
  });
});

describe("what it took it keeps", () => {
  beforeEach(() => {
    create({ timeout: "0s" });
  });

  test("a batch that is refused retryably is handed over again, with growing waits, in order", async () => {
    next.refusal = notNow();
    await send("a");
    await send("b");
    await clock.advance(0);
    expect(next.calls).toBe(1);
    for (const [waitMs, calls] of [
      [100, 2],
      [199, 2],
      [1, 3],
      [400, 4],
      [800, 5],
      [1600, 6],
      [3200, 7],
      // 5 s are the longest wait.
      [4999, 7],
      [1, 8],
      [5000, 9],
    ] as const) {
      await clock.advance(waitMs);
      expect(next.calls).toBe(calls);
    }
    expect(stage.held().items).toBe(2);
    next.refusal = undefined;
    await clock.advance(5000);
    expect(next.taken).toEqual(["a0", "b0"]);
    expect(stage.held()).toEqual({ items: 0, bytes: 0 });
    expect(usedBytes()).toBe(0);
  });

  test("waits as long as the next component asks for", async () => {
    next.refusal = new TelemetryError("BUDGET_FULL", "full", {
      retryable: true,
      retryAfterMs: 3000,
    });
    await send("a");
    await clock.advance(2999);
    expect(next.calls).toBe(1);
    await clock.advance(1);
    expect(next.calls).toBe(2);
  });

  test("a batch that is refused for good is dropped and counted, those behind it go on", async () => {
    next.refusal = no();
    await send("a", 3);
    await clock.advance(0);
    next.refusal = undefined;
    await send("b");
    await clock.advance(0);
    expect(next.taken).toEqual(["b0"]);
    expect(settings.dropped).toEqual(new Map([["rejected", 3]]));
    expect(usedBytes()).toBe(0);
    expect(settings.meter.value("otelcol_processor_batch_batch_send_size", labels)).toBe(1);
  });

  test("while ten full batches wait, new input is refused retryably and is not booked", async () => {
    create({ timeout: "1s", send_batch_size: 1 });
    next.refusal = notNow();
    for (let i = 0; i < 10; i++) await send(`a${i}-`);
    await clock.advance(0);
    const before = usedBytes();
    await expect(send("late")).rejects.toMatchObject({ code: "NOT_READY", retryable: true });
    expect(stage.ready(request("late", 1), context)).toMatchObject({ code: "NOT_READY" });
    expect(usedBytes()).toBe(before);
    expect(stage.held().items).toBe(10);
    next.refusal = undefined;
    await clock.advance(200);
    expect(next.taken).toHaveLength(10);
    expect(stage.ready(request("late", 1), context)).toBeUndefined();
  });

  test("many small requests at once are no reason to refuse", async () => {
    for (let i = 0; i < 1000; i++) void send(`a${i}-`);
    await clock.advance(0);
    expect(next.taken).toHaveLength(1000);
  });

  test("a next component that throws something foreign costs the batch, not the stage", async () => {
    next.consume = () => Promise.reject(new Error("defect"));
    await send("a");
    await clock.advance(0);
    expect(settings.dropped).toEqual(new Map([["rejected", 1]]));
    expect(usedBytes()).toBe(0);
  });

  test("what is on its way is in the budget once, not twice", async () => {
    next.isSlow = true;
    const payload = request("a", 5);
    await stage.consume(payload, context);
    await clock.advance(0);
    expect(next.waiting).toBe(1);
    expect(usedBytes()).toBe(payload.heldBytes);
    expect(stage.held()).toEqual({ items: 5, bytes: payload.heldBytes });
    next.refusal = notNow();
    next.answer();
    await clock.advance(0);
    expect(usedBytes()).toBe(payload.heldBytes);
  });
});

describe("the end", () => {
  test("shutdown sends what is open, and refuses new input retryably", async () => {
    create({ timeout: "1h" });
    await send("a", 3);
    await stage.shutdown(never);
    expect(next.taken).toEqual(["a0", "a1", "a2"]);
    expect(clock.pending).toBe(0);
    await expect(send("b")).rejects.toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
    await stage.shutdown(never);
    expect(usedBytes()).toBe(0);
  });

  test("shutdown does not sit out the wait for the next attempt, and tries until the time is up", async () => {
    create({ timeout: "0s" });
    next.refusal = notNow();
    await send("a");
    await clock.advance(20_000);
    const calls = next.calls;
    const abort = new AbortController();
    const stopped = stage.shutdown(abort.signal);
    await clock.advance(0);
    expect(next.calls).toBe(calls + 1);
    await clock.advance(5000);
    expect(next.calls).toBe(calls + 2);
    abort.abort(new Error("time is up"));
    await stopped;
    expect(settings.dropped).toEqual(new Map([["shutdown", 1]]));
    expect(stage.held()).toEqual({ items: 0, bytes: 0 });
    expect(usedBytes()).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test.each([
    ["accepted", undefined, ["a0"], []],
    ["refused", notNow(), [], [["shutdown", 1]]],
  ] as const)(
    "what is on its way when the time is up counts as what becomes of it: %s",
    async (_name, answer, taken, dropped) => {
      create({ timeout: "0s" });
      next.isSlow = true;
      await send("a");
      await send("b");
      await clock.advance(0);
      await stage.shutdown(AbortSignal.abort());
      expect(settings.dropped).toEqual(new Map([["shutdown", 1]]));
      settings.dropped.clear();
      next.refusal = answer;
      next.answer();
      await clock.advance(10_000);
      expect(next.taken).toEqual(taken);
      expect([...settings.dropped]).toEqual(dropped);
      expect(stage.held()).toEqual({ items: 0, bytes: 0 });
      expect(usedBytes()).toBe(0);
    },
  );

  test("surrender gives everything to the successor, oldest first, and sends nothing more", async () => {
    create({ timeout: "1h", send_batch_size: 2, metadata_keys: ["tenant"] });
    const tenant = (value: string): Context => ({
      receivedMs: 5,
      metadata: new Map([["tenant", [value]]]),
    });
    next.refusal = notNow();
    await send("a", 2, tenant("x"));
    await send("b", 2, tenant("y"));
    await send("c", 1, tenant("y"));
    await clock.advance(10);
    next.refusal = undefined;
    const given = await stage.surrender();
    expect(given.flatMap(({ payload }) => bodiesOf(payload))).toEqual([
      "a0",
      "a1",
      "b0",
      "b1",
      "c0",
    ]);
    expect(given.map(({ context: { metadata } }) => metadata?.get("tenant"))).toEqual([
      ["x"],
      ["y"],
      ["y"],
    ]);
    expect(next.taken).toEqual([]);
    expect(usedBytes()).toBe(0);
    expect(stage.held()).toEqual({ items: 0, bytes: 0 });
    expect(clock.pending).toBe(0);
    expect(await stage.surrender()).toEqual([]);
    await stage.shutdown(never);
    expect(settings.dropped.size).toBe(0);
  });

  test.each([
    ["accepted: it is not given again", undefined, ["b0"]],
    ["refused retryably: it is given", notNow(), ["a0", "b0"]],
  ] as const)("surrender waits for what is on its way; %s", async (_name, answer, expected) => {
    create({ timeout: "0s" });
    next.isSlow = true;
    await send("a");
    await send("b");
    await clock.advance(0);
    const surrendered = stage.surrender();
    next.refusal = answer;
    next.answer();
    const given = await surrendered;
    expect(given.flatMap(({ payload }) => bodiesOf(payload))).toEqual(expected);
    expect(usedBytes()).toBe(0);
  });
});
