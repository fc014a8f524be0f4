import { describe, expect, test } from "@jest/globals";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { errorOf, type Harness, hanging, harness, unavailable, watch } from "./support.ts";

const failing = () => {
  throw unavailable();
};
const never = new AbortController().signal;

/** Shuts down and says whether it has ended. */
const shutdown = ({ delivery }: Harness, abort: AbortSignal = never) =>
  watch(delivery.shutdown(abort));

const nothing = { items: 0, bytes: 0 };

describe("shutdown", () => {
  test("works without anything held, and twice", async () => {
    const h = harness();
    await h.delivery.shutdown(never);
    await h.delivery.shutdown(AbortSignal.abort());
    expect(h.log).toEqual([]);
  });

  test("refuses new data retryably, delivers what is queued, batched and waiting", async () => {
    const backend = hanging();
    const config = { sending_queue: { num_consumers: 1, batch: { min_size: 2, max_size: 2 } } };
    const h = harness({ config, script: backend.script });
    await h.send("a", "b", "c", "d", "e");
    await h.clock.advance(0);
    const state = shutdown(h);
    expect(await errorOf(h.send("x"))).toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
    for (let i = 0; i < 3; i++) {
      await h.clock.advance(0);
      expect(state.over).toBe(false);
      backend.end();
    }
    await h.clock.advance(0);
    expect(state.over).toBe(true);
    expect(h.exporter.names).toEqual([["a", "b"], ["c", "d"], ["e"]]);
    expect(h.settings.dropped.size).toBe(0);
    expect(h.delivery.held()).toEqual(nothing);
  });

  test("a wait for the next attempt ends at once, and later ones are short", async () => {
    const h = harness({
      script: (_push, index) => {
        if (index < 3) throw unavailable();
        return {};
      },
    });
    await h.send("a");
    await h.clock.advance(100);
    const state = shutdown(h);
    await h.clock.advance(2000);
    expect(state.over).toBe(true);
    expect(h.exporter.pushes).toHaveLength(4);
    expect(h.counter("sent")).toBe(1);
  });

  test("the server's wish for a pause counts also while stopping", async () => {
    const h = harness({
      script: (_push, index) => {
        if (index < 2) throw unavailable(4000);
        return {};
      },
    });
    await h.send("a");
    await h.clock.advance(0);
    shutdown(h);
    await h.clock.advance(3999);
    expect(h.exporter.pushes).toHaveLength(2);
    await h.clock.advance(1);
    expect(h.counter("sent")).toBe(1);
  });

  test("what is left at the abort is dropped, counted, and said once", async () => {
    const abort = new AbortController();
    const h = harness({
      config: { sending_queue: { num_consumers: 1, batch: { min_size: 3 } } },
      script: hanging().script,
    });
    await h.send("a", "b", "c");
    await h.send("d", "e", "f", "g");
    await h.send("h");
    const state = shutdown(h, abort.signal);
    await h.clock.advance(4000);
    expect([state.over, h.delivery.held().items]).toEqual([false, 8]);
    abort.abort();
    await h.clock.advance(0);
    expect(state.over).toBe(true);
    expect(h.settings.dropped).toEqual(new Map([["shutdown", 8]]));
    expect(h.delivery.held()).toEqual(nothing);
    expect(h.settings.budget.usedBytes).toBe(0);
    expect(h.clock.pending).toBe(0);
    await h.delivery.shutdown(never);
    expect(h.log.filter((line) => line.level === "error")).toEqual([
      {
        level: "error",
        message: "Shutdown timed out. Dropping data that could not be delivered.",
        fields: { dropped_items: 8 },
      },
    ]);
  });

  test("with an aborted signal there is no attempt more", async () => {
    const h = harness({ script: failing });
    await h.send("a");
    await h.clock.advance(0);
    shutdown(h, AbortSignal.abort());
    await h.clock.advance(60_000);
    expect(h.exporter.pushes).toHaveLength(1);
    expect(h.settings.dropped).toEqual(new Map([["shutdown", 1]]));
  });

  test("an exporter that ignores the abort does not hold it up", async () => {
    const h = harness({ script: () => new Promise<never>(() => {}) });
    await h.send("a");
    await h.clock.advance(0);
    const state = shutdown(h, AbortSignal.abort());
    await h.clock.advance(0);
    expect(state.over).toBe(true);
  });

  test.each([
    ["wait_for_result", { sending_queue: { wait_for_result: true, num_consumers: 1 } }],
    ["no queue", { sending_queue: null }],
  ])("%s: callers get a retryable error and keep their data", async (_name, config) => {
    const h = harness({ config, script: failing });
    const outcomes = [h.send("a"), h.send("b")].map(errorOf);
    await h.clock.advance(0);
    shutdown(h, AbortSignal.abort());
    await h.clock.advance(0);
    for (const error of await Promise.all(outcomes)) expect(error.retryable).toBe(true);
    expect(h.settings.dropped.size).toBe(0);
    expect(h.settings.budget.usedBytes).toBe(0);
  });

  test("callers that wait for room are refused", async () => {
    const h = harness({
      config: { sending_queue: { queue_size: 1, block_on_overflow: true } },
      script: hanging().script,
    });
    await h.send("a");
    const outcome = errorOf(h.send("b"));
    shutdown(h, AbortSignal.abort());
    expect(await outcome).toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
    await h.clock.advance(0);
    expect(h.settings.dropped).toEqual(new Map([["shutdown", 1]]));
    expect(h.settings.budget.usedBytes).toBe(0);
  });
});

