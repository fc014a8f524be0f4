/** What a delivery says of itself at level detailed: kinds of errors, sizes of requests and batches. */
import { describe, expect, test } from "@jest/globals";
import type { Payload } from "../../../src/component.ts";
import { createDelivery } from "../../../src/delivery/delivery.ts";
import { SendFailed } from "../../../src/delivery/send-failed.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { type CollectionLevel, MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { logsPayload } from "../../support/payloads.ts";
import { testSettings } from "../../support/settings.ts";
import { configOf } from "./support.ts";

const name = "otelcol_exporter_send_failed_spans";

function pointsOf(meters: MeterRegistry, metric: string) {
  const found = meters.snapshot("detailed", () => {}).find((snapshot) => snapshot.name === metric);
  return found === undefined ? [] : [...found.points];
}

const status = (code: number) => ({ status: { code, message: "no" } });
const retryable = { retryable: true };
const timeout = () => new TelemetryError("TIMEOUT", "context deadline exceeded", retryable);

describe("failed items", () => {
  /** As TestDetermineErrorType of exporterhelper. */
  test.each([
    ["Shutdown", "false", new TelemetryError("SHUTTING_DOWN", "stopped", retryable)],
    ["Deadline_Exceeded", "false", timeout()],
    [
      "Deadline_Exceeded",
      "false",
      new TelemetryError("RETRIES_EXHAUSTED", "gave up", { ...retryable, cause: timeout() }),
    ],
    [
      "Unavailable",
      "false",
      new TelemetryError("BACKEND_UNAVAILABLE", "no", { ...status(14), ...retryable }),
    ],
    [
      "ResourceExhausted",
      "false",
      new TelemetryError("BACKEND_UNAVAILABLE", "no", { ...status(8), ...retryable }),
    ],
    ["InvalidArgument", "true", new TelemetryError("BACKEND_REJECTED", "no", status(3))],
    ["_OTHER", "true", new TelemetryError("BACKEND_REJECTED", "no", status(77))],
    ["_OTHER", "false", new TelemetryError("BACKEND_UNAVAILABLE", "no route", retryable)],
    ["_OTHER", "true", new TelemetryError("INTERNAL", "BUG")],
  ])("error.type %s, error.permanent %s", (type, permanent, error) => {
    const meters = new MeterRegistry();
    new SendFailed(meters.meterFor({}), name, { exporter: "e" }).add(3, error);
    expect(pointsOf(meters, name)).toEqual([
      { labels: { exporter: "e" }, value: 0 },
      {
        labels: { exporter: "e", "error.type": type, "error.permanent": permanent },
        value: 3,
      },
    ]);
  });

  test.each(["basic", "normal"] as const)("are one series at level %s", (level) => {
    const meters = new MeterRegistry(level);
    const failed = new SendFailed(meters.meterFor({}), name, { exporter: "e" });
    failed.add(3, timeout());
    failed.add(4, new TelemetryError("INTERNAL", "BUG"));
    expect(pointsOf(meters, name)).toEqual([{ labels: { exporter: "e" }, value: 7 }]);
  });
});

describe("sizes", () => {
  const small = logsPayload(["a"]);
  const large = logsPayload(["b", "c", "d"]);
  const sizes = (...payloads: Payload[]) => ({
    count: payloads.length,
    items: payloads.reduce((sum, { itemCount }) => sum + itemCount, 0),
    bytes: payloads.reduce((sum, { byteLength }) => sum + byteLength, 0),
  });

  /** Both requests through a delivery; what its histograms say. */
  async function measured(queue: Record<string, unknown>, level: CollectionLevel = "detailed") {
    const meters = new MeterRegistry(level);
    const settings = {
      ...testSettings({ id: "e", clock: new FakeClock() }),
      meter: meters.meterFor({}),
    };
    const delivery = createDelivery({
      exporter: { push: () => Promise.resolve({}) },
      signal: "logs",
      config: configOf(queue),
      settings,
    });
    for (const payload of [small, large]) {
      await delivery.consume(payload, { receivedMs: 0 }).catch(() => {});
    }
    await delivery.shutdown(new AbortController().signal);
    const read = (metric: string) => {
      const [items] = pointsOf(meters, metric);
      const [bytes] = pointsOf(meters, `${metric}_bytes`);
      if (items === undefined || bytes === undefined) return undefined;
      if (!("sum" in items) || !("sum" in bytes)) throw new Error("no histograms");
      expect([items.labels, bytes.labels]).toEqual([{ exporter: "e" }, { exporter: "e" }]);
      expect(bytes.count).toBe(items.count);
      return { count: items.count, items: items.sum, bytes: bytes.sum };
    };
    return {
      enqueued: read("otelcol_exporter_enqueue_size"),
      sent: read("otelcol_exporter_queue_batch_send_size"),
    };
  }

  test("of what comes to the queue, also where it is refused; of sends only where batching is on", async () => {
    expect(await measured({ sending_queue: {} })).toEqual({
      enqueued: sizes(small, large),
      sent: undefined,
    });
    const full = { sending_queue: { sizer: "items", queue_size: 2 } };
    expect((await measured(full)).enqueued).toEqual(sizes(small, large));
  });

  test("of batches, as they are sent", async () => {
    const { sent } = await measured({ sending_queue: { batch: { min_size: 4 } } });
    expect(sent).toEqual({ ...sizes(small, large), count: 1 });
  });

  test("not without a queue, and not below level detailed", async () => {
    const nothing = { enqueued: undefined, sent: undefined };
    expect(await measured({ sending_queue: null })).toEqual(nothing);
    expect(await measured({ sending_queue: { batch: {} } }, "normal")).toEqual(nothing);
  });
});
