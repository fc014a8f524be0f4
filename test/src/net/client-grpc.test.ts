import { mkdtempSync, readFileSync } from "node:fs";
import { constants, createServer, type ServerHttp2Stream, sensitiveHeaders } from "node:http2";
import { connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ServerCredentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Settings } from "../../../src/component.ts";
import { section } from "../../../src/config/fields.ts";
import { grpcClientKeys } from "../../../src/config/fragments/grpc-client.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { createGrpcClient } from "../../../src/net/grpc-client.ts";
import { encodeStatus } from "../../../src/net/rpc-status.ts";
import { encodeFramedSnappy } from "../../../src/net/snappy-framed.ts";
import type { UnaryClient, UnaryRequest } from "../../../src/net/unary-client.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { freePort } from "../../support/free-port.ts";
import {
  type GrpcAnswer,
  type GrpcBackend,
  portOf,
  type SeenCall,
  startGrpcBackend,
} from "../../support/grpc-backend.ts";
import { answerGrpc, type H2Backend, startH2Backend } from "../../support/h2-backend.ts";
import { testBudget, testSettings } from "../../support/settings.ts";

const pemPath = (name: string) => join(__dirname, "../../testdata/tls-client", name);
const pem = (name: string) => readFileSync(pemPath(name));

function framePrefix(length: number, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** Moves time in steps until the promise settles. */
async function advanceUntil<T>(clock: FakeClock, stepMs: number, promise: Promise<T>): Promise<T> {
  const settled: boolean[] = [];
  const note = () => settled.push(true);
  promise.then(note, note);
  while (settled.length === 0) await clock.advance(stepMs);
  return promise;
}

const schema = section(grpcClientKeys);
const method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function client(config: Record<string, unknown>, settings: Partial<Settings> = {}): UnaryClient {
  const parsed = schema.parse({ tls: { insecure: true }, ...config });
  const made = createGrpcClient(parsed, {
    ...testSettings(),
    budget: testBudget(256 << 20),
    ...settings,
  });
  closers.push(() => made.close(AbortSignal.abort()));
  return made;
}

async function backend(
  answer: (call: SeenCall) => GrpcAnswer | Promise<GrpcAnswer>,
): Promise<GrpcBackend> {
  const made = await startGrpcBackend(answer);
  closers.push(() => made.close());
  return made;
}

function request(text: string, overrides: Partial<UnaryRequest> = {}): UnaryRequest {
  const bytes = Buffer.from(text);
  return {
    path: method,
    metadata: {},
    parts: [bytes],
    byteLength: bytes.byteLength,
    timeoutMs: 5000,
    abort: new AbortController().signal,
    ...overrides,
  };
}

async function scripted(
  script: (stream: ServerHttp2Stream, index: number) => void,
): Promise<H2Backend> {
  const server = await startH2Backend(script);
  closers.push(() => server.kill());
  return server;
}

const status = (stream: ServerHttp2Stream, headers: Record<string, string | number>) => {
  stream.resume();
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...headers },
    { endStream: true },
  );
};

