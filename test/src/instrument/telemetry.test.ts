import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { instrumentHttp, queue, start } from "../../../src/instrument/index.ts";
import type { StartOptions, Telemetry } from "../../../src/instrument/types.ts";
import { pointsOf, resourceOf } from "../../support/instrument-points.ts";
import { OtlpHttpSink } from "../../support/otlp-http-sink.ts";

let sink: OtlpHttpSink;
let telemetry: Telemetry | undefined;
let said: string[];

const quiet = () => ({
  endpoint: sink.url,
  intervalMs: 3_600_000,
  http: false,
  system: false,
});

function begin(options: StartOptions = {}): Telemetry {
  telemetry = start({
    ...quiet(),
    onProblem: ({ code }) => said.push(code),
    ...options,
  });
  return telemetry;
}

beforeEach(async () => {
  said = [];
  sink = await OtlpHttpSink.start();
});
afterEach(async () => {
  await telemetry?.shutdown(0);
  telemetry = undefined;
  await sink.close();
});

describe("flush", () => {
  test("sends everything and says how much", async () => {
    const { meter, flush, stats } = bound(
      begin({ serviceName: "shop", headers: { "x-key": "k" } }),
    );
    meter.counter("c").add(2, { a: 1 });
    meter.gauge("g").record(5);
    expect(await flush()).toEqual({ ok: true, points: 2, dropped: 0 });
    const [taken] = sink.taken;
    expect(taken).toMatchObject({
      path: "/v1/metrics",
      headers: { "content-type": "application/x-protobuf", "x-key": "k" },
    });
    expect(resourceOf(taken!.body)).toMatchObject({ "service.name": "shop" });
    expect(pointsOf(taken!.body)).toHaveLength(2);
    expect(stats()).toEqual({ series: 2, overflowed: 0, exported: 2, dropped: 0, failures: 0 });
  });

  test("gzip", async () => {
    const { meter, flush } = bound(begin({ compression: "gzip" }));
    meter.counter("c").add(2);
    await flush();
    expect(sink.taken[0]!.headers["content-encoding"]).toBe("gzip");
    expect(sink.values("c")).toEqual([2]);
  });

  test("one connection for all requests", async () => {
    const { meter, flush } = bound(begin());
    meter.counter("c").add(2);
    for (let i = 0; i < 3; i++) await flush();
    expect(sink.taken).toHaveLength(3);
    expect(sink.connections).toBe(1);
  });

  test("after a failure the same point comes again, and then the newer", async () => {
    const { meter, flush, stats } = bound(begin());
    const counter = meter.counter("c");
    let answers = 0;
    sink.reply = () => ({ status: answers++ === 0 ? 503 : 200 });
    counter.add(1);
    const first = flush(20_000);
    await sink.until(() => sink.requests === 1);
    counter.add(1);
    expect((await first).ok).toBe(true);
    await flush();
    expect(sink.values("c")).toEqual([1, 2]);
    expect(stats()).toMatchObject({ exported: 2, failures: 1 });
    expect(said).toEqual(["export_failed"]);
  });

  test("a service that hangs: not ok in time, the reason named, nothing thrown", async () => {
    const { meter, flush } = bound(begin({ timeoutMs: 50 }));
    sink.reply = () => "hang";
    meter.counter("c").add(1);
    expect(await flush(200)).toMatchObject({
      ok: false,
      points: 0,
      error: `cannot send metrics to ${sink.url}/v1/metrics: no answer within 50 ms`,
    });
    sink.reply = () => ({ status: 200 });
    expect((await flush(20_000)).ok).toBe(true);
    expect(sink.values("c").at(-1)).toBe(1);
  });

  test("no service at all", async () => {
    const unused = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => unused.once("listening", resolve));
    const { port } = unused.address() as AddressInfo;
    await new Promise((resolve) => unused.close(resolve));
    const { meter, flush, stats } = bound(begin({ endpoint: `http://127.0.0.1:${port}` }));
    meter.counter("c").add(1);
    expect(await flush(100)).toMatchObject({
      ok: false,
      error: expect.stringContaining("ECONNREFUSED"),
    });
    expect(stats().failures).toBeGreaterThan(0);
  });

  test("the port of gRPC", async () => {
    const { createServer: createHttp2Server } = await import("node:http2");
    const grpc = createHttp2Server().listen(0, "127.0.0.1");
    await new Promise((resolve) => grpc.once("listening", resolve));
    const { port } = grpc.address() as AddressInfo;
    const { meter, flush } = bound(begin({ endpoint: `http://user:secret@127.0.0.1:${port}` }));
    meter.counter("c").add(1);
    const error = `cannot send metrics to http://127.0.0.1:${port}/v1/metrics: the answer is no HTTP/1.1 (4317 is the port of gRPC, 4318 that of HTTP)`;
    expect(await flush(100)).toMatchObject({ ok: false, error });
    grpc.close();
  });

  test("an answer without end is not read to its end", async () => {
    const endless = createHttpServer((_, response) => {
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16 * 1024)));
      };
      response.on("drain", write);
      write();
    });
    await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
    const { port } = endless.address() as AddressInfo;
    const { meter, flush } = bound(begin({ endpoint: `http://127.0.0.1:${port}` }));
    meter.counter("c").add(1);
    expect(await flush(60_000)).toMatchObject({ ok: true, points: 1 });
    await new Promise((resolve) => endless.close(resolve));
  });

  test("a header that HTTP does not allow is a failure, not an exception", async () => {
    const { meter, flush } = bound(begin({ headers: { "x-key": "a\nb" } }));
    meter.counter("c").add(1);
    expect(await flush(50)).toMatchObject({ ok: false });
  });
});

