import { describe, expect, test } from "@jest/globals";
import { createPayload } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { logsPayload } from "../../support/payloads.ts";
import {
  errorOf,
  hanging,
  harness,
  joined,
  range,
  rejected,
  rejecting,
  tooLarge,
  unavailable,
} from "./support.ts";

describe("retry_on_failure", () => {
  const failing = (times: number, retryAfterMs?: number) => (_push: unknown, index: number) => {
    if (index < times) throw unavailable(retryAfterMs);
    return {};
  };
  const startOf = (h: ReturnType<typeof harness>) =>
    h.exporter.pushes.map((push) => push.atMs - h.exporter.pushes[0]!.atMs);

  test("waits by the back-off and says so", async () => {
    const h = harness({ script: failing(3) });
    await h.send("a");
    await h.clock.advance(60_000);
    expect(startOf(h)).toEqual([0, 5000, 12_500, 23_750]);
    expect(h.counter("sent")).toBe(1);
    expect(h.counter("send_failed")).toBe(0);
    expect(h.log.map((line) => [line.level, line.fields])).toEqual([
      ["info", { error: "not now", interval: "5.000s" }],
      ["info", { error: "not now", interval: "7.500s" }],
      ["info", { error: "not now", interval: "11.250s" }],
    ]);
  });

  test.each([
    [20_000, 20_000],
    [1000, 5000],
  ])("waits max(back-off, what the server asks): %i ms gives %i ms", async (asked, waited) => {
    const h = harness({ script: failing(1, asked) });
    await h.send("a");
    await h.clock.advance(60_000);
    expect(startOf(h)).toEqual([0, waited]);
  });

  test("gives up before a wait that would end after max_elapsed_time", async () => {
    const config = {
      retry_on_failure: { initial_interval: "10s", multiplier: 1, max_elapsed_time: "30s" },
    };
    const h = harness({ config, script: failing(100) });
    await h.send("a", "b");
    await h.clock.advance(120_000);
    expect(startOf(h)).toEqual([0, 10_000, 20_000, 30_000]);
    expect(h.settings.dropped).toEqual(new Map([["retries_exhausted", 2]]));
    expect(h.counter("send_failed")).toBe(2);
    expect(h.log.at(-1)).toMatchObject({
      level: "error",
      fields: { error: "no more retries left: not now", reason: "retries_exhausted" },
    });
    expect(h.delivery.held()).toEqual({ items: 0, bytes: 0 });
    expect(h.settings.budget.usedBytes).toBe(0);
  });

  test("max_elapsed_time 0 never gives up", async () => {
    const config = { retry_on_failure: { max_elapsed_time: 0 } };
    const h = harness({ config, script: failing(1000) });
    await h.send("a");
    await h.clock.advance(3_600_000);
    expect(h.exporter.pushes.length).toBeGreaterThan(100);
    expect(h.delivery.held().items).toBe(1);
    expect(h.settings.dropped.size).toBe(0);
  });

  test("the deadline of a sender that has its answer ends nothing", async () => {
    const h = harness({ script: failing(3) });
    await h.give(logsPayload(["a"]), { deadlineMs: h.clock.monotonicMs() + 1000 });
    await h.clock.advance(60_000);
    expect([h.exporter.pushes.length, h.counter("sent")]).toEqual([4, 1]);
  });

  test.each([
    [[8000, 60_000], 4],
    [[60_000, 8000], 4],
    [[60_000, undefined], 4],
    [[8000, 4000], 2],
  ])(
    "a batch is tried until the last of its waiting senders gives up: %j",
    async (patience, pushes) => {
      const config = { sending_queue: { wait_for_result: true, batch: { min_size: 2 } } };
      const h = harness({ config, script: failing(3) });
      const outcomes = patience.map((ms, i) =>
        h
          .give(
            logsPayload([`r${i}`]),
            ms === undefined ? {} : { deadlineMs: h.clock.monotonicMs() + ms },
          )
          .then(
            () => "sent",
            () => "refused",
          ),
      );
      await h.clock.advance(60_000);
      expect(h.exporter.pushes).toHaveLength(pushes);
      const expected = pushes === 4 ? "sent" : "refused";
      expect(await Promise.all(outcomes)).toEqual([expected, expected]);
      expect(h.settings.dropped.size).toBe(0);
    },
  );

  test("enabled: false drops at the first failure", async () => {
    const h = harness({ config: { retry_on_failure: { enabled: false } }, script: failing(1) });
    await h.send("a");
    await h.clock.advance(60_000);
    expect(h.exporter.pushes).toHaveLength(1);
    expect(h.settings.dropped).toEqual(new Map([["send_failed", 1]]));
  });

  test("what is no TelemetryError is a defect: permanent, and said so", async () => {
    const h = harness({
      script: () => {
        throw new TypeError("x is not a function");
      },
    });
    await h.send("a");
    await h.clock.advance(0);
    expect(h.settings.dropped).toEqual(new Map([["rejected", 1]]));
    expect(h.log[0]!.fields).toMatchObject({ error: "BUG: x is not a function" });
  });
});

