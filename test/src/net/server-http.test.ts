/** What the HTTP server does with requests that are as they should be. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../../src/errors.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import type { HttpExchange, HttpHandler } from "../../../src/transport.ts";
import {
  chunk,
  type HttpServerOptions,
  head,
  type RawClient,
  type RunningHttpServer,
  startHttpServer,
} from "../../support/http-server.ts";
import { testBudget } from "../../support/settings.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: HttpServerOptions = {}): Promise<RunningHttpServer> {
  const server = await startHttpServer(options);
  closers.push(() => server.close());
  return server;
}

async function connected(options: HttpServerOptions = {}): Promise<RawClient> {
  const client = await (await start(options)).connect();
  closers.push(() => client.destroy());
  return client;
}

const ok: HttpHandler = (exchange) => exchange.respond(200, {}, "ok");

describe("requests", () => {
  test("a body with a length, a chunked and an empty one arrive whole, on one connection", async () => {
    const client = await connected();
    expect(await client.post("hello").response()).toMatchObject({ status: 200, body: "hello" });
    client.send(
      head("POST", "/", { "transfer-encoding": "chunked" }),
      chunk("one "),
      chunk("two"),
      chunk(""),
    );
    expect(await client.response()).toMatchObject({ status: 200, body: "one two" });
    client.send(head("POST", "/"));
    expect(await client.response()).toMatchObject({ status: 200, body: "" });
  });

  test("a body that comes byte by byte arrives whole", async () => {
    const client = await connected();
    const request = `${head("POST", "/", { "content-length": "5" })}hello`;
    for (const byte of request) {
      client.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await client.response())?.body).toBe("hello");
  });

  test("a handler sees method, path, query, headers and peer", async () => {
    let seen: HttpExchange | undefined;
    const client = await connected({
      handler: (exchange) => {
        seen = exchange;
        exchange.respond(200, {});
      },
    });
    client.send(head("GET", "/?a=1&b=x%20y", { "X-Tenant": "one", "x-tenant": "two" }));
    await client.response();
    expect(seen).toMatchObject({ method: "GET", path: "/", peerAddress: "127.0.0.1" });
    expect([...seen!.query]).toEqual([
      ["a", "1"],
      ["b", "x y"],
    ]);
    expect(seen!.headers.get("x-tenant")).toEqual(["one", "two"]);
  });

  test("a proxy's absolute target means the same path", async () => {
    const client = await connected({
      handler: (e) => e.respond(200, {}, `${e.path} ${e.query.toString()}`),
    });
    client.send(head("GET", "http://other:1/?q=1"));
    expect((await client.response())?.body).toBe("/ q=1");
    client.send(head("GET", "http://other"));
    expect((await client.response())?.body).toBe("/ ");
  });

  test("paths are exact; another is 404", async () => {
    const client = await connected();
    client.send(head("GET", "/other"), head("GET", "//"));
    expect(await client.response()).toMatchObject({ status: 404, body: "404 page not found\n" });
    expect(await client.status()).toBe(404);
  });

  test("an escaped path is the same path; a broken escape is none", async () => {
    const client = await connected({ spec: { routes: new Map([["/größe", ok]]) } });
    client.send(head("GET", "/gr%C3%b6%C3%9Fe?x=%25"), head("GET", "/gr%zz"));
    expect(await client.status()).toBe(200);
    expect(await client.status()).toBe(404);
  });

  test("pipelined requests are answered in their order", async () => {
    const pending: HttpExchange[] = [];
    const client = await connected({
      handler: async (exchange) => {
        const body = Buffer.from(await exchange.body()).toString();
        pending.push(exchange);
        if (body !== "third") return;
        for (const waiting of pending.toReversed())
          waiting.respond(200, {}, waiting === exchange ? "3" : "x");
      },
    });
    client.post("first").post("second").post("third");
    expect((await client.response())?.body).toBe("x");
    expect((await client.response())?.body).toBe("x");
    expect((await client.response())?.body).toBe("3");
  });

  test("a body is decompressed in every coding named, in any case", async () => {
    const client = await connected();
    client.post(gzipSync("hello"), { "content-encoding": "GZip" });
    expect((await client.response())?.body).toBe("hello");
    client.post("plain", { "content-encoding": "identity" });
    expect((await client.response())?.body).toBe("plain");
  });

  test("a coding that is not allowed is refused, no coding included", async () => {
    const client = await connected({ spec: { compressionAlgorithms: ["gzip"] } });
    client.post("x", { "content-encoding": "zstd" });
    expect(await client.response()).toMatchObject({
      status: 400,
      body: "unsupported Content-Encoding: zstd",
    });
    const other = await connected({ spec: { compressionAlgorithms: ["gzip"] } });
    expect((await other.post("x").response())?.body).toBe("unsupported Content-Encoding: ");
  });

  test("what a body takes is reserved until the handler gives it up or answers", async () => {
    const used: number[] = [];
    const budget = testBudget();
    const client = await connected({
      deps: { budget },
      spec: { maxBodyBytes: 100_000 },
      handler: async (exchange) => {
        await exchange.body();
        used.push(budget.usedBytes);
        exchange.releaseBody();
        used.push(budget.usedBytes);
        exchange.respond(200, {});
      },
    });
    await client.post("x".repeat(5000)).response();
    await client.post(gzipSync("y".repeat(50_000)), { "content-encoding": "gzip" }).response();
    expect(used[0]).toBeGreaterThanOrEqual(5000);
    // The compressed form is given up when it is decompressed.
    expect(used.slice(1)).toEqual([0, 50_000, 0]);
  });

  test("a body for which there is no room is refused, and room is found when there is", async () => {
    const budget = testBudget(10_000);
    const server = await start({ deps: { budget }, spec: { maxBodyBytes: 100_000 } });
    const client = await server.connect();
    client.post("x".repeat(20_000));
    expect(await client.response()).toMatchObject({
      status: 503,
      body: "the memory budget is used up; try again later",
    });
    const bomb = await server.connect();
    bomb.post(gzipSync("x".repeat(20_000)), { "content-encoding": "gzip" });
    expect(await bomb.status()).toBe(503);
    const good = await server.connect();
    expect(await good.post("x".repeat(5000)).status()).toBe(200);
    expect(budget.usedBytes).toBe(0);
  });
});

describe("responses", () => {
  test("HEAD gets the headers alone; 204 has no length", async () => {
    const client = await connected({
      handler: (e) => e.respond(e.query.has("empty") ? 204 : 200, {}, "body"),
    });
    client.send(head("HEAD", "/"), head("GET", "/?empty"), head("GET", "/"));
    // A HEAD's length is of the body that is not there.
    const text = await client.received("\r\n\r\nbody");
    const [first = "", second = ""] = text.split("\r\n\r\n");
    expect(first.toLowerCase()).toContain("content-length: 4");
    expect(second).toContain("204 No Content");
    expect(second.toLowerCase()).not.toContain("content-length");
  });

  test("the configured headers are added to every response, errors included", async () => {
    const client = await connected({ spec: { responseHeaders: new Map([["X-Server", "one"]]) } });
    client.send(head("GET", "/other"), head("GET", "/"));
    expect((await client.response())?.headers["x-server"]).toBe("one");
    expect((await client.response())?.headers["x-server"]).toBe("one");
  });

  test("keep_alives_enabled: false closes after each response", async () => {
    const client = await connected({ spec: { keepAlivesEnabled: false } });
    expect((await client.post("x").response())?.headers["connection"]).toBe("close");
    await client.closed;
  });

  test("an idle connection may be silent for two minutes, or as long as configured", async () => {
    const client = await connected();
    expect((await client.post("x").response())?.headers["keep-alive"]).toBe("timeout=120");
    const other = await connected({ spec: { idleTimeoutMs: 300_000 } });
    expect((await other.post("x").response())?.headers["keep-alive"]).toBe("timeout=300");
  });

  test("a handler that throws is a 500 and a log line, the server goes on", async () => {
    const logged: unknown[] = [];
    const log: Logger = {
      ...silentLogger,
      error: (text, fields) => void logged.push([text, fields]),
    };
    let calls = 0;
    const client = await connected({
      deps: { log },
      handler: (exchange) => {
        if (calls++ === 0) throw new Error("broken");
        exchange.respond(200, {});
      },
    });
    client.send(head("GET", "/"));
    expect(await client.response()).toMatchObject({ status: 500, body: "internal error\n" });
    client.send(head("GET", "/"));
    expect(await client.status()).toBe(200);
    expect(logged).toEqual([["BUG: an HTTP handler threw.", { path: "/", error: "BUG: broken" }]]);
  });

  test("a handler that throws amid a streamed response cuts it", async () => {
    let fail: (() => void) | undefined;
    const failing = new Promise<never>((_resolve, reject) => {
      fail = () => reject(new Error("broken"));
    });
    const client = await connected({
      handler: async (exchange) => {
        await exchange.stream(200, {}).write("begun");
        await failing;
      },
    });
    client.send(head("GET", "/"));
    await client.received("begun");
    fail?.();
    // The end is missing: the client sees that the response is not whole.
    expect(await client.rest()).not.toContain("0\r\n\r\n");
  });

  test("a second answer changes nothing", async () => {
    const client = await connected({
      handler: (exchange) => {
        exchange.respond(200, {}, "first");
        exchange.respond(500, {}, "second");
      },
    });
    client.send(head("GET", "/"));
    expect((await client.response())?.body).toBe("first");
    client.send(head("GET", "/"));
    expect((await client.response())?.body).toBe("first");
  });

  test("a streamed response waits for a slow reader and goes on", async () => {
    let written = 0;
    const client = await connected({
      spec: { keepAlivesEnabled: false },
      handler: async (exchange) => {
        const writer = exchange.stream(200, {});
        for (; written < 200; written++) await writer.write(Buffer.alloc(100_000, "x"));
        writer.end();
      },
    });
    client.socket.pause();
    client.send(head("GET", "/"));
    // 20 MB fit into no socket's buffers: the writer must be waiting by now.
    for (let before = -1; before !== written; ) {
      before = written;
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toBeLessThan(200);
    client.socket.resume();
    await client.closed;
    expect(written).toBe(200);
    expect(client.socket.bytesRead).toBeGreaterThan(20_000_000);
  });

  test("the signal tells a handler that the client went away; writing rejects then", async () => {
    let aborted: ((reason: unknown) => void) | undefined;
    const gone = new Promise((resolve) => {
      aborted = resolve;
    });
    const client = await connected({
      handler: async (exchange) => {
        const writer = exchange.stream(200, {});
        await writer.write("begun");
        await new Promise<void>((resolve) =>
          exchange.aborted.addEventListener("abort", () => resolve()),
        );
        aborted?.(await writer.write("more").catch((error: unknown) => error));
      },
    });
    client.send(head("GET", "/"));
    await client.received("begun");
    client.destroy();
    expect(await gone).toMatchObject({ code: "NOT_READY", message: "the client went away" });
  });
});

describe("authentication", () => {
  const authenticate = (metadata: ReadonlyMap<string, readonly string[]>) =>
    metadata.get("authorization")?.[0] === "good"
      ? Promise.resolve()
      : Promise.reject(new TelemetryError("UNAUTHENTICATED", "no valid credentials"));

  test("without credentials 401, before path and body are looked at", async () => {
    const client = await connected({ spec: { authenticate } });
    client.send(head("POST", "/other", { "content-length": "1000" }));
    expect(await client.response()).toMatchObject({ status: 401, body: "Unauthorized\n" });
    const good = await connected({ spec: { authenticate } });
    expect(await good.post("x", { authorization: "good" }).status()).toBe(200);
  });

  test("the owner of the server may word the refusal; an authenticator's defect is one, too", async () => {
    const refuse = (exchange: HttpExchange, error: TelemetryError) =>
      exchange.respond(401, {}, `refused: ${error.message}`);
    const client = await connected({ spec: { authenticate, refuse } });
    expect((await client.post("x").response())?.body).toBe("refused: no valid credentials");
    // A path of nobody has no owner.
    const unknown = await connected({ spec: { authenticate, refuse } });
    expect((await unknown.post("x", {}, "/other").response())?.body).toBe("Unauthorized\n");
    const broken = () => Promise.reject(new Error("secret detail"));
    const other = await connected({ spec: { authenticate: broken, refuse } });
    expect((await other.post("x").response())?.body).toBe("refused: Unauthorized");
  });
});

describe("CORS", () => {
  const cors = {
    allowedOrigins: ["https://*.test.com", "https://test.com"],
    allowedHeaders: ["X-Tenant"],
    exposedHeaders: ["X-Seen"],
    maxAgeSeconds: 7200,
  };
  const preflight = (origin: string, headers = "content-type") =>
    head("OPTIONS", "/", {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": headers,
    });

  test.each(["https://www.test.com", "https://test.com", "HTTPS://a.b.TEST.com"])(
    "%s may send",
    async (origin) => {
      const client = await connected({ spec: { cors }, handler: ok });
      const answer = await client.send(preflight(origin, "content-type, x-tenant")).response();
      expect(answer).toMatchObject({
        status: 204,
        headers: {
          vary: "Origin",
          "access-control-allow-origin": origin,
          "access-control-allow-credentials": "true",
          "access-control-allow-methods": "POST",
          "access-control-allow-headers": "content-type, x-tenant",
          "access-control-max-age": "7200",
        },
      });
      const sent = await client.post("x", { origin }).response();
      expect(sent).toMatchObject({
        status: 200,
        headers: {
          "access-control-allow-origin": origin,
          "access-control-expose-headers": "X-Seen",
        },
      });
    },
  );

  test.each(["https://wwwtest.com", "http://test.com", "https://test.com.evil.com", "null"])(
    "%s may not",
    async (origin) => {
      const client = await connected({ spec: { cors }, handler: ok });
      const answer = await client.send(preflight(origin)).response();
      expect(answer?.status).toBe(204);
      expect(answer?.headers).not.toHaveProperty("access-control-allow-origin");
      expect((await client.post("x", { origin }).response())?.headers).not.toHaveProperty(
        "access-control-allow-origin",
      );
    },
  );

  test("a header that is not allowed is not granted; * allows all; any origin gets no credentials", async () => {
    const client = await connected({ spec: { cors } });
    const answer = await client.send(preflight("https://test.com", "x-other")).response();
    expect(answer?.headers).not.toHaveProperty("access-control-allow-headers");
    const open = await connected({
      spec: { cors: { ...cors, allowedOrigins: ["*"], allowedHeaders: ["*"] } },
    });
    const headers = (await open.send(preflight("https://any", "x-other")).response())?.headers;
    expect(headers).toMatchObject({
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "x-other",
    });
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });

  test("a preflight needs no credentials; without CORS an OPTIONS is like any request", async () => {
    const authenticate = () => Promise.reject(new Error("no"));
    const client = await connected({ spec: { cors, authenticate } });
    expect(await client.send(preflight("https://test.com")).status()).toBe(204);
    const plain = await connected({ handler: (e) => e.respond(405, {}) });
    expect(await plain.send(preflight("https://test.com")).status()).toBe(405);
  });
});

test("listens on a unix socket", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "rmt-http-")), "http.sock");
  const client = await connected({ path, spec: { transport: "unix", endpoint: path } });
  expect((await client.post("hello").response())?.body).toBe("hello");
});
