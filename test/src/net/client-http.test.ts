import { readFileSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Settings } from "../../../src/component.ts";
import { section } from "../../../src/config/fields.ts";
import { httpClientKeys, httpClientProblem } from "../../../src/config/fragments/http-client.ts";
import { createHttpClient, type HttpClient, retryAfter } from "../../../src/net/http-client.ts";
import type { UnaryRequest } from "../../../src/net/unary-client.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { portOf } from "../../support/grpc-backend.ts";
import { testSettings } from "../../support/settings.ts";

const schema = section(httpClientKeys);
const closers: (() => Promise<unknown>)[] = [];
const pemPath = (name: string) => join(__dirname, "../../testdata/tls-client", name);
const pem = (name: string) => readFileSync(pemPath(name));

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function client(
  config: Record<string, unknown> = {},
  settings: Partial<Settings> = {},
): HttpClient {
  const made = createHttpClient(schema.parse(config), { ...testSettings(), ...settings });
  closers.push(() => made.close(AbortSignal.abort()));
  return made;
}

function request(url: string, overrides: Partial<UnaryRequest> = {}): UnaryRequest {
  const bytes = Buffer.from("hello ".repeat(50));
  return {
    path: url,
    metadata: { "content-type": "application/x-protobuf" },
    parts: [bytes.subarray(0, 20), bytes.subarray(20)],
    byteLength: bytes.byteLength,
    timeoutMs: 0,
    abort: new AbortController().signal,
    ...overrides,
  };
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly socket: Socket;
}

interface Backend {
  readonly url: string;
  readonly server: Server;
  readonly seen: Seen[];
  connections: number;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return portOf(server);
}

/** A server that collects requests and answers each with the script. */
async function backend(
  script: (response: ServerResponse, index: number) => void = (response) => void response.end(),
  create: (listener: RequestListener) => Server = createServer,
): Promise<Backend> {
  const seen: Seen[] = [];
  const server = create((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { method = "", url = "", headers, socket } = incoming;
      seen.push({ method, url, headers, socket, body: Buffer.concat(chunks) });
      script(response, seen.length - 1);
    });
  });
  const made = { url: "", server, seen, connections: 0 };
  server.on(create === createServer ? "connection" : "secureConnection", () => made.connections++);
  const scheme = create === createServer ? "http" : "https";
  made.url = `${scheme}://127.0.0.1:${await listen(server)}`;
  return made;
}

const secure = (listener: RequestListener): Server =>
  createSecureServer({ cert: pem("server.pem"), key: pem("server.key") }, listener);