describe("under a long outage", () => {
  test("delta: nothing is pushed out, the totals are exact afterwards", async () => {
    const { meter, flush, stats } = bound(begin({ temporality: "delta", maxQueueBytes: 2000 }));
    const counter = meter.counter("c");
    sink.reply = () => ({ status: 503, headers: { "retry-after": "0" } });
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 50; i++) counter.add(1, { i });
      await flush(round < 3 ? 30 : 5);
    }
    sink.reply = () => ({ status: 200 });
    while (!(await flush(20_000)).ok);
    const total = sink.values("c").reduce<number>((sum, value) => sum + value!, 0);
    expect(total).toBe(400);
    expect(stats().dropped).toBe(0);
  });

  test("cumulative: bounded, counted, the totals exact afterwards", async () => {
    const { meter, flush, stats } = bound(begin({ maxQueueBytes: 5000 }));
    const counter = meter.counter("c");
    sink.reply = () => ({ status: 503 });
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 50; i++) counter.add(1, { i });
      await flush(30);
    }
    expect(stats().dropped).toBeGreaterThan(0);
    expect(said).toContain("queue_full");
    sink.reply = () => ({ status: 200 });
    // It pushes nothing out: the service has room again.
    expect(await flush(20_000)).toMatchObject({ ok: true, dropped: 0 });
    const last = new Map(sink.points().map((p) => [p.attributes["i"], p.value]));
    expect([...last.values()]).toEqual(Array.from({ length: 50 }, () => 8));
  });

  test("a collection that is larger than the queue arrives whole", async () => {
    const { meter, flush } = bound(begin({ maxQueueBytes: 4000 }));
    for (let i = 0; i < 1000; i++) meter.counter("c").add(1, { i });
    expect(await flush(20_000)).toEqual({ ok: true, points: 1000, dropped: 0 });
    expect(sink.taken.length).toBeGreaterThan(20);
  });
});