describe("timeout", () => {
  test("an attempt that takes longer is aborted and sent again", async () => {
    const backend = hanging();
    const h = harness({ config: { timeout: "2s" }, script: backend.script });
    await h.send("a");
    await h.clock.advance(1999);
    expect(h.exporter.pushes[0]!.abort.aborted).toBe(false);
    await h.clock.advance(1);
    expect(h.exporter.pushes[0]!.abort.aborted).toBe(true);
    expect(h.exporter.pushes[0]!.abort.reason).toMatchObject({ code: "TIMEOUT", retryable: true });
    await h.clock.advance(5000);
    backend.end();
    await h.clock.advance(0);
    expect(h.exporter.pushes).toHaveLength(2);
    expect(h.counter("sent")).toBe(1);
  });

  test("an exporter that ignores the abort holds no consumer", async () => {
    const h = harness({
      config: { timeout: "1s", sending_queue: { num_consumers: 1 } },
      script: (_push, index) => (index === 0 ? new Promise<never>(() => {}) : {}),
    });
    await h.send("a");
    await h.send("b");
    await h.clock.advance(10_000);
    expect(h.exporter.names).toEqual([["a"], ["a"], ["b"]]);
    expect(h.delivery.held().items).toBe(0);
  });

  test("a success that comes after the deadline is counted once", async () => {
    const ends: (() => void)[] = [];
    const h = harness({
      config: { timeout: "1s" },
      script: (_push, index) =>
        index === 0 ? new Promise((resolve) => ends.push(() => resolve({}))) : {},
    });
    await h.send("a");
    await h.clock.advance(1000);
    ends[0]!();
    await h.clock.advance(10_000);
    expect(h.counter("sent")).toBe(1);
    expect(h.delivery.held().items).toBe(0);
  });

  test("0 waits for ever", async () => {
    const backend = hanging();
    const h = harness({ config: { timeout: "0s" }, script: backend.script });
    await h.send("a");
    await h.clock.advance(86_400_000);
    expect(h.exporter.pushes).toHaveLength(1);
    backend.end();
    await h.clock.advance(0);
    expect(h.counter("sent")).toBe(1);
  });
});

describe("partial success", () => {
  const rejectedOf = async (rejectedItems: number) => {
    const h = harness({ script: () => ({ rejectedItems, message: "too old" }) });
    await h.send("a", "b", "c");
    await h.clock.advance(0);
    expect(h.delivery.held()).toEqual({ items: 0, bytes: 0 });
    expect(h.exporter.pushes).toHaveLength(1);
    return { sent: h.counter("sent"), dropped: h.settings.dropped.get("partial_success"), h };
  };

  test("its rejected items are dropped and counted, with the backend's words", async () => {
    const { sent, dropped, h } = await rejectedOf(2);
    expect([sent, dropped]).toEqual([1, 2]);
    expect(h.log).toEqual([
      {
        level: "warn",
        message: "Partial success response",
        fields: { message: "too old", dropped_items: 2 },
      },
    ]);
  });

  test.each([
    [99, 0, 3],
    [-1, 3, undefined],
    [0, 3, undefined],
  ])("a backend that claims %i of 3: %i sent", async (claimed, sent, dropped) => {
    expect(await rejectedOf(claimed)).toMatchObject({ sent, dropped });
  });

  test("words without a rejection are a warning only, said once", async () => {
    const { h } = await rejectedOf(0);
    expect(h.log.map((line) => line.level)).toEqual(["warn"]);
    expect(h.settings.dropped.size).toBe(0);
  });
});