/** A raw TCP server. */
async function tcp(handler: (socket: Socket, index: number) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    handler(socket, sockets.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${portOf(server)}`;
}

describe("requests", () => {
  test("POSTs the compressed body with the headers of the call and the config", async () => {
    const server = await backend((response) => {
      response.writeHead(200, { "content-type": "application/x-protobuf; charset=utf-8" });
      response.end("ok");
    });
    const made = client({ headers: { "X-Tenant": "a", "content-type": "application/custom" } });
    const response = await made.call(request(`${server.url}/v1/traces?x=1`));
    expect(response).toMatchObject({
      code: 200,
      contentType: "application/x-protobuf",
      truncated: false,
    });
    expect(Buffer.from(response.body).toString()).toBe("ok");
    const seen = server.seen[0]!;
    expect(seen).toMatchObject({ method: "POST", url: "/v1/traces?x=1" });
    expect(seen.headers).toMatchObject({
      "content-encoding": "gzip",
      "x-tenant": "a",
      "content-type": "application/custom",
      "content-length": String(seen.body.length),
    });
    expect(seen.headers["transfer-encoding"]).toBeUndefined();
    expect(gunzipSync(seen.body).toString()).toBe("hello ".repeat(50));
  });

  test("sends the parts as they are without compression", async () => {
    const server = await backend();
    await client({ compression: "none" }).call(request(server.url));
    expect(server.seen[0]!.body.toString()).toBe("hello ".repeat(50));
    expect(server.seen[0]!.headers["content-encoding"]).toBeUndefined();
  });

  test("keeps connections, and does not with disable_keep_alives", async () => {
    const server = await backend();
    const kept = client();
    for (let i = 0; i < 3; i++) await kept.call(request(server.url));
    expect(server.connections).toBe(1);
    const single = client({ disable_keep_alives: true });
    for (let i = 0; i < 3; i++) await single.call(request(server.url));
    expect(server.connections).toBe(4);
  });

  test("max_conns_per_host bounds the connections", async () => {
    const server = await backend();
    const made = client({ max_conns_per_host: 2 });
    await Promise.all(Array.from({ length: 10 }, () => made.call(request(server.url))));
    expect(server.seen).toHaveLength(10);
    expect(server.connections).toBe(2);
  });

  test("an idle connection is closed after idle_conn_timeout", async () => {
    const server = await backend();
    const made = client({ idle_conn_timeout: "20ms" });
    await made.call(request(server.url));
    const { socket } = server.seen[0]!;
    await new Promise((resolve) => (socket.destroyed ? resolve(0) : socket.once("close", resolve)));
    expect(socket.destroyed).toBe(true);
  });

  test("cookies are sent back only when enabled", async () => {
    const server = await backend((response) => {
      response.setHeader("set-cookie", [
        "lb=node1; Path=/; HttpOnly",
        "other=1; Domain=foreign.test",
      ]);
      response.end();
    });
    const made = client({ cookies: { enabled: true } });
    await made.call(request(server.url));
    await made.call(request(server.url));
    expect(server.seen.map((seen) => seen.headers.cookie)).toEqual([undefined, "lb=node1"]);
    const plain = client();
    await plain.call(request(server.url));
    await plain.call(request(server.url));
    expect(server.seen[3]!.headers.cookie).toBeUndefined();
  });

  test("redirects are not followed", async () => {
    const target = await backend();
    const server = await backend((response) => {
      response.writeHead(307, { location: `${target.url}/elsewhere` });
      response.end();
    });
    expect((await client().call(request(server.url))).code).toBe(307);
    expect(target.seen).toHaveLength(0);
  });

  test("credentials of the URL are sent as basic authentication", async () => {
    const server = await backend();
    await client().call(request(server.url.replace("//", "//user:p%40ss@")));
    expect(server.seen[0]!.headers.authorization).toBe(`Basic ${btoa("user:p@ss")}`);
  });

  test.each([
    ["a b", 'net/http: invalid header field name "a b"'],
    ["Content-Length", 'header "Content-Length" is reserved'],
  ])("a header HTTP cannot carry stops the start: %s", (name, message) => {
    expect(() => client({ headers: { [name]: "v" } })).toThrow(message);
  });
});

describe("responses", () => {
  test.each([64 * 1024, 64 * 1024 + 1, 5 << 20])(
    "reads at most 64 KiB of %i bytes",
    async (bytes) => {
      const server = await backend((response) => void response.end(Buffer.alloc(bytes, 1)));
      const response = await client().call(request(server.url));
      expect(response).toMatchObject({ code: 200, truncated: bytes > 64 * 1024 });
      expect(response.body.byteLength).toBe(64 * 1024);
    },
  );

  test("an endless response is cut off", async () => {
    const url = await tcp((socket) => {
      socket.resume();
      socket.write("HTTP/1.1 400 Bad\r\ntransfer-encoding: chunked\r\n\r\n");
      const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
      const pump = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on("drain", pump);
      pump();
    });
    expect(await client().call(request(url))).toMatchObject({ code: 400, truncated: true });
  });

  test("a compressed response is decompressed within the limit", async () => {
    const bodies = [gzipSync("text"), gzipSync(Buffer.alloc(1 << 20)), Buffer.from("no gzip")];
    const server = await backend((response, index) => {
      response.setHeader("content-encoding", "gzip");
      response.end(bodies[index]);
    });
    const made = client();
    const texts: string[] = [];
    for (const _ of bodies)
      texts.push(Buffer.from((await made.call(request(server.url))).body).toString());
    expect(texts).toEqual(["text", "", ""]);
  });

  test("a status stands even where its body breaks off", async () => {
    const url = await tcp((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"));
    });
    expect(await client().call(request(url))).toMatchObject({ code: 200, truncated: true });
  });

  const bigBytes = 8 << 20;
  const big = { parts: [Buffer.alloc(bigBytes)], byteLength: bigBytes };

  test("an answer stands that comes before the body was read, although the server hangs up", async () => {
    const server = createServer((incoming, response) => {
      response.writeHead(413, { connection: "close" });
      response.end("too large");
      response.on("finish", () => incoming.socket.destroy());
    });
    const url = `http://127.0.0.1:${await listen(server)}`;
    const made = client({ compression: "none" });
    for (let i = 0; i < 5; i++) expect((await made.call(request(url, big))).code).toBe(413);
  });

  test("after such an answer the rest of the body is not sent", async () => {
    let receivedBytes = 0;
    let taken: Socket | undefined;
    const url = await tcp((socket) => {
      taken = socket;
      socket.once("data", () => {
        socket.pause();
        socket.write("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
      });
      socket.on("data", (chunk: Buffer) => {
        receivedBytes += chunk.length;
      });
    });
    const call = client({ compression: "none" }).call(request(url, big));
    expect((await call).code).toBe(413);
    const closed = new Promise((resolve) => taken!.on("close", resolve));
    taken!.resume();
    await closed;
    expect(receivedBytes).toBeLessThan(bigBytes);
  });

  const now = Date.parse("2025-02-09T15:04:00Z");
  test.each([
    ["30", 30_000],
    ["0", 0],
    ["Sun, 09 Feb 2025 15:04:05 GMT", 5000],
    ["Mon, 09 Feb 2015 15:04:05 GMT", 0],
    ["Malformed", undefined],
    ["-5", undefined],
    ["1.5", undefined],
    ["2025-02-09", undefined],
    [undefined, undefined],
  ])("Retry-After %s is %s ms", (value, ms) => {
    expect(retryAfter(value, now)).toBe(ms);
  });
});

