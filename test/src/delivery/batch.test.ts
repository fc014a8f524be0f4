import { describe, expect, test } from "@jest/globals";
import type { Payload } from "../../../src/component.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { logsPayload } from "../../support/payloads.ts";
import { errorOf, hanging, harness, joined, range, rejected } from "./support.ts";

const withBatch = (batch: Record<string, unknown>, queue: Record<string, unknown> = {}) => ({
  sending_queue: { ...queue, batch },
});

const oneByteLength = logsPayload(["r0"]).byteLength;

describe("sending_queue.batch", () => {
  test("joins requests until min_size, keeping their seams", async () => {
    const { send, exporter, clock } = harness({ config: withBatch({ min_size: 3 }) });
    await send("a");
    await send("b");
    expect(exporter.pushes).toEqual([]);
    await send("c", "d");
    await clock.advance(0);
    expect(exporter.names).toEqual([["a", "b", "c", "d"]]);
    expect(exporter.pushes[0]!.payload.seams).toEqual([0, 1, 2]);
  });

  test("sends what it has after flush_timeout, counted from the first", async () => {
    const config = withBatch({ min_size: 100, flush_timeout: "1s" });
    const { send, exporter, clock } = harness({ config });
    await send("a");
    await clock.advance(700);
    await send("b");
    await clock.advance(299);
    expect(exporter.pushes).toEqual([]);
    await clock.advance(1);
    expect(exporter.names).toEqual([["a", "b"]]);
    await clock.advance(10_000);
    expect(exporter.pushes).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test("cuts to max_size; a last piece below min_size waits for more", async () => {
    const config = withBatch({ min_size: 3, max_size: 3 });
    const { send, exporter, clock } = harness({ config });
    await send(...range(8));
    await clock.advance(0);
    expect(exporter.names).toEqual([
      ["r0", "r1", "r2"],
      ["r3", "r4", "r5"],
    ]);
    await send("x");
    await clock.advance(0);
    expect(exporter.names[2]).toEqual(["r6", "r7", "x"]);
    await send("y");
    await clock.advance(200);
    expect(exporter.names[3]).toEqual(["y"]);
  });

  test("min_size 0 sends at once, and still cuts", async () => {
    const { send, exporter, clock } = harness({ config: withBatch({ min_size: 0, max_size: 2 }) });
    await send(...range(5));
    await clock.advance(0);
    expect(exporter.names).toEqual([["r0", "r1"], ["r2", "r3"], ["r4"]]);
  });

  test.each([
    [{ sizer: "bytes" }, {}],
    [{}, { sizer: "bytes", queue_size: 1_000_000 }],
  ])("counts bytes where the batch or the queue says so: %j %j", async (batch, queue) => {
    const config = withBatch(
      { min_size: 3 * oneByteLength, max_size: 3 * oneByteLength, ...batch },
      queue,
    );
    const { send, exporter, clock } = harness({ config });
    for (const name of range(7)) await send(name);
    await clock.advance(0);
    expect(exporter.pushes.map((push) => push.names.length)).toEqual([3, 3]);
    expect(exporter.pushes[0]!.payload.byteLength).toBe(3 * oneByteLength);
    await clock.advance(200);
    expect(exporter.names.flat()).toEqual(range(7));
  });

  test("a piece without items is not sent", async () => {
    const w = new Writer();
    const resource = w.begin(1);
    w.string(3, "https://schema.test/".padEnd(300, "x"));
    w.end(resource);
    const bare: Payload = createPayload("logs", [w.take(), ...joined(range(2)).parts], [0, 1, 1]);
    const config = withBatch({ min_size: 1, max_size: 100, sizer: "bytes" });
    const { give, exporter, clock, delivery, log } = harness({ config });
    await give(bare);
    await clock.advance(200);
    expect(exporter.names).toEqual([["r0", "r1"]]);
    expect(log).toEqual([]);
    expect(delivery.held()).toEqual({ items: 0, bytes: 0 });
  });

  test("holds room and budget of a request until its last piece is sent", async () => {
    const backend = hanging();
    const config = withBatch({ min_size: 2, max_size: 2 }, { num_consumers: 1, queue_size: 5 });
    const { send, clock, delivery, queueSize, settings } = harness({
      config,
      script: backend.script,
    });
    await send(...range(4));
    const { bytes } = delivery.held();
    await clock.advance(0);
    backend.end();
    await clock.advance(0);
    expect(delivery.held()).toEqual({ items: 2, bytes });
    expect([queueSize(), settings.budget.usedBytes]).toEqual([1, bytes]);
    backend.end();
    await clock.advance(0);
    expect([queueSize(), settings.budget.usedBytes]).toEqual([0, 0]);
  });

  test("partition.metadata_keys: other values, other batch; only those keys go along", async () => {
    const config = withBatch({ min_size: 2, partition: { metadata_keys: ["X-Tenant"] } });
    const { give, exporter, clock } = harness({ config });
    const metadata = (tenant: string) =>
      new Map([
        ["x-tenant", [tenant]],
        ["authorization", ["secret"]],
      ]);
    await give(logsPayload(["a1"]), { metadata: metadata("a") });
    await give(logsPayload(["b1"]), { metadata: metadata("b") });
    await give(logsPayload(["none"]));
    await give(logsPayload(["a2"]), { metadata: metadata("a") });
    await clock.advance(0);
    expect(exporter.names).toEqual([["a1", "a2"]]);
    expect(exporter.pushes[0]!.context.metadata).toEqual(new Map([["x-tenant", ["a"]]]));
    await clock.advance(200);
    expect(exporter.names).toEqual([["a1", "a2"], ["b1"], ["none"]]);
  });

  test("with wait_for_result each caller learns what became of its own request", async () => {
    const config = withBatch({ min_size: 3 }, { wait_for_result: true });
    const { send, settings, clock } = harness({
      config,
      script: ({ names }) => {
        if (names.includes("b")) throw rejected(3);
        return {};
      },
    });
    const [a, b, c] = [send("a"), send("b"), send("c")];
    const failure = errorOf(b);
    await clock.advance(0);
    await Promise.all([a, c]);
    expect(await failure).toMatchObject({ code: "BACKEND_REJECTED" });
    expect(settings.dropped.size).toBe(0);
  });

  test("with wait_for_result an error of one piece drops it where another was delivered", async () => {
    const config = withBatch({ min_size: 2, max_size: 2 }, { wait_for_result: true });
    const { send, settings, clock, delivery } = harness({
      config,
      script: ({ names }) => {
        if (names.includes("r2")) throw rejected(7);
        return {};
      },
    });
    const answer = send(...range(4));
    await clock.advance(0);
    await answer;
    expect(settings.dropped).toEqual(new Map([["rejected", 2]]));
    expect(delivery.held().items).toBe(0);
  });
});