describe("start and shutdown", () => {
  test("collects at the interval", async () => {
    begin({ intervalMs: 5 }).meter.counter("c").add(1);
    await sink.until(() => sink.taken.length >= 3);
    expect(sink.values("c").slice(0, 3)).toEqual([1, 1, 1]);
  });

  test("a second call is the same instance and says so once", () => {
    const first = begin();
    expect(start({ serviceName: "other" })).toBe(first);
    expect(start()).toBe(first);
    expect(said).toEqual(["already_started"]);
  });

  test("shutdown flushes and takes every hook back; then start begins anew", async () => {
    const names = ["exit", "SIGTERM", "SIGINT", "SIGHUP"];
    const counts = () => names.map((name) => process.listenerCount(name));
    const before = counts();
    const first = begin();
    expect(counts()).toEqual(before.map((count) => count + 1));
    first.meter.counter("c").add(1);
    expect(await first.shutdown()).toEqual({ ok: true, points: 1, dropped: 0 });
    expect(counts()).toEqual(before);
    expect(begin()).not.toBe(first);
  });

  test("a second shutdown is the first one; a flush after it is not ok", async () => {
    const { meter, flush, shutdown } = bound(begin());
    meter.counter("c").add(1);
    expect(await Promise.all([shutdown(), shutdown()])).toEqual([
      { ok: true, points: 1, dropped: 0 },
      { ok: true, points: 1, dropped: 0 },
    ]);
    meter.counter("c").add(1);
    expect(await flush()).toEqual({ ok: false, points: 0, dropped: 0, error: "it is shut down" });
    expect(sink.values("c")).toEqual([1]);
  });

  test("a start during a shutdown is a new one", async () => {
    const first = begin();
    first.meter.counter("c").add(1);
    const ending = first.shutdown();
    const second = begin();
    expect(second).not.toBe(first);
    expect(await ending).toMatchObject({ ok: true, points: 1 });
    queue("jobs", () => 3);
    expect(await second.flush()).toMatchObject({ ok: true, points: 1 });
    expect(sink.values("repomind.queue.size")).toEqual([3]);
  });

  test("what was made before a shutdown is not sent after it, which is told once", async () => {
    jest.resetModules();
    const fresh = jest.requireActual<{ start: typeof start }>("../../../src/instrument/index.ts");
    const restart = async (use: (telemetry: Telemetry) => void) => {
      const next = fresh.start({ ...quiet(), onProblem: ({ code }) => said.push(code) });
      use(next);
      await next.shutdown(0);
    };
    await restart(() => {});
    await restart(({ meter }) => meter.counter("c"));
    expect(said).toEqual([]);
    await restart(() => {});
    await restart(() => {});
    expect(said).toEqual(["started_again"]);
  });

  test("a flush may wait without end", async () => {
    const { meter, flush } = bound(begin());
    meter.counter("c").add(1);
    expect(await flush(Infinity)).toMatchObject({ ok: true, points: 1 });
  });

  test("export: false sends nothing", async () => {
    const { meter, flush, stats } = bound(begin({ export: false }));
    meter.counter("c").add(1);
    expect(await flush()).toEqual({ ok: true, points: 0, dropped: 0 });
    expect(sink.requests).toBe(0);
    expect(stats()).toMatchObject({ series: 1, exported: 0 });
  });

  test("options of any shape, and a callback that throws, never reach the application", async () => {
    const wrong = { headers: 5, resource: 5, endpoint: 5, intervalMs: "x", compression: 7 };
    expect(() => begin(wrong as object)).not.toThrow();
    await telemetry?.shutdown(0);
    expect(() => start(null as unknown as StartOptions).shutdown(0)).not.toThrow();
    expect(() => begin({ http: null } as unknown as StartOptions)).not.toThrow();
    await telemetry?.shutdown(0);
    const hostile = () => {
      throw new Error("no");
    };
    const unreadable = new Proxy({}, { get: hostile });
    expect(() => begin({ http: unreadable, system: unreadable })).not.toThrow();
    expect(said.at(-1)).toBe("invalid_option");
    expect(() => instrumentHttp(unreadable)).not.toThrow();
    await telemetry?.shutdown(0);
    expect(() => begin({ onProblem: hostile }).meter.counter("").add(1)).not.toThrow();
  });

  test("overflow shows in the statistics", () => {
    const { meter, stats } = bound(begin({ maxSeriesPerMetric: 2 }));
    for (let i = 0; i < 5; i++) meter.counter("c").add(1, { i });
    expect(stats()).toMatchObject({ series: 3, overflowed: 3 });
  });

  test("instrumentHttp before start is said and does nothing", () => {
    const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => {});
    instrumentHttp()[Symbol.dispose]();
    expect(warn).toHaveBeenCalledWith("instrumentHttp() has no effect before start()", {
      type: "TelemetryWarning",
      code: "not_started",
    });
    warn.mockRestore();
  });
});

function bound(t: Telemetry) {
  return {
    meter: t.meter,
    flush: (timeoutMs?: number) => t.flush(timeoutMs),
    shutdown: () => t.shutdown(),
    stats: () => t.stats(),
  };
}
