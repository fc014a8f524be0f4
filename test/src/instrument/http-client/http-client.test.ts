/** What holds for all clients together: totals, bounds, what is left out, disposing. */
import { channel } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import { Agent, get } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { anything, assert, property } from "fast-check";
import { request as sendByUndici } from "undici";
import { errorTypeOf } from "../../../../src/instrument/http-client/error-type.ts";
import { ClientInstruments } from "../../../../src/instrument/http-client/series.ts";
import { Servers } from "../../../../src/instrument/http-client/servers.ts";
import { start } from "../../../../src/instrument/index.ts";
import { ClientBench } from "../../../support/client-bench.ts";
import { closedPort, OddServer } from "../../../support/odd-server.ts";
import { OtlpHttpSink } from "../../../support/otlp-http-sink.ts";

let bench: ClientBench;
let server: OddServer;
beforeEach(async () => {
  server = await OddServer.start();
  bench = new ClientBench();
});
afterEach(async () => {
  bench.close();
  await server.close();
});

/** To the end of the request, however it ends. */
function sendByNode(url: string, agent: Agent, abort?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const request = get(url, { agent, ...(abort === undefined ? {} : { signal: abort }) });
    request.on("response", (response) => response.on("error", () => {}).resume());
    request.on("error", () => {}).on("close", resolve);
  });
}

async function sendByFetch(url: string, signal: AbortSignal | null = null): Promise<void> {
  await fetch(url, { signal })
    .then((response) => response.text())
    .catch(() => {});
}

test("1,000 requests of three clients, good and bad: each is counted once", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 5 });
  const refused = `http://127.0.0.1:${await closedPort()}/`;
  const clients = [
    sendByFetch,
    async (url: string) => {
      await sendByUndici(url).then(
        ({ body }) => body.text(),
        () => {},
      );
    },
    (url: string) => sendByNode(url, agent),
  ];
  const urls = [
    ...["/ok", "/ok", "/status/404", "/status/503"].map((path) => server.url(path)),
    refused,
  ];
  let fetches = 0;
  for (let round = 0; round < 100; round++) {
    const sent = Array.from({ length: 9 }, (_, i) => {
      const client = clients[i % 3]!;
      if (client !== clients[2]) fetches++;
      return client(urls[(round + i) % urls.length]!);
    });
    const abort = new AbortController();
    if (round % 2 === 0) fetches++;
    const before = server.requests;
    const isAborted =
      round % 2 === 0
        ? sendByFetch(server.url("/hang"), abort.signal)
        : sendByNode(server.url("/hang"), agent, abort.signal);
    await Promise.all(sent);
    const served = 9 - sent.filter((_, i) => urls[(round + i) % urls.length] === refused).length;
    await server.took(before + served + 1);
    abort.abort();
    await isAborted;
  }
  await bench.undiciEnded(fetches);
  agent.destroy();
  expect(new Set(bench.counts().map(String))).toEqual(
    new Set([
      "GET,200,,360",
      "GET,404,404,180",
      "GET,503,503,180",
      "GET,,ECONNREFUSED,180",
      "GET,,AbortError,100",
    ]),
  );
  expect(bench.codes).toEqual([]);
});

describe("what comes from outside is bounded", () => {
  const publish = (name: string, message: object) =>
    channel(`undici:request:${name}`).publish(message);
  function exchange(request: { method: string; origin: unknown }, statusCode: number): void {
    publish("create", { request });
    publish("headers", { request, response: { statusCode } });
    publish("trailers", { request });
  }
  const values = (key: string) => new Set(bench.attributes().map((a) => a[key]));

  test("50 servers, then the address _OTHER without a port", () => {
    for (let i = 0; i < 300; i++)
      exchange({ method: "GET", origin: `http://h${i}:${8000 + i}` }, 200);
    for (const origin of ["http://h1:8001/", "HTTP://H1:8001"])
      exchange({ method: "GET", origin }, 200);
    const points = bench.durations();
    expect(points).toHaveLength(51);
    expect(points[1]).toMatchObject({ count: 3, attributes: { "server.address": "h1" } });
    expect(points[50]!.count).toBe(250);
    expect(points[50]!.attributes).toEqual({
      "http.request.method": "GET",
      "server.address": "_OTHER",
      "http.response.status_code": 200,
      "url.scheme": "http",
    });
  });

  test("200 ways to write a server are remembered, what they mean always", () => {
    const servers = new Servers(new ClientInstruments(bench.meter));
    const texts = Array.from({ length: 300 }, (_, i) => `http://h:${i}`);
    const first = texts.map((text) => servers.origin(text));
    const remembered = texts.filter((text, i) => servers.origin(text) === first[i]);
    expect(remembered).toEqual(texts.slice(0, 200));
    expect(texts.map((text) => servers.origin(text))).toEqual(first);
    expect(servers.origin("http://")).toBeUndefined();
  });

  test("30 statuses, 15 error types, 10 methods", () => {
    const origin = "http://h";
    for (let i = 0; i < 100; i++) exchange({ method: `M${i}`, origin }, 400 + i);
    for (let i = 0; i < 100; i++) {
      const request = { method: "GET", origin };
      publish("create", { request });
      publish("error", { request, error: { code: `E${i}` } });
    }
    expect(values("http.request.method")).toEqual(new Set(["_OTHER", "GET"]));
    expect(values("http.response.status_code").size).toBe(30 + 1 + 1);
    const types = [...values("error.type")].map(String);
    expect(types.filter((type) => type.startsWith("4"))).toHaveLength(30);
    expect(types.filter((type) => type.startsWith("E"))).toHaveLength(15);
    expect(types).toHaveLength(30 + 15 + 1);
    expect(bench.durations().reduce((sum, { count }) => sum + count!, 0)).toBe(200);
  });

  test("what is no origin, and messages of another shape, reach nobody", () => {
    exchange({ method: "GET", origin: "nonsense" }, 200);
    for (const message of [
      undefined,
      null,
      7,
      {},
      { request: null },
      { request: Object.freeze({}) },
    ]) {
      for (const name of ["create", "headers", "trailers", "error"])
        publish(name, message as object);
    }
    const request = new EventEmitter();
    channel("http.client.request.created").publish({ request });
    request.emit("close");
    exchange({ method: "GET", origin: "http://h" }, 200);
    expect([...values("server.address")]).toEqual(["_OTHER", "h"]);
    expect(new Set(bench.codes)).toEqual(new Set(["http_client_failed"]));
  });
});

