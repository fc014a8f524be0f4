/** fetch and the package undici against servers that behave and that do not. */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Agent, Client, request as send, WebSocket as UndiciWebSocket } from "undici";
import { ClientBench } from "../../../support/client-bench.ts";
import { closedPort, lookupFailure, OddServer } from "../../../support/odd-server.ts";

let bench: ClientBench;
let server: OddServer;

beforeEach(async () => {
  server = await OddServer.start();
  bench = new ClientBench();
});
afterEach(async () => {
  bench.closeInSilence();
  await server.close();
});

const text = async (path: string, init?: RequestInit) =>
  (await fetch(server.url(path), init)).text();
const failure = async (path: string, init?: RequestInit) => {
  await expect(text(path, init)).rejects.toBeDefined();
};

describe("fetch", () => {
  test("name, unit, bounds and attributes of the conventions", async () => {
    await text("/ok");
    await text("/ok");
    expect(bench.durations()).toMatchObject([
      {
        kind: "histogram",
        unit: "s",
        bounds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
        count: 2,
      },
    ]);
    expect(bench.attributes()).toEqual([
      {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "http.response.status_code": 200,
        "url.scheme": "http",
      },
    ]);
  });

  test("for a client a status from 400 on is an error", async () => {
    for (const status of [204, 304, 399, 400, 404, 500]) await text(`/status/${status}`);
    expect(bench.counts()).toEqual([
      ["GET", 204, undefined, 1],
      ["GET", 304, undefined, 1],
      ["GET", 399, undefined, 1],
      ["GET", 400, "400", 1],
      ["GET", 404, "404", 1],
      ["GET", 500, "500", 1],
    ]);
  });

  test("methods with and without a body; others are _OTHER", async () => {
    for (const method of ["HEAD", "PUT", "DELETE", "BREW"]) await text("/ok", { method });
    await text("/ok", { method: "POST", body: "body" });
    expect(bench.counts().map(([method]) => method)).toEqual([
      "HEAD",
      "PUT",
      "DELETE",
      "_OTHER",
      "POST",
    ]);
  });

  test("a followed redirect is two requests, interim responses are none", async () => {
    await text("/redirect");
    await text("/hints");
    expect(bench.counts()).toEqual([
      ["GET", 302, undefined, 1],
      ["GET", 200, undefined, 2],
    ]);
  });

  test("refused", async () => {
    const port = await closedPort();
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
    expect(bench.counts()).toEqual([["GET", undefined, "ECONNREFUSED", 1]]);
    expect(bench.attributes()).toMatchObject([{ "server.port": port }]);
  });

  test("cut in the middle of the body: the status came, and the error", async () => {
    const response = await fetch(server.url("/begin"));
    server.resetConnections();
    await expect(response.text()).rejects.toThrow("terminated");
    const second = await fetch(server.url("/begin"));
    server.endConnections();
    await expect(second.text()).rejects.toThrow("terminated");
    expect(bench.counts()).toEqual([
      ["GET", 200, "ECONNRESET", 1],
      ["GET", 200, "UND_ERR_SOCKET", 1],
    ]);
  });

  test("aborts before the head, after it, with a reason, and a timeout", async () => {
    const early = new AbortController();
    const failed = failure("/hang", { signal: early.signal });
    await server.took(1);
    early.abort();
    await failed;

    const late = new AbortController();
    const response = await fetch(server.url("/begin"), { signal: late.signal });
    late.abort();
    await expect(response.text()).rejects.toThrow("aborted");

    const withReason = new AbortController();
    const rejected = failure("/hang", { signal: withReason.signal });
    await server.took(3);
    withReason.abort("the user went away");
    await rejected;

    // As AbortSignal.timeout() does, but not before there is a request.
    const timeout = new AbortController();
    const timedOut = failure("/hang", { signal: timeout.signal });
    await server.took(4);
    timeout.abort(new DOMException("too slow", "TimeoutError"));
    await timedOut;
    await bench.undiciEnded(4);
    expect(bench.counts()).toEqual([
      ["GET", undefined, "AbortError", 1],
      ["GET", 200, "AbortError", 1],
      ["GET", undefined, "_OTHER", 1],
      ["GET", undefined, "TimeoutError", 1],
    ]);
  });

  test("a body that nobody reads: small, it came whole; big, it ends when it is cancelled", async () => {
    await fetch(server.url("/ok"));
    await bench.undiciEnded(1);
    const response = await fetch(server.url("/big"));
    expect(bench.counts()).toEqual([["GET", 200, undefined, 1]]);
    await response.body!.cancel();
    await bench.undiciEnded(2);
    expect(bench.counts()).toEqual([
      ["GET", 200, undefined, 1],
      ["GET", 200, "AbortError", 1],
    ]);
  });

  test("what never becomes a request is not counted", async () => {
    await expect(fetch("http://127.0.0.1:1/")).rejects.toThrow("fetch failed");
    await failure("/ok", { signal: AbortSignal.abort() });
    await expect(fetch("data:text/plain,hello")).resolves.toMatchObject({ status: 200 });
    expect(bench.durations()).toEqual([]);
  });
});

describe("the package undici", () => {
  test("request, keep-alive and pipelining", async () => {
    await (await send(server.url("/ok"))).body.text();
    const client = new Client(server.url(), { pipelining: 4 });
    const paths = ["/ok", "/status/404", "/ok", "/ok", "/status/500", "/ok", "/ok", "/ok"];
    await Promise.all(
      paths.map(async (path) => (await client.request({ path, method: "GET" })).body.text()),
    );
    await client.close();
    expect(new Set(bench.counts().map(String))).toEqual(
      new Set(["GET,200,,7", "GET,404,404,1", "GET,500,500,1"]),
    );
  });

  test("an origin that is a URL, and a client that is destroyed under its requests", async () => {
    const agent = new Agent();
    const origin = new URL(server.url());
    await (await agent.request({ origin, path: "/ok", method: "GET" })).body.text();
    const left = [1, 2].map(async () => agent.request({ origin, path: "/hang", method: "PUT" }));
    const outcomes = Promise.allSettled(left);
    await server.took(3);
    await agent.destroy();
    await outcomes;
    expect(bench.counts()).toEqual([
      ["GET", 200, undefined, 1],
      ["PUT", undefined, "UND_ERR_DESTROYED", 2],
    ]);
  });

  test("an unknown host, a default port", async () => {
    const agent = new Agent({ connect: { lookup: lookupFailure } });
    const sent = agent.request({ origin: "https://nowhere.invalid", path: "/", method: "GET" });
    await expect(sent).rejects.toThrow("no such host");
    await agent.close();
    expect(bench.attributes()).toEqual([
      {
        "http.request.method": "GET",
        "server.address": "nowhere.invalid",
        "server.port": 443,
        "url.scheme": "https",
        "error.type": "ENOTFOUND",
      },
    ]);
  });

  test("a WebSocket is no request with an end: not measured", async () => {
    const socket = new UndiciWebSocket(server.url("/").replace("http:", "ws:"));
    await new Promise((resolve) => socket.addEventListener("close", resolve));
    expect(bench.durations()).toEqual([]);
  });
});