describe("a rejection for good", () => {
  test("one poisoned request of 100 is dropped alone", async () => {
    for (const at of [0, 1, 42, 98, 99]) {
      const h = harness({ script: rejecting(new Set([`r${at}`]), () => rejected(3)) });
      await h.give(joined(range(100)));
      await h.clock.advance(0);
      expect(h.counter("sent")).toBe(99);
      expect(h.settings.dropped).toEqual(new Map([["rejected", 1]]));
      const delivered = h.exporter.names.filter((names) => !names.includes(`r${at}`)).flat();
      expect(delivered).toEqual(range(100).filter((name) => name !== `r${at}`));
      expect(h.exporter.pushes.length).toBeLessThanOrEqual(15);
    }
  });

  test.each([
    ["side by side", range(100).slice(0, 20)],
    ["every third", range(100).filter((_, i) => i % 3 === 0)],
    ["at both ends", ["r0", "r1", "r98", "r99"]],
  ])("several poisoned ones, %s, leave all others", async (_name, names) => {
    const h = harness({ script: rejecting(new Set(names), () => rejected(3)) });
    await h.give(joined(range(100)));
    await h.clock.advance(0);
    expect(h.settings.dropped).toEqual(new Map([["rejected", names.length]]));
    expect(h.counter("sent")).toBe(100 - names.length);
  });

  test("a request is not cut: its other records go with it", async () => {
    const h = harness({ script: rejecting(new Set(["b"]), () => rejected(3)) });
    await h.send("a", "b", "c");
    await h.clock.advance(0);
    expect(h.exporter.pushes).toHaveLength(1);
    expect(h.settings.dropped).toEqual(new Map([["rejected", 3]]));
  });

  test("a destination that rejects everything is not asked twice for each of 4096 requests", async () => {
    const h = harness({ script: rejecting(new Set(range(4096)), () => rejected(3)) });
    await h.give(joined(range(4096)));
    await h.clock.advance(0);
    expect(h.exporter.pushes.length).toBeLessThan(100);
    expect(h.settings.dropped).toEqual(new Map([["rejected", 4096]]));
    expect(h.delivery.held()).toEqual({ items: 0, bytes: 0 });
  });

  test.each([2, 3, 6, 9, 13, undefined])(
    "code %s may be about one request: halved",
    async (code) => {
      const h = harness({ script: rejecting(new Set(["r1"]), () => rejected(code)) });
      await h.give(joined(range(4)));
      await h.clock.advance(0);
      expect(h.counter("sent")).toBe(3);
      expect(h.settings.dropped).toEqual(new Map([["rejected", 1]]));
    },
  );

  test.each([7, 16, 12, 5])(
    "code %i is about the caller or the destination: not halved",
    async (code) => {
      const h = harness({ script: rejecting(new Set(["r1"]), () => rejected(code)) });
      await h.give(joined(range(4)));
      await h.clock.advance(0);
      expect(h.exporter.pushes).toHaveLength(1);
      expect(h.settings.dropped).toEqual(new Map([["rejected", 4]]));
    },
  );

  test("a half may be retried before it is taken", async () => {
    const h = harness({
      script: ({ names }, index) => {
        if (names.includes("r0")) throw rejected(13);
        if (index < 4) throw unavailable();
        return {};
      },
    });
    await h.give(joined(range(4)));
    await h.clock.advance(60_000);
    expect(h.counter("sent")).toBe(3);
    expect(h.settings.dropped).toEqual(new Map([["rejected", 1]]));
  });
});