/** A TCP hop in front of a server that can stop passing bytes on, and sees how connections end. */
async function hop(target: number) {
  let frozen = false;
  const sockets: Socket[] = [];
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const server = createTcpServer((near) => {
    near.on("close", close);
    const far = connectTcp(target, "127.0.0.1");
    sockets.push(near, far);
    near.on("data", (chunk) => void (frozen || far.write(chunk)));
    far.on("data", (chunk) => void (frozen || near.write(chunk)));
    for (const socket of [near, far]) socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    port: portOf(server),
    /** A client has closed its connection. */
    closed,
    freeze: () => {
      frozen = true;
    },
  };
}

describe("against grpc-js", () => {
  test("sends the parts' concatenation and returns the response message", async () => {
    const server = await backend(() => ({ body: Buffer.from("thanks") }));
    const parts = [Buffer.from("one "), Buffer.from("two "), Buffer.from("three")];
    const response = await client({
      endpoint: `127.0.0.1:${server.port}`,
      compression: "none",
    }).call(request("", { parts, byteLength: 13 }));
    expect(response).toMatchObject({ code: 0, body: Buffer.from("thanks") });
    expect(server.calls[0]!.body.toString()).toBe("one two three");
  });

  test("10 calls of 16 MiB at a time succeed", async () => {
    const server = await backend(() => ({}));
    const made = client({ endpoint: `127.0.0.1:${server.port}`, compression: "none" });
    const part = Buffer.alloc(16 << 20, 7);
    const calls = Array.from({ length: 10 }, () =>
      made.call(request("", { parts: [part], byteLength: part.length, timeoutMs: 30_000 })),
    );
    const codes = (await Promise.all(calls)).map((response) => response.code);
    expect(codes).toEqual(Array(10).fill(0));
    expect(server.calls.every((call) => call.body.length === part.length)).toBe(true);
  });

  test("compresses with gzip, says so, and sends metadata, deadline and user agent", async () => {
    const server = await backend(() => ({}));
    const made = client({
      endpoint: `http://127.0.0.1:${server.port}`,
      headers: [
        { name: "X-Tenant", value: "a" },
        { name: "trace-bin", value: "\u0001" },
      ],
      user_agent: "unit/1",
      authority: "backend.example:4317",
    });
    const response = await made.call(request("hello ".repeat(100), { metadata: { extra: "1" } }));
    expect(response.code).toBe(0);
    const call = server.calls[0]!;
    expect(call.body.toString()).toBe("hello ".repeat(100));
    expect(call.metadata.getMap()).toMatchObject({ "x-tenant": "a", extra: "1" });
    expect(call.metadata.get("trace-bin")).toEqual([Buffer.from([1])]);
    expect(call.metadata.get("user-agent")).toEqual(["unit/1"]);
    expect(Number(call.deadline) - Date.now()).toBeLessThanOrEqual(5000);
    expect(Number(call.deadline) - Date.now()).toBeGreaterThan(1000);
  });

  test("returns status, decoded message, details and the delay of RetryInfo", async () => {
    const details = Buffer.from(
      encodeStatus({ code: 8, message: "slow down", retryAfterMs: 1500 }),
    );
    const server = await backend(() => ({
      code: 8,
      message: "zu viel: 100 % – später",
      trailers: { "grpc-status-details-bin": details },
    }));
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({
      code: 8,
      message: "zu viel: 100 % – später",
      retryAfterMs: 1500,
    });
    expect(Buffer.from(response.details!)).toEqual(details);
  });

  test.each([
    "not a status",
    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    "\x0a\xff\xff\xff\xff\x0f",
  ])("a details trailer that is no google.rpc.Status costs only the delay (%j)", async (bytes) => {
    const details = Buffer.from(bytes, "latin1");
    const server = await backend(() => ({
      code: 14,
      message: "busy",
      trailers: { "grpc-status-details-bin": details },
    }));
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({ code: 14, message: "busy" });
    expect(response.retryAfterMs).toBeUndefined();
  });

  test("the server's own size limit is answered before the request was read", async () => {
    const server = await startGrpcBackend(() => ({}), { maxMessageBytes: 1000 });
    closers.push(() => server.close());
    const made = client({ endpoint: `127.0.0.1:${server.port}`, compression: "none" });
    const part = Buffer.alloc(8 << 20);
    const response = await made.call(request("", { parts: [part], byteLength: part.length }));
    expect(response).toMatchObject({
      code: 8,
      message: expect.stringMatching(/larger than max/iu),
    });
  });

  test("works over a unix socket", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "grpc-")), "s.sock");
    const server = await startGrpcBackend(() => ({}), { address: `unix:${path}` });
    closers.push(() => server.close());
    const response = await client({ endpoint: `unix://${path}` }).call(request("x"));
    expect(response.code).toBe(0);
  });

  describe("over TLS", () => {
    const credentials = ServerCredentials.createSsl(null, [
      { cert_chain: pem("server.pem"), private_key: pem("server.key") },
    ]);
    const secure = async () => {
      const server = await startGrpcBackend(() => ({}), { credentials });
      closers.push(() => server.close());
      return server;
    };

    test("TLS is the default, and a foreign CA is refused", async () => {
      const server = await secure();
      const response = await client({ endpoint: `localhost:${server.port}`, tls: {} }).call(
        request("x"),
      );
      expect(response).toMatchObject({ code: 14, message: expect.stringContaining("certificate") });
    });

    test.each([
      ["ca_file", { ca_file: pemPath("ca.pem") }],
      ["ca_pem", { ca_pem: pem("ca.pem").toString() }],
      ["insecure_skip_verify", { insecure_skip_verify: true }],
      ["server_name_override", { ca_file: pemPath("ca.pem"), server_name_override: "otel.test" }],
    ])("works with %s", async (_name, tls) => {
      const server = await secure();
      const response = await client({ endpoint: `https://127.0.0.1:${server.port}`, tls }).call(
        request("x"),
      );
      expect(response).toMatchObject({ code: 0 });
    });

    test.each([{ SSL_CERT_FILE: pemPath("ca.pem") }, { SSL_CERT_DIR: pemPath("") }])(
      "works with the system's trust store that %j names",
      async (environment) => {
        const server = await secure();
        const made = client({ endpoint: `localhost:${server.port}`, tls: {} });
        const response = withEnvironment(environment, () => made.call(request("x")));
        expect(await response).toMatchObject({ code: 0 });
      },
    );

    test("a certificate for another name is refused", async () => {
      const server = await secure();
      const tls = { ca_file: pemPath("ca.pem"), server_name_override: "other.test" };
      const response = await client({ endpoint: `127.0.0.1:${server.port}`, tls }).call(
        request("x"),
      );
      expect(response).toMatchObject({ code: 14, message: expect.stringContaining("altnames") });
    });
  });
});

