/** Clients of node:http and node:https against servers that behave and that do not. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as open,
  type RequestOptions,
} from "node:http";
import { request as openSecurely } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ClientBench } from "../../../support/client-bench.ts";
import { closedPort, lookupFailure, OddServer } from "../../../support/odd-server.ts";

let bench: ClientBench;
let server: OddServer;
let agent: Agent;

beforeEach(async () => {
  server = await OddServer.start();
  bench = new ClientBench();
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
});
afterEach(async () => {
  bench.closeInSilence();
  agent.destroy();
  await server.close();
});

/** After the measurement heard of it. */
const closing = (request: ClientRequest) => new Promise((resolve) => request.on("close", resolve));

interface Sent {
  readonly request: ClientRequest;
  readonly closed: Promise<unknown>;
  readonly errors: Error[];
}

function send(path: string, options: RequestOptions = {}): Sent {
  const request = open(server.url(path), { agent, ...options });
  const errors: Error[] = [];
  request.on("error", (error) => errors.push(error));
  request.end();
  return { request, closed: closing(request), errors };
}

async function read(sent: Sent): Promise<void> {
  sent.request.on("response", (response) => response.resume());
  await sent.closed;
}

async function headOf(sent: Sent): Promise<IncomingMessage> {
  const [got] = (await once(sent.request, "response")) as [IncomingMessage];
  got.on("error", () => {});
  return got;
}

describe("requests that are answered", () => {
  test("statuses, methods, keep-alive, interim responses", async () => {
    for (const path of ["/ok", "/ok", "/hints", "/status/404", "/status/500"]) {
      await read(send(path));
    }
    await read(send("/ok", { method: "HEAD" }));
    await read(send("/ok", { method: "purge" }));
    expect(bench.counts()).toEqual([
      ["GET", 200, undefined, 3],
      ["GET", 404, "404", 1],
      ["GET", 500, "500", 1],
      ["HEAD", 200, undefined, 1],
      ["_OTHER", 200, undefined, 1],
    ]);
    expect(bench.attributes()[0]).toEqual({
      "http.request.method": "GET",
      "server.address": "127.0.0.1",
      "server.port": server.port,
      "http.response.status_code": 200,
      "url.scheme": "http",
    });
  });

  test("without keep-alive, without an agent, without a reader of the response", async () => {
    await read(send("/ok", { agent: false }));
    await read(send("/ok", { agent: new Agent({ keepAlive: false }) }));
    const unread = send("/ok");
    await unread.closed;
    expect(bench.counts()).toEqual([["GET", 200, undefined, 3]]);
  });

  test("a response that nobody reads ends with its connection", async () => {
    const sent = send("/ok");
    await headOf(sent);
    expect(bench.counts()).toEqual([]);
    server.endConnections();
    await sent.closed;
    expect(bench.counts()).toEqual([["GET", 200, undefined, 1]]);
  });

  test("upgrade and CONNECT end where the connection is handed over", async () => {
    for (const [method, event] of [
      ["GET", "upgrade"],
      ["CONNECT", "connect"],
    ] as const) {
      const headers = method === "GET" ? { connection: "upgrade", upgrade: "test" } : {};
      const sent = send(method === "GET" ? "/ok" : "", { method, headers });
      sent.request.on(event, (_, socket) => socket.destroy());
      await sent.closed;
    }
    expect(bench.counts()).toEqual([
      ["GET", 101, undefined, 1],
      ["CONNECT", 200, undefined, 1],
    ]);
  });

  test("https", async () => {
    const folder = join(__dirname, "..", "..", "..", "testdata", "tls-server");
    const pem = (name: string) => readFileSync(join(folder, name));
    const secure = await OddServer.start({ cert: pem("server.pem"), key: pem("server.key") });
    const request = openSecurely(secure.url("/ok"), { ca: pem("ca.pem"), agent: false });
    request.on("response", (got) => got.resume()).end();
    await closing(request);
    const { port } = secure;
    await secure.close();
    expect(bench.attributes()).toMatchObject([
      { "url.scheme": "https", "server.address": "127.0.0.1", "server.port": port },
    ]);
  });
});

