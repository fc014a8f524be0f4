/** Which labels the durations of servers and clients get, and that nothing is measured that nobody wants to know. */
import { describe, expect, test } from "@jest/globals";
import { systemClock } from "../../../src/clock.ts";
import { httpServer, httpServerSpec } from "../../../src/config/fragments/http-server.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { silentLogger } from "../../../src/log.ts";
import { ClientDurations, httpRecorder, rpcRecorder } from "../../../src/net/client-durations.ts";
import { Listeners } from "../../../src/net/listeners.ts";
import { ServerDurations } from "../../../src/net/server-durations.ts";
import { type CollectionLevel, MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import type { HttpExchange } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testBudget } from "../../support/settings.ts";

const meters = (level: CollectionLevel = "detailed") => new MeterRegistry(level);

/** Labels and counts of the only metric. */
function seriesOf(registry: MeterRegistry) {
  const snapshots = registry.snapshot("detailed", () => {});
  return snapshots.flatMap(({ points }) =>
    points.map((point) => [point.labels, "count" in point ? point.count : Number.NaN]),
  );
}

describe("servers", () => {
  test.each([
    [1, undefined],
    [2, "UNKNOWN"],
    [3, undefined],
    [4, "DEADLINE_EXCEEDED"],
    [5, undefined],
    [8, undefined],
    [12, "UNIMPLEMENTED"],
    [13, "INTERNAL"],
    [14, "UNAVAILABLE"],
    [15, "DATA_LOSS"],
    [16, undefined],
  ])("gRPC code %d is the server's error: %s", (code, errorType) => {
    const registry = meters();
    new ServerDurations(registry.meterFor({})).rpc("/a.B/C", code, 1);
    const [labels] = seriesOf(registry)[0]!;
    expect(labels).toMatchObject({ "rpc.method": "a.B/C", "rpc.system.name": "grpc" });
    expect((labels as Record<string, string>)["error.type"]).toBe(errorType);
  });

  test("HTTP methods that clients make up are one series", () => {
    const registry = meters();
    const server = new ServerDurations(registry.meterFor({}));
    const request = { isSecure: true, version: "1.1", status: undefined, route: undefined };
    for (const method of ["BREW", "STEEP"]) server.http({ ...request, method }, 1);
    expect(seriesOf(registry)).toEqual([
      [
        {
          "http.request.method": "_OTHER",
          "url.scheme": "https",
          "network.protocol.name": "http",
          "network.protocol.version": "1.1",
        },
        2,
      ],
    ]);
  });
});

describe("clients", () => {
  const retryable = { retryable: true };

  test.each([
    ["DEADLINE_EXCEEDED", new TelemetryError("TIMEOUT", "too late", retryable)],
    ["CANCELLED", new TelemetryError("SHUTTING_DOWN", "stopped", retryable)],
    ["UNKNOWN", new Error("BUG")],
  ])("a gRPC call without a status is %s", async (code, error) => {
    const registry = meters();
    const record = rpcRecorder(registry.meterFor({}), "", 0);
    const client = new ClientDurations(new FakeClock(), record);
    await expect(client.measure("/a.B/C", () => Promise.reject(error))).rejects.toBe(error);
    expect(seriesOf(registry)).toEqual([
      [
        {
          "rpc.method": "a.B/C",
          "rpc.system.name": "grpc",
          "rpc.response.status_code": code,
          "error.type": code,
        },
        1,
      ],
    ]);
  });

  test("codes that a backend makes up are one series", () => {
    const registry = meters();
    const record = rpcRecorder(registry.meterFor({}), "backend.test", 4317);
    for (let code = 100; code < 200; code++) record("/a.B/C", { code }, 1);
    expect(seriesOf(registry)).toEqual([
      [expect.objectContaining({ "rpc.response.status_code": "UNKNOWN" }), 100],
    ]);
  });

  test("an HTTP destination has a port only where it names one", () => {
    const registry = meters();
    const record = httpRecorder(registry.meterFor({}));
    record("https://user:secret@backend.test/v1/logs?token=1", { code: 200 }, 1);
    const [labels] = seriesOf(registry)[0]!;
    expect(labels).toEqual({
      "http.request.method": "POST",
      "url.scheme": "https",
      "server.address": "backend.test",
      "network.protocol.name": "http",
      "network.protocol.version": "1.1",
      "http.response.status_code": "200",
    });
  });

  test("measure until the first call shows that the metric is above the level", async () => {
    const answer = () => Promise.resolve({ code: 200 });
    for (const level of ["detailed", "normal", "none"] as const) {
      const registry = meters(level);
      const client = new ClientDurations(new FakeClock(), httpRecorder(registry.meterFor({})));
      expect(client.isOff).toBe(false);
      await client.measure("http://backend.test/", answer);
      expect(client.isOff).toBe(level !== "detailed");
      expect(seriesOf(registry)).toHaveLength(level === "detailed" ? 1 : 0);
    }
  });
});

test("a path below a route is measured as the route", async () => {
  const registry = meters();
  const clock = systemClock;
  const observer = new ServerDurations(registry.meterFor({}));
  const listeners = new Listeners({ clock, log: silentLogger, budget: testBudget(), observer });
  const id = { kind: "receiver", type: "test", text: "test" } as const;
  const keys = httpServer("127.0.0.1:0").parse({});
  const routes = new Map([["/job/*", (exchange: HttpExchange) => exchange.respond(204, {})]]);
  const listener = await listeners.listen(id, { ...httpServerSpec(keys), routes });
  for (const path of ["/job/a", "/job/b", "/else"])
    await (await fetch(`http://${listener.addresses[0]}${path}`)).arrayBuffer();
  await listener.close(new AbortController().signal);
  const labels = seriesOf(registry).map(([label, count]) => [
    (label as Record<string, string>)["http.route"],
    count,
  ]);
  expect(labels).toEqual([
    ["/job/*", 2],
    [undefined, 1],
  ]);
});