describe("against a scripted server", () => {
  test("a trailers-only response is a status", async () => {
    const server = await scripted((stream) =>
      status(stream, { "grpc-status": "3", "grpc-message": "bad%20x%" }),
    );
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({ code: 3, message: "bad x%" });
  });

  test.each([
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [502, 14],
    [503, 14],
    [504, 14],
    [500, 2],
  ])("an HTTP %i of a proxy is gRPC status %i", async (http, code) => {
    const server = await scripted((stream) =>
      status(stream, { ":status": http, "content-type": "text/html" }),
    );
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({ code, message: expect.stringContaining(`server: ${http}`) });
  });

  test("a stream that ends without trailers is INTERNAL", async () => {
    const server = await scripted((stream) => status(stream, {}));
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({
      code: 13,
      message: "server closed the stream without sending trailers",
    });
  });

  test.each([
    [constants.NGHTTP2_CANCEL, 1],
    [constants.NGHTTP2_INTERNAL_ERROR, 13],
    [constants.NGHTTP2_ENHANCE_YOUR_CALM, 14],
    [constants.NGHTTP2_INADEQUATE_SECURITY, 7],
  ])("RST_STREAM with code %i is gRPC status %i", async (reset, code) => {
    const server = await scripted((stream) => stream.close(reset));
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response.code).toBe(code);
  });

  test("a call that the server refused unprocessed is sent again at once", async () => {
    const server = await scripted((stream, index) => {
      if (index < 2) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else answerGrpc(stream);
    });
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response.code).toBe(0);
    expect(server.streams).toHaveLength(3);
  });

  test("a server that refuses for ever is UNAVAILABLE after 6 attempts", async () => {
    const server = await scripted((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response.code).toBe(14);
    expect(server.streams).toHaveLength(6);
  });

  test("after GOAWAY running calls finish and new ones take a new connection", async () => {
    const server = await scripted((stream, index) => {
      if (index > 0) answerGrpc(stream);
    });
    const made = client({ endpoint: `127.0.0.1:${server.port}` });
    const running = made.call(request("x"));
    await server.arrived(1);
    const session = server.sessions[0]!;
    session.goaway(constants.NGHTTP2_NO_ERROR);
    await new Promise((resolve) => session.ping(resolve));
    expect((await made.call(request("x"))).code).toBe(0);
    expect(server.sessions).toHaveLength(2);
    answerGrpc(server.streams[0]!);
    expect((await running).code).toBe(0);
  });

  test("after GOAWAY a connection is closed once its last call has ended", async () => {
    const server = await scripted(() => {});
    const made = client({ endpoint: `127.0.0.1:${server.port}` });
    const running = made.call(request("x"));
    await server.arrived(1);
    const session = server.sessions[0]!;
    const closed = new Promise((resolve) => session.once("close", resolve));
    session.goaway(constants.NGHTTP2_NO_ERROR);
    await new Promise((resolve) => session.ping(resolve));
    expect(session.closed).toBe(false);
    answerGrpc(server.streams[0]!);
    expect((await running).code).toBe(0);
    await closed;
  });

  test("after GOAWAY a connection without calls is closed at once", async () => {
    const server = await scripted((stream) => answerGrpc(stream));
    // node:http2 itself reads nothing more after its GOAWAY: the hop sees the end.
    const path = await hop(server.port);
    const made = client({ endpoint: `127.0.0.1:${path.port}` });
    expect((await made.call(request("x"))).code).toBe(0);
    server.sessions[0]!.goaway(constants.NGHTTP2_NO_ERROR);
    await path.closed;
    expect((await made.call(request("x"))).code).toBe(0);
    expect(server.sessions).toHaveLength(2);
  });

  test("a lost connection is UNAVAILABLE, and the next call connects again", async () => {
    const server = await scripted((stream, index) => {
      if (index === 1) stream.session!.destroy();
      else answerGrpc(stream);
    });
    const made = client({ endpoint: `127.0.0.1:${server.port}` });
    expect((await made.call(request("x"))).code).toBe(0);
    expect(await made.call(request("x"))).toMatchObject({
      code: 14,
      message: expect.stringContaining("transport is closing"),
    });
    expect((await made.call(request("x"))).code).toBe(0);
    expect(server.sessions).toHaveLength(2);
  });

  test("a server that hangs gives DEADLINE_EXCEEDED, and is told with a reset", async () => {
    const clock = new FakeClock();
    const server = await scripted((stream) => stream.resume());
    const call = client({ endpoint: `127.0.0.1:${server.port}` }, { clock }).call(
      request("x", { timeoutMs: 700 }),
    );
    await server.arrived(1);
    expect(server.streams[0]!.sentHeaders).toBeUndefined();
    const reset = new Promise((resolve) => server.streams[0]!.on("close", resolve));
    await clock.advance(700);
    expect(await call).toMatchObject({ code: 4, message: "context deadline exceeded" });
    await reset;
    expect(server.streams[0]!.rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  test("abort ends the call with TIMEOUT, or with the caller's own error", async () => {
    const server = await scripted((stream) => stream.resume());
    const made = client({ endpoint: `127.0.0.1:${server.port}` });
    const controllers = [new AbortController(), new AbortController()] as const;
    const own = new TelemetryError("SHUTTING_DOWN", "stopping", { retryable: true });
    const calls = controllers.map((controller) =>
      made.call(request("x", { abort: controller.signal })),
    );
    await server.arrived(2);
    controllers[0].abort();
    controllers[1].abort(own);
    await expect(calls[0]).rejects.toMatchObject({ code: "TIMEOUT", retryable: true });
    await expect(calls[1]).rejects.toBe(own);
  });

  test.each([
    ["declared", [framePrefix(5 << 20), Buffer.alloc(5 << 20)]],
    ["without end", [framePrefix(10), Buffer.alloc(6 << 20)]],
  ])("a giant response is cut off (%s)", async (_name, chunks) => {
    const server = await scripted((stream) => {
      stream.resume();
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.write(Buffer.concat(chunks));
    });
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({
      code: 8,
      message: expect.stringContaining("the response is larger"),
    });
  });

  test.each([
    ["a short frame", Buffer.from([0, 0, 0, 0, 9, 1])],
    ["two frames", Buffer.concat([Buffer.alloc(5), Buffer.alloc(5)])],
    ["compressed without a name of the compression", Buffer.from([1, 0, 0, 0, 1, 1])],
  ])("an unreadable response is INTERNAL: %s", async (_name, body) => {
    const server = await scripted((stream) => answerGrpc(stream, body));
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(response).toMatchObject({
      code: 13,
      message: expect.stringContaining("cannot read the response"),
    });
  });

  test.each([
    ["gzip", gzipSync("answer")],
    ["snappy", encodeFramedSnappy([Buffer.from("answer")])],
  ])("a response compressed with %s is read", async (encoding, body) => {
    const server = await scripted((stream) => {
      stream.resume();
      const head = {
        ":status": 200,
        "content-type": "application/grpc",
        "grpc-encoding": encoding,
      };
      stream.respond(head, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.concat([framePrefix(body.length, 1), body]));
    });
    const response = await client({ endpoint: `127.0.0.1:${server.port}` }).call(request("x"));
    expect(Buffer.from(response.body).toString()).toBe("answer");
  });
});

describe("without a connection", () => {
  test("a refused port is UNAVAILABLE at once, and calls in the back-off fail without an attempt", async () => {
    const clock = new FakeClock();
    const port = await freePort();
    const made = client({ endpoint: `127.0.0.1:${port}` }, { clock });
    const first = await made.call(request("x"));
    expect(first).toMatchObject({ code: 14, message: expect.stringContaining("ECONNREFUSED") });
    const server = await startH2Backend((stream) => answerGrpc(stream), { port });
    closers.push(() => server.kill());
    expect((await made.call(request("x"))).code).toBe(14);
    expect(server.sessions).toHaveLength(0);
    await clock.advance(1300);
    expect((await made.call(request("x"))).code).toBe(0);
  });

  test("with wait_for_ready a call waits for the backend", async () => {
    const clock = new FakeClock();
    const port = await freePort();
    const made = client({ endpoint: `127.0.0.1:${port}`, wait_for_ready: true }, { clock });
    // Without a deadline: the clock may run faster than the sockets.
    const call = made.call(request("x", { timeoutMs: 0 }));
    await clock.advance(10);
    const server = await startH2Backend((stream) => answerGrpc(stream), { port });
    closers.push(() => server.kill());
    expect((await advanceUntil(clock, 100, call)).code).toBe(0);
  });

  test("with wait_for_ready the deadline still ends the wait, naming the cause", async () => {
    const clock = new FakeClock();
    const made = client(
      { endpoint: `127.0.0.1:${await freePort()}`, wait_for_ready: true },
      { clock },
    );
    const call = made.call(request("x", { timeoutMs: 100 }));
    expect(await advanceUntil(clock, 20, call)).toMatchObject({
      code: 4,
      message: expect.stringContaining("waiting for connections"),
    });
  });

  test("a server that speaks no HTTP/2 is UNAVAILABLE", async () => {
    const server = createTcpServer((socket) => {
      socket.on("error", () => {}).resume();
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => new Promise((resolve) => server.close(() => resolve())));
    const response = await client({ endpoint: `127.0.0.1:${portOf(server)}` }).call(request("x"));
    expect(response).toMatchObject({
      code: 14,
      message: expect.stringContaining("connection error"),
    });
  });

  test("a name that does not exist is UNAVAILABLE", async () => {
    const response = await client({ endpoint: "dns:///no-such-host.invalid:4317" }).call(
      request("x"),
    );
    expect(response).toMatchObject({
      code: 14,
      message: expect.stringContaining("name resolver error"),
    });
  });

  test("close waits for the running call and refuses new ones", async () => {
    const server = await startH2Backend(() => {});
    closers.push(() => server.kill());
    const made = client({ endpoint: `127.0.0.1:${server.port}` });
    const running = made.call(request("x"));
    await server.arrived(1);
    const closed = made.close(new AbortController().signal);
    expect((await made.call(request("x"))).code).toBe(14);
    answerGrpc(server.streams[0]!);
    expect((await running).code).toBe(0);
    await closed;
    await made.close(new AbortController().signal);
  });

  test("close cuts running calls when aborted", async () => {
    const server = await startH2Backend(() => {});
    closers.push(() => server.kill());
    const made = client({ endpoint: `127.0.0.1:${server.port}` });
    const running = made.call(request("x"));
    await server.arrived(1);
    await made.close(AbortSignal.abort());
    expect((await running).code).toBe(14);
  });
});

describe("keepalive", () => {
  test("an unanswered ping ends the connection, so that the call can be sent elsewhere", async () => {
    const clock = new FakeClock();
    const server = await startH2Backend((stream) => stream.resume());
    closers.push(() => server.kill());
    const path = await hop(server.port);
    const made = client(
      {
        endpoint: `127.0.0.1:${path.port}`,
        compression: "none",
        keepalive: { time: "10s", timeout: "5s" },
      },
      { clock },
    );
    const call = made.call(request("x", { timeoutMs: 0 }));
    await server.arrived(1);
    path.freeze();
    await clock.advance(10_000);
    await clock.advance(5_000);
    expect(await call).toMatchObject({
      code: 14,
      message: expect.stringContaining("keepalive ping failed"),
    });
  });

  test("without keepalive a deadline on a silent connection leads to a ping that ends it", async () => {
    const clock = new FakeClock();
    const server = await startH2Backend((stream) => stream.resume());
    closers.push(() => server.kill());
    const path = await hop(server.port);
    const made = client({ endpoint: `127.0.0.1:${path.port}`, compression: "none" }, { clock });
    const first = made.call(request("x", { timeoutMs: 1000 }));
    await server.arrived(1);
    path.freeze();
    await clock.advance(1000);
    expect((await first).code).toBe(4);
    const second = made.call(request("x", { timeoutMs: 60_000 }));
    await clock.advance(10_000);
    expect(await second).toMatchObject({
      code: 14,
      message: expect.stringContaining("ping failed"),
    });
  });

  test("a server that complains of too many pings gets half as many", async () => {
    const clock = new FakeClock();
    const script = { hang: false };
    const server = await startH2Backend((stream) => {
      if (!script.hang) answerGrpc(stream);
    });
    closers.push(() => server.kill());
    const made = client(
      { endpoint: `127.0.0.1:${server.port}`, compression: "none", keepalive: { time: "10s" } },
      { clock },
    );
    expect((await made.call(request("x", { timeoutMs: 0 }))).code).toBe(0);
    const calm = constants.NGHTTP2_ENHANCE_YOUR_CALM;
    server.sessions[0]!.goaway(calm, 1, Buffer.from("too_many_pings"));
    while (server.sessions.length < 2) await made.call(request("x", { timeoutMs: 0 }));
    script.hang = true;
    const before = server.streams.length;
    const call = made.call(request("x", { timeoutMs: 0 }));
    await server.arrived(before + 1);
    const pings: unknown[] = [];
    const first = new Promise<void>((resolve) => {
      server.sessions[1]!.on("ping", (payload) => {
        pings.push(payload);
        resolve();
      });
    });
    await clock.advance(19_000);
    expect(pings).toHaveLength(0);
    await clock.advance(2000);
    await first;
    answerGrpc(server.streams[before]!);
    expect((await call).code).toBe(0);
  });

  test.each([
    [false, 0],
    [true, 2],
  ])("permit_without_stream %s: %i pings while no call runs", async (permit, expected) => {
    const clock = new FakeClock();
    const server = await startH2Backend((stream) => answerGrpc(stream));
    closers.push(() => server.kill());
    const keepalive = { time: "10s", permit_without_stream: permit };
    const made = client({ endpoint: `127.0.0.1:${server.port}`, keepalive }, { clock });
    expect((await made.call(request("x", { timeoutMs: 0 }))).code).toBe(0);
    const session = server.sessions[0]!;
    let pings = 0;
    session.on("ping", () => pings++);
    for (let i = 0; i < 2; i++) {
      await clock.advance(10_000);
      // What the client sent before its answer to this is here.
      await new Promise((resolve) => session.ping(resolve));
      await clock.advance(0);
    }
    expect(pings).toBe(expected);
  });

  test("pings that are answered keep the connection", async () => {
    const clock = new FakeClock();
    const server = await startH2Backend((stream) => stream.resume());
    closers.push(() => server.kill());
    const made = client(
      {
        endpoint: `127.0.0.1:${server.port}`,
        keepalive: { time: "10s", permit_without_stream: true },
      },
      { clock },
    );
    const call = made.call(request("x", { timeoutMs: 0 }));
    await server.arrived(1);
    const pings: unknown[] = [];
    server.sessions[0]!.on("ping", () => pings.push(0));
    for (let i = 0; i < 3; i++) {
      const seen = new Promise((resolve) => server.sessions[0]!.once("ping", resolve));
      await clock.advance(10_000);
      await seen;
      await clock.advance(0);
    }
    answerGrpc(server.streams[0]!);
    expect((await call).code).toBe(0);
    expect(pings.length).toBeGreaterThanOrEqual(3);
  });
});

const refuseToken = () => Promise.reject(new Error("no token"));

describe("headers and authentication of the config", () => {
  test.each([
    ["can you have a . here?", 'header key "can you have a . here?" contains illegal characters'],
    ["grpc-timeout", 'header key "grpc-timeout" is reserved'],
    ["te", 'header key "te" is reserved'],
  ])("a header gRPC cannot carry stops the start: %s", (name, message) => {
    expect(() => client({ endpoint: "127.0.0.1:1", headers: { [name]: "v" } })).toThrow(message);
  });

  test("values of the config are marked so that no proxy remembers them", async () => {
    const server = createServer();
    const marked: unknown[] = [];
    server.on("stream", (stream, headers) => {
      marked.push(Reflect.get(headers, sensitiveHeaders));
      answerGrpc(stream);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => new Promise((resolve) => server.close(() => resolve())));
    const headers = { authorization: "Bearer secret", "x-tenant": "a" };
    const made = client({ endpoint: `127.0.0.1:${portOf(server)}`, headers });
    expect((await made.call(request("x"))).code).toBe(0);
    expect(marked).toEqual([["authorization", "x-tenant"]]);
    await made.close(AbortSignal.abort());
  });

  test("credentials of the authenticator are sent with each call", async () => {
    const server = await backend(() => ({}));
    let n = 0;
    const requestMetadata = () => Promise.resolve({ authorization: `Bearer ${++n}` });
    const use = () => ({ requestMetadata });
    const made = client(
      { endpoint: `127.0.0.1:${server.port}`, auth: { authenticator: "a" } },
      { use },
    );
    await made.call(request("x"));
    await made.call(request("x"));
    expect(server.calls.map((call) => call.metadata.get("authorization")[0])).toEqual([
      "Bearer 1",
      "Bearer 2",
    ]);
  });

  test("credentials that cannot be had are a retryable error", async () => {
    const made = client(
      { endpoint: "127.0.0.1:1", auth: { authenticator: "a" } },
      { use: () => ({ requestMetadata: refuseToken }) },
    );
    await expect(made.call(request("x"))).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      retryable: true,
    });
  });

  test.each([
    [undefined, 'failed to resolve authenticator "a": authenticator not found'],
    [{}, 'extension "a" is not a client authenticator'],
  ])("an authenticator that is none stops the start (%j)", (offered, message) => {
    const make = () =>
      client({ endpoint: "127.0.0.1:1", auth: { authenticator: "a" } }, { use: () => offered });
    expect(make).toThrow(message);
  });
});
