import { describe, expect, test } from "@jest/globals";
import type { Payload } from "../../../src/component.ts";
import { logsPayload } from "../../support/payloads.ts";
import {
  errorOf,
  hanging,
  harness,
  joined,
  range,
  rejected,
  unavailable,
  watch,
} from "./support.ts";

const full = { code: "QUEUE_FULL", retryable: true, message: "sending queue is full" };

describe("sending_queue", () => {
  test("answers as soon as the payload is booked, and keeps its bytes in the budget until it is sent", async () => {
    const backend = hanging();
    const { delivery, send, clock, settings } = harness({ script: backend.script });
    await send("a", "b");
    const { bytes, items } = delivery.held();
    expect(items).toBe(2);
    expect(settings.budget.usedBytes).toBe(bytes);
    expect(bytes).toBeGreaterThan(0);
    backend.end();
    await clock.advance(0);
    expect(delivery.held()).toEqual({ items: 0, bytes: 0 });
    expect(settings.budget.usedBytes).toBe(0);
    expect(delivery.lastSuccessMs).toBe(clock.monotonicMs());
  });

  test("an empty payload is taken and goes nowhere", async () => {
    const { give, exporter, queueSize } = harness();
    await give(logsPayload([]));
    expect([exporter.pushes, queueSize()]).toEqual([[], 0]);
  });

  test("num_consumers bounds the pushes at a time, oldest first", async () => {
    const backend = hanging();
    const config = { sending_queue: { num_consumers: 2 } };
    const { send, exporter, clock } = harness({ config, script: backend.script });
    for (const name of ["a", "b", "c", "d"]) await send(name);
    await clock.advance(0);
    expect(exporter.names).toEqual([["a"], ["b"]]);
    backend.end();
    await clock.advance(0);
    expect(exporter.names).toEqual([["a"], ["b"], ["c"], ["d"]]);
  });

  const two = joined(["a", "b"]);
  test.each<[string, number, Payload]>([
    ["requests", 2, logsPayload(range(50))],
    ["items", 4, two],
    ["bytes", 2 * two.byteLength, two],
  ])("queue_size counts %s: two payloads fill %i", async (sizer, queue_size, payload) => {
    const backend = hanging();
    const config = { sending_queue: { sizer, queue_size } };
    const { delivery, give, queueSize, clock, counter } = harness({
      config,
      script: backend.script,
    });
    await give(payload);
    expect(delivery.ready(payload, { receivedMs: 0 })).toBeUndefined();
    await give(payload);
    expect(queueSize()).toBe(queue_size);
    expect(delivery.ready(payload, { receivedMs: 0 })).toMatchObject(full);
    expect(await errorOf(give(payload))).toMatchObject(full);
    expect(counter("enqueue_failed")).toBe(payload.itemCount);
    backend.end();
    await clock.advance(0);
    expect(queueSize()).toBe(0);
    await give(payload);
  });

  test("queue_size counts what is on its way too", async () => {
    const backend = hanging();
    const config = { sending_queue: { queue_size: 3, num_consumers: 3 } };
    const { send, clock } = harness({ config, script: backend.script });
    for (const name of ["a", "b", "c"]) await send(name);
    await clock.advance(0);
    expect(await errorOf(send("d"))).toMatchObject(full);
  });

  test("what could never fit is refused for good", async () => {
    const config = { sending_queue: { sizer: "items", queue_size: 3 } };
    const { send, settings } = harness({ config });
    await send("a", "b", "c");
    expect(await errorOf(send("a", "b", "c", "d"))).toMatchObject({
      code: "TOO_LARGE",
      retryable: false,
      message: "element size too large: 4, queue_size is 3",
    });
    expect(settings.dropped.size).toBe(0);
  });

  test("the gauges say what the queue can hold and what is on its way", async () => {
    const backend = hanging();
    const config = { sending_queue: { queue_size: 7, num_consumers: 1 } };
    const { send, settings, clock } = harness({ config, script: backend.script });
    await send("a");
    await send("b");
    const labels = { exporter: "test", data_type: "logs" };
    expect(settings.meter.value("otelcol_exporter_queue_capacity", labels)).toBe(7);
    expect(settings.meter.value("otelcol_exporter_queue_size", labels)).toBe(2);
    expect(settings.meter.value("otelcol_exporter_in_flight_requests", labels)).toBe(1);
    backend.end();
    await clock.advance(0);
    backend.end();
    await clock.advance(0);
    expect(settings.meter.value("otelcol_exporter_in_flight_requests", labels)).toBe(0);
  });

  test("what the backend refuses for good is dropped, counted and logged", async () => {
    const { send, settings, log, counter, clock } = harness({
      script: () => {
        throw rejected(3);
      },
    });
    await send("a", "b");
    await clock.advance(0);
    expect(settings.dropped).toEqual(new Map([["rejected", 2]]));
    expect(counter("send_failed")).toBe(2);
    expect(counter("sent")).toBe(0);
    expect(log).toEqual([
      {
        level: "error",
        message: "Exporting failed. Dropping data.",
        fields: { dropped_items: 2, reason: "rejected", error: "no" },
      },
    ]);
  });
});

