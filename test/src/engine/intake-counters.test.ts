import { expect, test } from "@jest/globals";
import { IntakeCounters } from "../../../src/engine/intake-counters.ts";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { requestOf } from "../../support/payloads.ts";

/** `metric outcome` to value; all series must carry these labels. */
function valuesOf(meters: MeterRegistry, receiver: string, transport: string) {
  const values = new Map<string, number>();
  for (const { name, points } of meters.snapshot("detailed", () => {})) {
    for (const point of points) {
      expect(point.labels).toMatchObject({ receiver, transport });
      const { outcome = "" } = point.labels;
      if ("value" in point) values.set(`${name} ${outcome}`.trim(), point.value);
    }
  }
  return Object.fromEntries(values);
}

function counted(countsRequests: boolean) {
  const meters = new MeterRegistry();
  const counters = new IntakeCounters(meters, "otlp/in", countsRequests);
  counters.count("accepted", requestOf("traces", 3), "grpc");
  counters.count("accepted", requestOf("traces", 2), "grpc");
  counters.count("refused", requestOf("traces", 4), "grpc");
  return valuesOf(meters, "otlp/in", "grpc");
}

const items = {
  otelcol_receiver_accepted_spans: 5,
  otelcol_receiver_refused_spans: 4,
  otelcol_receiver_failed_spans: 0,
};

test("items by outcome; an outcome that never happened is 0", () => {
  expect(counted(false)).toEqual(items);
});

test("with the gate, requests too", () => {
  expect(counted(true)).toEqual({
    ...items,
    "otelcol_receiver_requests success": 2,
    "otelcol_receiver_requests refused": 1,
    "otelcol_receiver_requests failure": 0,
  });
});