describe("failures", () => {
  const unavailable = { code: "BACKEND_UNAVAILABLE", retryable: true };
  const timedOut = { code: "TIMEOUT", retryable: true };

  test("a refused port", async () => {
    const url = await tcp(() => {});
    await closers.pop()!();
    const call = client().call(request(url));
    await expect(call).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("a reset in the middle of the body", async () => {
    const url = await tcp((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const parts = [Buffer.alloc(8 << 20)];
    const call = client({ compression: "none" }).call(request(url, { parts, byteLength: 8 << 20 }));
    await expect(call).rejects.toMatchObject(unavailable);
  });

  test("something that is no HTTP", async () => {
    const url = await tcp((socket) => socket.resume().end("SSH-2.0-OpenSSH\r\n"));
    await expect(client().call(request(url))).rejects.toMatchObject(unavailable);
  });

  test("a pooled connection that the server closed is replaced without an error", async () => {
    const url = await tcp((socket, index) => {
      let requests = 0;
      socket.on("data", (chunk) => {
        if (!chunk.includes("POST")) return;
        if (index === 0 && ++requests === 2) socket.resetAndDestroy();
        else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      });
    });
    const made = client();
    expect((await made.call(request(url))).code).toBe(200);
    expect((await made.call(request(url))).code).toBe(200);
  });

  test("a server that hangs, until the timeout", async () => {
    const clock = new FakeClock();
    const arrival = Promise.withResolvers<void>();
    const url = await tcp((socket) => socket.on("data", () => arrival.resolve()));
    const call = client({ compression: "none" }, { clock }).call(request(url, { timeoutMs: 500 }));
    await arrival.promise;
    await Promise.all([expect(call).rejects.toMatchObject(timedOut), clock.advance(500)]);
  });

  test("abort", async () => {
    const arrival = Promise.withResolvers<void>();
    const url = await tcp((socket) => socket.on("data", () => arrival.resolve()));
    const controller = new AbortController();
    const call = client().call(request(url, { abort: controller.signal }));
    await arrival.promise;
    controller.abort();
    await expect(call).rejects.toMatchObject(timedOut);
  });

  test("close waits for running calls, or cuts them when aborted", async () => {
    const held: ServerResponse[] = [];
    const arrival = Promise.withResolvers<void>();
    const server = await backend((response) => {
      held.push(response);
      arrival.resolve();
    });
    const made = client();
    const running = made.call(request(server.url));
    await arrival.promise;
    const closed = made.close(new AbortController().signal);
    await expect(made.call(request(server.url))).rejects.toMatchObject(unavailable);
    held[0]!.end();
    expect((await running).code).toBe(200);
    await closed;
    await made.close(AbortSignal.abort());
  });
});

describe("TLS", () => {
  test("a foreign CA is refused", async () => {
    const server = await backend(undefined, secure);
    await expect(client().call(request(server.url))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringContaining("certificate"),
    });
  });

  test.each([{ SSL_CERT_FILE: pemPath("ca.pem") }, { SSL_CERT_DIR: pemPath("") }])(
    "works with the system's trust store that %j names",
    async (environment) => {
      const server = await backend(undefined, secure);
      const response = withEnvironment(environment, () => client().call(request(server.url)));
      expect(await response).toMatchObject({ code: 200 });
    },
  );

  test.each([
    ["ca_file", { ca_file: pemPath("ca.pem") }],
    ["insecure_skip_verify", { insecure_skip_verify: true }],
    ["server_name_override", { ca_file: pemPath("ca.pem"), server_name_override: "otel.test" }],
  ])("works with %s", async (_name, tls) => {
    const server = await backend(undefined, secure);
    const made = client({ tls });
    expect((await made.call(request(server.url))).code).toBe(200);
    expect((await made.call(request(server.url))).code).toBe(200);
    expect(server.connections).toBe(1);
  });
});

interface Proxy {
  readonly url: string;
  readonly lines: string[];
  readonly authorizations: (string | undefined)[];
}

/** A proxy that passes absolute-form requests and tunnels on, or refuses with a status. */
async function proxy(refusal?: string): Promise<Proxy> {
  const lines: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = createServer((incoming, response) => {
    lines.push(`${incoming.method} ${incoming.url}`);
    authorizations.push(incoming.headers["proxy-authorization"]);
    incoming.resume();
    response.end("from the proxy");
  });
  server.on("connect", (incoming, socket: Socket) => {
    lines.push(`CONNECT ${incoming.url}`);
    authorizations.push(incoming.headers["proxy-authorization"]);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
      return;
    }
    const [host = "", port] = incoming.url!.split(":");
    const far = connectTcp(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      far.pipe(socket).pipe(far);
    });
    far.on("error", () => socket.destroy());
    socket.on("error", () => far.destroy());
    socket.on("close", () => far.destroy());
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, lines, authorizations };
}

describe("proxies", () => {
  test("an http request names the whole URL, with the proxy's credentials", async () => {
    const through = await proxy();
    const made = client({ proxy_url: through.url.replace("//", "//me:secret@") });
    const response = await made.call(request("http://backend.test:4318/v1/logs?a=1"));
    expect(Buffer.from(response.body).toString()).toBe("from the proxy");
    expect(through.lines).toEqual(["POST http://backend.test:4318/v1/logs?a=1"]);
    expect(through.authorizations).toEqual([`Basic ${btoa("me:secret")}`]);
  });

  test("an https request goes through a tunnel, once for several requests", async () => {
    const server = await backend(undefined, secure);
    const through = await proxy();
    const made = client({ proxy_url: through.url, tls: { ca_file: pemPath("ca.pem") } });
    expect((await made.call(request(`${server.url}/v1/logs`))).code).toBe(200);
    expect((await made.call(request(`${server.url}/v1/logs`))).code).toBe(200);
    expect(through.lines).toEqual([`CONNECT ${server.url.slice("https://".length)}`]);
    expect(server.seen[0]!.url).toBe("/v1/logs");
  });

  test("a refused tunnel is retryable and says why", async () => {
    const through = await proxy("407 Proxy Authentication Required");
    const call = client({ proxy_url: through.url }).call(request("https://backend.test/"));
    await expect(call).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringContaining("proxy refused: HTTP/1.1 407"),
    });
  });

  test("a proxy that hangs up, and one that is not there", async () => {
    const hangs = await tcp((socket) => socket.once("data", () => socket.end()));
    await expect(
      client({ proxy_url: hangs }).call(request("https://backend.test/")),
    ).rejects.toMatchObject({
      message: expect.stringContaining("before answering CONNECT"),
    });
    const gone = await tcp(() => {});
    await closers.pop()!();
    await expect(
      client({ proxy_url: gone }).call(request("https://backend.test/")),
    ).rejects.toMatchObject({
      message: expect.stringContaining("proxyconnect tcp: "),
    });
  });
});

describe("checks of the config", () => {
  test.each([
    [
      { compression: "gzip", compression_params: { level: 10 } },
      'unsupported parameters {Level:10} for compression type "gzip"',
    ],
    [
      { compression: "snappy", compression_params: { level: 1 } },
      'unsupported parameters {Level:1} for compression type "snappy"',
    ],
    [{ proxy_url: "no url" }, 'parse "no url": invalid URI for request'],
    [{ proxy_url: "socks5://p:1" }, 'unsupported proxy scheme "socks5": use http or https'],
    [{ compression: "zstd", compression_params: { level: 19 } }, undefined],
    [{ proxy_url: "https://p:1" }, undefined],
  ])("%j: %s", (config, message) => {
    expect(httpClientProblem(schema.parse(config))?.message).toBe(message);
  });

  test("unknown compressions are named", () => {
    expect(() => schema.parse({ compression: "brotli" })).toThrow(
      'unsupported compression type \\"brotli\\"',
    );
  });
});