describe("block_on_overflow", () => {
  const config = { sending_queue: { queue_size: 1, block_on_overflow: true } };

  test("waits for room, in order, within the budget", async () => {
    const backend = hanging();
    const { delivery, send, clock, exporter, settings } = harness({
      config: { ...config, timeout: "0s" },
      script: backend.script,
    });
    await send("a");
    expect(delivery.ready(logsPayload(["b"]), { receivedMs: 0 })).toBeUndefined();
    const taken: string[] = [];
    for (const name of ["b", "c"]) void send(name).then(() => taken.push(name));
    await clock.advance(60_000);
    expect(taken).toEqual([]);
    expect(delivery.held().items).toBe(1);
    expect(settings.budget.usedBytes).toBeGreaterThan(2 * delivery.held().bytes);
    for (let i = 0; i < 3; i++) {
      backend.end();
      await clock.advance(0);
    }
    expect(taken).toEqual(["b", "c"]);
    expect(exporter.names.flat()).toEqual(["a", "b", "c"]);
    expect(settings.budget.usedBytes).toBe(0);
  });

  test("not longer than its sender does", async () => {
    const backend = hanging();
    const { give, send, clock, settings, delivery, counter } = harness({
      config: { ...config, timeout: "0s" },
      script: backend.script,
    });
    await send("a");
    const deadlineMs = clock.monotonicMs() + 300;
    const outcome = errorOf(give(logsPayload(["b"]), { deadlineMs }));
    await clock.advance(300);
    expect(await outcome).toMatchObject(full);
    expect(settings.budget.usedBytes).toBe(delivery.held().bytes);
    expect(counter("enqueue_failed")).toBe(1);
  });
});

describe.each([
  ["wait_for_result", { sending_queue: { wait_for_result: true } }],
  ["no queue", { sending_queue: null }],
])("%s", (_name, config) => {
  test("answers when the backend did", async () => {
    const backend = hanging();
    const { delivery, send, clock, counter } = harness({ config, script: backend.script });
    const answer = send("a");
    const state = watch(answer);
    await clock.advance(0);
    expect([state.over, delivery.held().items]).toEqual([false, 1]);
    backend.end();
    await answer;
    expect(counter("sent")).toBe(1);
  });

  test("the caller gets the error and keeps the data: nothing is dropped", async () => {
    const { delivery, send, settings, clock, counter, log } = harness({
      config,
      script: () => {
        throw rejected(3);
      },
    });
    const outcome = errorOf(send("a"));
    await clock.advance(0);
    expect(await outcome).toMatchObject({ code: "BACKEND_REJECTED", status: { code: 3 } });
    expect(settings.dropped.size).toBe(0);
    expect(delivery.held()).toEqual({ items: 0, bytes: 0 });
    expect(settings.budget.usedBytes).toBe(0);
    expect(counter("send_failed")).toBe(1);
    expect(log.map((line) => line.message)).toEqual(["Exporting failed. Rejecting data."]);
  });

  test("where a part was delivered, the rest is dropped instead of being sent twice", async () => {
    const { give, settings, counter } = harness({
      config,
      script: ({ names }) => {
        if (names.includes("r1")) throw rejected(3);
        return {};
      },
    });
    await give(joined(["r0", "r1", "r2", "r3"]));
    expect(settings.dropped).toEqual(new Map([["rejected", 1]]));
    expect(counter("sent")).toBe(3);
  });

  test("gives up when its caller has", async () => {
    const { give, clock, exporter } = harness({
      config,
      script: () => {
        throw unavailable();
      },
    });
    const deadlineMs = clock.monotonicMs() + 12_000;
    const outcome = errorOf(give(logsPayload(["a"]), { deadlineMs }));
    await clock.advance(5000);
    expect(exporter.pushes).toHaveLength(2);
    expect(await outcome).toMatchObject({
      code: "TIMEOUT",
      retryable: true,
      message: "request will be cancelled before next retry: not now",
    });
  });
});

test("a caller that gave up while its request waited is told so, and nothing is sent for it", async () => {
  const backend = hanging();
  const config = { timeout: "0s", sending_queue: { wait_for_result: true, num_consumers: 1 } };
  const { give, send, clock, exporter } = harness({ config, script: backend.script });
  const first = send("a");
  const outcome = errorOf(give(logsPayload(["b"]), { deadlineMs: clock.monotonicMs() + 100 }));
  await clock.advance(200);
  backend.end();
  await first;
  expect(await outcome).toMatchObject({
    code: "TIMEOUT",
    retryable: true,
    message: "request is cancelled or timed out: context deadline exceeded",
  });
  expect(exporter.names).toEqual([["a"]]);
});

test("without a queue every caller has a consumer of its own", async () => {
  const backend = hanging();
  const { send, clock, exporter } = harness({
    config: { sending_queue: null },
    script: backend.script,
  });
  const answers = range(25).map((name) => send(name));
  await clock.advance(0);
  expect(exporter.pushes).toHaveLength(25);
  backend.end();
  await Promise.all(answers);
});