describe("surrender", () => {
  const bodies = (held: readonly { payload: Parameters<typeof bodiesOf>[0] }[]) =>
    held.map(({ payload }) => bodiesOf(payload));

  test("gives up what is held, once, oldest first, without a drop", async () => {
    const h = harness({
      config: { sending_queue: { num_consumers: 1 } },
      script: failing,
    });
    for (const name of ["a", "b", "c"]) await h.send(name);
    await h.clock.advance(100);
    expect(bodies(await h.delivery.surrender())).toEqual([["a"], ["b"], ["c"]]);
    expect(await h.delivery.surrender()).toEqual([]);
    await h.delivery.shutdown(never);
    expect(h.exporter.pushes).toHaveLength(1);
    expect(h.settings.dropped.size).toBe(0);
    expect(h.counter("send_failed")).toBe(0);
    expect(h.delivery.held()).toEqual(nothing);
    expect(h.settings.budget.usedBytes).toBe(0);
    expect(h.clock.pending).toBe(0);
  });

  test("without the deadlines of senders that have their answer", async () => {
    const h = harness({ script: failing });
    await h.give(logsPayload(["a"]), {
      deadlineMs: h.clock.monotonicMs() + 100,
      transport: "grpc",
    });
    await h.clock.advance(200);
    const [held] = await h.delivery.surrender();
    expect(held!.context).toMatchObject({ deadlineMs: undefined, transport: "grpc" });
  });

  test("an open batch, with the metadata of its partition", async () => {
    const config = {
      sending_queue: { batch: { min_size: 9, partition: { metadata_keys: ["tenant"] } } },
    };
    const h = harness({ config });
    const metadata = new Map([["tenant", ["a"]]]);
    await h.give(logsPayload(["a"]), { metadata });
    await h.give(logsPayload(["b"]));
    const held = await h.delivery.surrender();
    expect(bodies(held)).toEqual([["a"], ["b"]]);
    expect(held.map(({ context }) => context.metadata)).toEqual([metadata, new Map()]);
    expect(h.exporter.pushes).toEqual([]);
  });

  test("waits for running attempts: what they deliver is not given up", async () => {
    const backend = hanging();
    const h = harness({
      config: { sending_queue: { num_consumers: 2 } },
      script: backend.script,
    });
    for (const name of ["a", "b", "c"]) await h.send(name);
    await h.clock.advance(0);
    const surrendered = h.delivery.surrender();
    await h.clock.advance(1000);
    backend.end();
    await h.clock.advance(0);
    expect(bodies(await surrendered)).toEqual([["c"]]);
    expect(h.counter("sent")).toBe(2);
    expect(h.exporter.pushes).toHaveLength(2);
  });

  test("but not longer than 10 s", async () => {
    const h = harness({ config: { timeout: "60s" }, script: hanging().script });
    await h.send("a");
    const surrendered = h.delivery.surrender();
    await h.clock.advance(9999);
    expect(h.delivery.held().items).toBe(1);
    await h.clock.advance(1);
    expect(bodies(await surrendered)).toEqual([["a"]]);
    expect(h.exporter.pushes[0]!.abort.aborted).toBe(true);
  });

  test("what was cut for the destination: only the rest is given up", async () => {
    const h = harness({
      config: { sending_queue: { num_consumers: 1, batch: { min_size: 1, max_size: 2 } } },
      script: (_push, index) => {
        if (index > 0) throw unavailable();
        return {};
      },
    });
    await h.send("a", "b", "c", "d", "e");
    await h.clock.advance(0);
    expect(bodies(await h.delivery.surrender())).toEqual([["c", "d"], ["e"]]);
    expect(h.counter("sent")).toBe(2);
    expect(h.settings.budget.usedBytes).toBe(0);
  });

  test("a caller that waits learns of success where a part was delivered; the rest is lost", async () => {
    const h = harness({
      config: {
        sending_queue: {
          num_consumers: 1,
          wait_for_result: true,
          batch: { min_size: 1, max_size: 2 },
        },
      },
      script: (_push, index) => {
        if (index > 0) throw unavailable();
        return {};
      },
    });
    const answer = h.send("a", "b", "c", "d");
    await h.clock.advance(0);
    expect(await h.delivery.surrender()).toEqual([]);
    await answer;
    expect(h.settings.dropped).toEqual(new Map([["shutdown", 2]]));
  });

  test("refuses new data, and callers that wait for room or a result", async () => {
    const h = harness({
      config: { sending_queue: { queue_size: 1, block_on_overflow: true, wait_for_result: true } },
      script: failing,
    });
    const outcomes = [h.send("a"), h.send("b")].map(errorOf);
    await h.clock.advance(0);
    expect(await h.delivery.surrender()).toEqual([]);
    for (const error of await Promise.all(outcomes)) expect(error.retryable).toBe(true);
    expect(await errorOf(h.send("c"))).toMatchObject({ code: "SHUTTING_DOWN" });
    expect(h.settings.dropped.size).toBe(0);
  });
});