describe("the server's name", () => {
  const servers = () =>
    bench.attributes().map((a) => [a["server.address"], a["server.port"], a["url.scheme"]]);

  test("the host header of an application is not it; the connection knows the port", async () => {
    await read(send("/ok", { headers: { host: "shop.example:1234" } }));
    await read(send("/ok", { headers: ["host", "shop.example"] as unknown as [] }));
    // As a reverse proxy on the same machine hands it on.
    await read(send("/ok", { headers: { host: "127.0.0.1:1234" } }));
    // Which a server answers with 400.
    await read(send("/ok", { setHost: false }));
    const own = ["127.0.0.1", server.port, "http"];
    expect(servers()).toEqual([own, own]);
  });

  test("a default port, IPv6, a header that is no host, and no connection", async () => {
    const targets: RequestOptions[] = [
      { host: "nowhere.invalid", lookup: lookupFailure },
      { host: "::1", port: await closedPort() },
      { host: "127.0.0.1", port: await closedPort(), headers: { host: "%" } },
    ];
    for (const target of targets) {
      const request = open({ ...target, agent: false });
      request.on("error", () => {}).end();
      await closing(request);
    }
    expect(servers()).toEqual([
      ["nowhere.invalid", 80, "http"],
      ["::1", targets[1]!.port, "http"],
      ["127.0.0.1", undefined, "http"],
    ]);
  });

  test("through a tunnel it is whom the tunnel leads to", async () => {
    const proxy = createServer();
    proxy.on("connect", (_request, client) => {
      const target = connect(server.port, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        target.pipe(client).pipe(target);
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    const tunnel = open({ port, method: "CONNECT", path: "x:1", agent: false });
    tunnel.end();
    const [, socket] = (await once(tunnel, "connect")) as [unknown, Socket];
    await read(send("/ok", { agent: false, createConnection: () => socket }));
    socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
    expect(servers()).toContainEqual(["127.0.0.1", server.port, "http"]);
  });

  test("a Unix socket goes by its path", async () => {
    const socketPath = join(tmpdir(), `http-client-${process.pid}.sock`);
    const local = createServer((_, answer) => answer.end());
    await new Promise<void>((resolve) => local.listen(socketPath, resolve));
    const request = open({ socketPath, agent: false });
    request.on("response", (got) => got.resume()).end();
    await closing(request);
    await new Promise((resolve) => local.close(resolve));
    expect(servers()).toEqual([[socketPath, undefined, "http"]]);
  });
});

describe("requests that fail", () => {
  test("refused; a connection that cannot be made at all", async () => {
    const refused = open({ port: await closedPort(), host: "127.0.0.1" });
    refused.on("error", () => {}).end();
    await closing(refused);
    // Such a request never closes.
    const failed = open({
      createConnection() {
        throw Object.assign(new Error("no pipe"), { code: "ENOPIPE" });
      },
    });
    await new Promise((resolve) => failed.on("error", resolve));
    expect(bench.counts()).toEqual([
      ["GET", undefined, "ECONNREFUSED", 1],
      ["GET", undefined, "ENOPIPE", 1],
    ]);
  });

  test("cut in the middle of the body by a reset and by an end", async () => {
    for (const cut of ["resetConnections", "endConnections"] as const) {
      const sent = send("/begin");
      (await headOf(sent)).resume();
      server[cut]();
      await sent.closed;
    }
    expect(bench.counts()).toEqual([["GET", 200, "ECONNRESET", 2]]);
  });

  test("ended by the application before the head", async () => {
    const ends: ((request: ClientRequest) => void)[] = [
      (request) => request.destroy(),
      (request) => request.destroy(new TypeError("own")),
      (request) => request.abort(),
    ];
    let requests = 0;
    for (const end of ends) {
      const sent = send("/hang");
      await server.took(++requests);
      end(sent.request);
      await sent.closed;
    }
    expect(bench.counts()).toEqual([
      // What Node itself calls it.
      ["GET", undefined, "ECONNRESET", 1],
      ["GET", undefined, "TypeError", 1],
      ["GET", undefined, "AbortError", 1],
    ]);
  });

  test("ended before there is a connection, at once or in the agent's queue", async () => {
    const first = send("/hang");
    await server.took(1);
    const queued = send("/ok");
    queued.request.destroy();
    const closed = closing(queued.request);
    const atOnce = open(server.url("/ok"), { agent: false });
    atOnce.abort();
    await closing(atOnce);
    expect(bench.counts()).toEqual([["GET", undefined, "AbortError", 1]]);
    // The agent looks at its queue when a connection is free.
    first.request.destroy();
    await closed;
    expect(bench.counts()).toEqual([
      ["GET", undefined, "AbortError", 1],
      ["GET", undefined, "ECONNRESET", 2],
    ]);
  });

  test("signals and timeouts", async () => {
    const before = send("/hang", { signal: AbortSignal.abort(), agent: false });
    await before.closed;
    const timed = send("/hang", { signal: AbortSignal.timeout(10), agent: false });
    await timed.closed;
    const idle = send("/hang", { timeout: 10, agent: false });
    idle.request.on("timeout", () =>
      idle.request.destroy(Object.assign(new Error("slow"), { code: "ETIMEDOUT" })),
    );
    await idle.closed;
    expect(bench.counts()).toEqual([
      ["GET", undefined, "AbortError", 1],
      ["GET", undefined, "TimeoutError", 1],
      ["GET", undefined, "ETIMEDOUT", 1],
    ]);
  });

  test("ended by the application after the head: the status came, and the error", async () => {
    const abort = new AbortController();
    const ends: ((sent: Sent, got: IncomingMessage) => void)[] = [
      (_, got) => got.destroy(),
      (_, got) => got.destroy(new RangeError("own")),
      ({ request }) => request.destroy(),
      () => abort.abort(),
    ];
    for (const end of ends) {
      const sent = send("/begin", { signal: abort.signal });
      end(sent, await headOf(sent));
      await sent.closed;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bench.counts()).toEqual([
      ["GET", 200, "AbortError", 2],
      ["GET", 200, "RangeError", 1],
      ["GET", 200, "ECONNRESET", 1],
    ]);
  });

  test("an error behind the whole response is none of the request's", async () => {
    const sent = send("/ok", { agent: false });
    const got = await headOf(sent);
    sent.request.on("error", () => {});
    got.resume().on("end", () => got.socket.destroy(new Error("later")));
    await sent.closed;
    expect(sent.errors.map(String)).toEqual(["Error: later"]);
    expect(bench.counts()).toEqual([["GET", 200, undefined, 1]]);
  });
});
