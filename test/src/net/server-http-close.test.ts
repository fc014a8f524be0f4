/** How the HTTP server stops, and how one of its owners leaves. */
import { afterEach, describe, expect, test } from "@jest/globals";
import type { HttpExchange, HttpHandler } from "../../../src/transport.ts";
import { httpSpec } from "../../support/http-listen.ts";
import {
  type HttpServerOptions,
  head,
  type RawClient,
  type RunningHttpServer,
  startHttpServer,
} from "../../support/http-server.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: HttpServerOptions = {}): Promise<RunningHttpServer> {
  const server = await startHttpServer(options);
  closers.push(() => server.close());
  return server;
}

async function connect(server: RunningHttpServer): Promise<RawClient> {
  const client = await server.connect();
  closers.push(() => client.destroy());
  return client;
}

/** A handler that keeps its exchanges for the test to answer. */
function waitingHandler(): { handler: HttpHandler; next: () => Promise<HttpExchange> } {
  const running: HttpExchange[] = [];
  let wake: (() => void) | undefined;
  return {
    handler: (exchange) => {
      running.push(exchange);
      wake?.();
    },
    next: async () => {
      while (running.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return running.shift()!;
    },
  };
}

const never = () => new AbortController().signal;

describe("close", () => {
  test("takes no connections, ends the idle, answers what runs and then closes its connection", async () => {
    const { handler, next } = waitingHandler();
    const server = await start({ handler });
    const idle = await connect(server);
    const busy = await connect(server);
    busy.send(head("GET", "/"));
    const exchange = await next();
    const closed = server.server.close(never());
    await idle.closed;
    await expect(server.connect()).rejects.toThrow("ECONNREFUSED");
    // Longer than a half-sent request would get.
    await server.clock.advance(10_000);
    exchange.respond(200, {}, "done");
    expect(await busy.response()).toMatchObject({
      status: 200,
      headers: { connection: "close" },
      body: "done",
    });
    await closed;
    expect(server.clock.pending).toBe(0);
  });

  test("half-sent requests get three seconds", async () => {
    const server = await start();
    const halfHead = await connect(server);
    halfHead.send("POST / HT");
    const halfBody = await connect(server);
    halfBody.send(head("POST", "/", { "content-length": "10" }), "half");
    const finishing = await connect(server);
    finishing.send(head("POST", "/", { "content-length": "10" }), "half ");
    // Ten bytes are expected of each.
    while (server.budget.usedBytes < 20) await new Promise((resolve) => setImmediate(resolve));
    const closed = server.server.close(never());
    await server.clock.advance(2999);
    finishing.send("whole");
    expect(await finishing.response()).toMatchObject({ status: 200, body: "half whole" });
    await server.clock.advance(1);
    await Promise.all([halfHead.closed, halfBody.closed, closed]);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("a request that runs without a body is not taken for a half-sent one", async () => {
    const { handler, next } = waitingHandler();
    const server = await start({ handler });
    const client = await connect(server);
    client.send(head("GET", "/"));
    const writer = (await next()).stream(200, {});
    await writer.write("begun ");
    const closed = server.server.close(never());
    await server.clock.advance(5000);
    await writer.write("ended");
    writer.end();
    expect(await client.rest()).toContain("ended");
    await closed;
  });

  test("the signal cuts what is left", async () => {
    const { handler, next } = waitingHandler();
    const server = await start({ handler });
    const client = await connect(server);
    client.send(head("GET", "/"));
    const { aborted } = await next();
    const abort = new AbortController();
    const closed = server.server.close(abort.signal);
    abort.abort();
    await closed;
    await client.closed;
    expect(aborted.aborted).toBe(true);
  });

  test("with an aborted signal nothing is waited for; a second time is no error", async () => {
    const { handler, next } = waitingHandler();
    const server = await start({ handler });
    const client = await connect(server);
    client.send(head("GET", "/"));
    await next();
    await server.server.close(AbortSignal.abort());
    await client.closed;
    await expect(server.server.close(AbortSignal.abort())).resolves.toBeUndefined();
  });
});

describe("an owner that leaves", () => {
  async function shared() {
    const other = waitingHandler();
    const server = await start();
    const spec = httpSpec("127.0.0.1:0", new Map([["/other", other.handler]]));
    server.server.addRoutes(spec);
    return { server, spec, other };
  }

  test("its paths end, the others stay", async () => {
    const { server, spec } = await shared();
    await server.server.removeRoutes(spec, never());
    const client = await connect(server);
    client.send(head("GET", "/other"));
    expect(await client.status()).toBe(404);
    expect(await client.post("x").status()).toBe(200);
  });

  test("its running requests are waited for", async () => {
    const { server, spec, other } = await shared();
    const client = await connect(server);
    client.post("x", {}, "/other");
    const exchange = await other.next();
    let isRemoved = false;
    const removed = (async () => {
      await server.server.removeRoutes(spec, never());
      isRemoved = true;
    })();
    const beside = await connect(server);
    expect(await beside.post("y").status()).toBe(200);
    expect(isRemoved).toBe(false);
    exchange.respond(200, {}, "done");
    expect(await client.response()).toMatchObject({ status: 200, body: "done" });
    await removed;
  });

  test("the signal cuts its requests alone", async () => {
    const { server, spec, other } = await shared();
    const client = await connect(server);
    client.post("x", {}, "/other");
    await other.next();
    const beside = await connect(server);
    beside.send(head("POST", "/", { "content-length": "5" }));
    await server.server.removeRoutes(spec, AbortSignal.abort());
    await client.closed;
    beside.send("alive");
    expect(await beside.response()).toMatchObject({ status: 200, body: "alive" });
  });
});