describe("too large", () => {
  const limited =
    (maxBytes: number) =>
    ({ payload }: { payload: { byteLength: number } }) => {
      if (payload.byteLength > maxBytes) throw tooLarge();
      return {};
    };
  const names = range(64, "record-");
  const byteLength = logsPayload(names).byteLength;

  test.each([
    ["along seams", joined(names)],
    ["within one request", logsPayload(names)],
  ])("is halved until it fits, %s", async (_name, payload) => {
    const h = harness({ script: limited(byteLength / 5) });
    await h.give(payload);
    await h.clock.advance(0);
    const taken = h.exporter.pushes.filter((push) => push.payload.byteLength <= byteLength / 5);
    expect(taken.flatMap((push) => push.names)).toEqual(names);
    expect(h.counter("sent")).toBe(64);
    expect(h.settings.dropped.size).toBe(0);
  });

  test("the ceiling is remembered: the next one is cut ahead", async () => {
    const h = harness({ script: limited(byteLength / 5) });
    await h.give(logsPayload(names));
    await h.clock.advance(0);
    const before = h.exporter.pushes.length;
    await h.give(logsPayload(names));
    await h.clock.advance(0);
    const later = h.exporter.pushes.slice(before);
    expect(later.flatMap((push) => push.names)).toEqual(names);
    expect(later.every((push) => push.payload.byteLength <= byteLength / 5)).toBe(true);
  });

  test("what was just taken is not cut, however close to what was refused", async () => {
    const [most, more] = [logsPayload(range(20)), logsPayload(range(21))];
    const h = harness({ script: limited(most.byteLength) });
    for (const payload of [most, more, most]) {
      await h.give(payload);
      await h.clock.advance(0);
    }
    expect(h.exporter.pushes.at(-1)!.payload.itemCount).toBe(20);
    expect(h.counter("sent")).toBe(61);
  });

  test("containers without items that do not fit are left out", async () => {
    const h = harness({ script: limited(100) });
    await h.give(logsPayload(range(20)));
    await h.clock.advance(0);
    const before = h.exporter.pushes.length;
    const w = new Writer();
    const resource = w.begin(1);
    w.string(3, "https://schema.test/".padEnd(300, "x"));
    w.end(resource);
    await h.give(createPayload("logs", [w.take(), ...joined(["a", "b"]).parts], [0, 1, 1]));
    await h.clock.advance(0);
    expect(h.exporter.names.slice(before)).toEqual([["a", "b"]]);
    expect([h.settings.dropped.size, h.counter("sent")]).toEqual([0, 22]);
  });

  test("one item that alone is too large is dropped, counted and logged; its neighbours arrive", async () => {
    const h = harness({ script: limited(200) });
    const giant = "g".repeat(500);
    await h.send("a", "b", giant, "c");
    await h.clock.advance(0);
    expect(h.settings.dropped).toEqual(new Map([["too_large", 1]]));
    expect(h.counter("sent")).toBe(3);
    expect(h.counter("send_failed")).toBe(1);
    expect(h.log).toEqual([
      expect.objectContaining({
        level: "error",
        fields: {
          dropped_items: 1,
          reason: "too_large",
          error: "received message larger than max",
        },
      }),
    ]);
    await h.send("d", "e");
    await h.clock.advance(0);
    expect(h.exporter.names.at(-1)).toEqual(["d", "e"]);
  });

  test("the ceiling is one of this destination: another signal or exporter has its own", async () => {
    const [one, other] = [harness({ script: limited(100) }), harness()];
    await one.send(...range(50));
    await one.clock.advance(0);
    await other.send(...range(50));
    await other.clock.advance(0);
    expect(one.exporter.pushes.length).toBeGreaterThan(2);
    expect(other.exporter.pushes).toHaveLength(1);
  });

  test("with wait_for_result a caller whose only item is too large gets the error", async () => {
    const h = harness({
      config: { sending_queue: { wait_for_result: true } },
      script: limited(10),
    });
    const outcome = errorOf(h.give(createPayload("logs", logsPayload(["big one"]).parts, [1])));
    await h.clock.advance(0);
    expect(await outcome).toMatchObject({ code: "TOO_LARGE", retryable: false });
    expect(h.settings.dropped.size).toBe(0);
  });
});