test("error.type: the code, else the name; aborts and timeouts by name; never throws", () => {
  const abort = new Error("a", { cause: { name: "TimeoutError" } });
  abort.name = "AbortError";
  const cases: [unknown, string][] = [
    [Object.assign(new Error("x"), { code: "ECONNREFUSED" }), "ECONNREFUSED"],
    [new TypeError("x"), "TypeError"],
    [new DOMException("x", "AbortError"), "AbortError"],
    [new DOMException("x", "TimeoutError"), "TimeoutError"],
    [abort, "TimeoutError"],
    [Object.assign(new AggregateError([]), { code: "ETIMEDOUT" }), "ETIMEDOUT"],
    [undefined, "_OTHER"],
    ["reason", "_OTHER"],
    [{ name: 7, code: "" }, "_OTHER"],
    [
      Object.defineProperty({}, "code", {
        get: () => {
          throw new Error("no");
        },
      }),
      "_OTHER",
    ],
  ];
  for (const [error, expected] of cases) expect(errorTypeOf(error)).toBe(expected);
  assert(
    property(anything(), (error) => {
      expect(errorTypeOf(error)).not.toBe("");
    }),
  );
});

describe("what is not the application's", () => {
  test("what these helpers send themselves is not counted, what runs beside it is", async () => {
    bench.stop();
    const sink = await OtlpHttpSink.start();
    const own = Number(new URL(sink.url).port);
    const agent = new Agent();
    const telemetry = start({
      endpoint: sink.url,
      intervalMs: 3_600_000,
      http: { server: false },
      system: false,
    });
    telemetry.meter.counter("c").add(1);
    for (let i = 0; i < 3; i++) await telemetry.flush();
    await sendByNode(server.url("/ok"), agent);
    await sendByNode(`${sink.url}/v1/metrics`, agent);
    await telemetry.flush();
    await telemetry.shutdown();
    await sink.close();
    expect(sink.requests).toBeGreaterThanOrEqual(5);
    const counted = sink
      .points()
      .filter(({ metric }) => metric === "http.client.request.duration")
      .map(({ attributes, count }) => [
        attributes["http.request.method"],
        attributes["server.port"],
        count,
      ]);
    expect(new Set(counted.map(String))).toEqual(new Set([`GET,${server.port},1`, `GET,${own},1`]));
  });

  test("nor are requests that began before", async () => {
    bench.stop();
    const response = await fetch(server.url("/begin"));
    const agent = new Agent();
    const later = new ClientBench();
    const byNode = sendByNode(server.url("/ok"), agent);
    server.resetConnections();
    await expect(response.text()).rejects.toThrow("terminated");
    await byNode;
    await sendByFetch(server.url("/ok"));
    later.close();
    expect(later.counts().map(([, status]) => status)).not.toContain(undefined);
    expect(later.durations().reduce((sum, { count }) => sum + count!, 0)).toBe(2);
  });
});

test("disposing: requests under way are measured to their end, new ones are not", async () => {
  const agent = new Agent();
  const abort = new AbortController();
  const opened = [
    sendByFetch(server.url("/hang"), abort.signal),
    sendByNode(server.url("/hang"), agent, abort.signal),
  ];
  await server.took(2);
  bench.stop();
  const again = new ClientBench();
  await sendByFetch(server.url("/ok"));
  await sendByNode(server.url("/ok"), agent);
  again.close();
  await sendByFetch(server.url("/ok"));
  await sendByNode(server.url("/ok"), agent);
  abort.abort();
  await Promise.all(opened);
  await bench.undiciEnded(3);
  expect(bench.counts()).toEqual([["GET", undefined, "AbortError", 2]]);
  expect(again.counts()).toEqual([["GET", 200, undefined, 2]]);
  for (const name of ["create", "headers", "trailers", "error"]) {
    // Only the bench's own listener is left.
    expect([name, channel(`undici:request:${name}`).hasSubscribers]).toEqual([
      name,
      name === "trailers" || name === "error",
    ]);
  }
  for (const name of ["created", "error"]) {
    expect(channel(`http.client.request.${name}`).hasSubscribers).toBe(false);
  }
});
