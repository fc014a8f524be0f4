/** The gRPC server as clients see it: grpc-js as the foreign one, node:http2 where grpc-js could not say it. */
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { Metadata } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../../src/errors.ts";
import type { Logger } from "../../../src/log.ts";
import { silentLogger } from "../../../src/log.ts";
import { callBytes } from "../../../src/net/grpc-server-call.ts";
import { decodeStatus, encodeStatus, statusOf } from "../../../src/net/rpc-status.ts";
import { encodeSnappy } from "../../../src/net/snappy.ts";
import { encodeFramedSnappy } from "../../../src/net/snappy-framed.ts";
import type { UnaryCall, UnaryReply } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  eventually,
  framed,
  grpcJsCall,
  grpcJsClient,
  H2Client,
  path,
  startGrpcServer,
  success,
  type TestServer,
} from "../../support/grpc-server.ts";

const mebibyte = 2 ** 20;
const hello = Buffer.from("hello");
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: Parameters<typeof startGrpcServer>[0] = {}): Promise<TestServer> {
  const server = await startGrpcServer(options);
  closers.push(async () => {
    await eventually(() => server.budget.usedBytes === 0);
    await server.close();
  });
  return server;
}

function grpcJs({ port }: TestServer, options: Record<string, unknown> = {}) {
  const client = grpcJsClient(`127.0.0.1:${port}`, options);
  closers.push(() => client.close());
  return client;
}

function h2({ port }: TestServer): H2Client {
  const client = new H2Client(port);
  closers.push(() => client.close());
  return client;
}

/** A handler that answers when it is told to. */
function gate() {
  const waiting: ((reply: UnaryReply) => void)[] = [];
  return {
    waiting,
    handler: () => new Promise<UnaryReply>((resolve) => void waiting.push(resolve)),
  };
}

describe("a foreign client", () => {
  test("gets the handler's answer", async () => {
    const body = Buffer.from("answer");
    const server = await start({
      handler: () => Promise.resolve({ status: { code: 0, message: "" }, body }),
    });
    const answer = await grpcJsCall(grpcJs(server), hello);
    expect(answer).toEqual({ error: null, body });
    expect(server.bodies).toEqual([hello]);
  });

  test("gets 1,000 concurrent calls answered on one connection", async () => {
    const server = await start();
    const client = grpcJs(server);
    const calls = Array.from({ length: 1000 }, (_, n) => grpcJsCall(client, Buffer.from(`${n}`)));
    const errors = (await Promise.all(calls)).filter(({ error }) => error !== null);
    expect(errors).toEqual([]);
    expect(new Set(server.bodies.map(String)).size).toBe(1000);
  });

  test("sends messages of one frame each, many in a read: they stay as they came", async () => {
    const held: Uint8Array[] = [];
    const server = await start({
      handler: ({ body }) => {
        held.push(body);
        return Promise.resolve(success);
      },
    });
    const client = grpcJs(server);
    const sent = Array.from({ length: 400 }, (_, n) => Buffer.alloc(12_000, String(n)));
    await Promise.all(sent.map((body) => grpcJsCall(client, body)));
    const texts = (bodies: Uint8Array[]) =>
      bodies.map((body) => Buffer.from(body).toString()).toSorted();
    expect(texts(held)).toEqual(texts(sent));
  });

  test("sends 16 MiB, four at a time", async () => {
    const server = await start({ budgetBytes: 256 * mebibyte });
    const client = grpcJs(server);
    const bodies = [1, 2, 3, 4].map((n) => Buffer.alloc(16 * mebibyte, n));
    const answers = await Promise.all(bodies.map((body) => grpcJsCall(client, body)));
    expect(answers.map(({ error }) => error)).toEqual([null, null, null, null]);
    const arrived = server.bodies.toSorted((a, b) => Buffer.compare(a, b));
    expect(arrived.every((body, n) => body.equals(bodies[n]!))).toBe(true);
  });

  test("sends gzip and deflate", async () => {
    const server = await start();
    for (const algorithm of [1, 2]) {
      const client = grpcJs(server, { "grpc.default_compression_algorithm": algorithm });
      expect((await grpcJsCall(client, Buffer.alloc(100_000, "ab"))).error).toBeNull();
      expect(server.bodies.at(-1)?.equals(Buffer.alloc(100_000, "ab"))).toBe(true);
    }
  });

  test("cancels while the handler works; the handler's late answer goes nowhere", async () => {
    const { handler, waiting } = gate();
    const server = await start({ handler });
    let cancel = () => {};
    const call = grpcJsCall(grpcJs(server), hello, { started: (c) => (cancel = c) });
    await eventually(() => waiting.length === 1);
    cancel();
    expect((await call).error?.code).toBe(1);
    await eventually(() => server.budget.usedBytes === 0);
    waiting[0]!(success);
  });

  test("gives its metadata to the handler, binary values too", async () => {
    let seen: UnaryCall["metadata"] | undefined;
    const server = await start({
      handler: (call) => {
        seen = call.metadata;
        return Promise.resolve(success);
      },
    });
    const metadata = new Metadata();
    metadata.set("x-tenant", "a");
    metadata.set("x-raw-bin", Buffer.from([0, 255]));
    metadata.add("x-many", "1");
    metadata.add("x-many", "2");
    await grpcJsCall(grpcJs(server), hello, { metadata });
    expect(seen?.get("x-tenant")).toEqual(["a"]);
    expect(seen?.get("x-raw-bin")).toEqual(["AP8="]);
    expect(seen?.get("x-many")?.join(", ")).toBe("1, 2");
    expect([...seen!.keys()].filter((name) => name.startsWith(":"))).toEqual([]);
  });

  test("gets code, message and details unchanged", async () => {
    const details = encodeStatus({ code: 8, message: "später, 100%\n", retryAfterMs: 2500 });
    const status = { code: 8, message: "später, 100%\n", details };
    const server = await start({
      handler: () => Promise.resolve({ status, body: new Uint8Array(0) }),
    });
    const { error } = await grpcJsCall(grpcJs(server), hello);
    expect(error).toMatchObject({ code: 8, details: "später, 100%\n" });
    expect(error?.metadata.get("grpc-status-details-bin")).toEqual([Buffer.from(details)]);
  });

  test("is told a long message shortened, and gets the answer", async () => {
    const status = { code: 13, message: "ä".repeat(100_000) };
    const server = await start({
      handler: () => Promise.resolve({ status, body: new Uint8Array(0) }),
    });
    const { error } = await grpcJsCall(grpcJs(server), hello);
    expect(error?.code).toBe(13);
    expect(status.message.startsWith(error!.details)).toBe(true);
  });

  test("is told INTERNAL when a handler throws, and the log says so", async () => {
    const lines: string[] = [];
    const log: Logger = { ...silentLogger, error: (message) => void lines.push(message) };
    const server = await start({ log, handler: () => Promise.reject(new Error("oops")) });
    const { error } = await grpcJsCall(grpcJs(server), hello);
    expect(error).toMatchObject({ code: 13, details: "BUG: oops" });
    expect(lines).toEqual(["BUG: a gRPC handler threw."]);
  });
});

describe("message encodings", () => {
  const plain = Buffer.from("the same text, again and again. ".repeat(1000));

  test.each([
    ["gzip", gzipSync(plain)],
    ["gzip", Buffer.concat([gzipSync(plain.subarray(0, 99)), gzipSync(plain.subarray(99))])],
    ["deflate", deflateSync(plain)],
    ["deflate", deflateRawSync(plain)],
    ["zstd", zstdCompressSync(plain)],
    ["snappy", encodeFramedSnappy([plain])],
  ])("%s is decoded", async (encoding, body) => {
    const server = await start();
    const answer = await h2(server).call([framed(body, 1)], { "grpc-encoding": encoding });
    expect(answer.message).toBeUndefined();
    expect(answer.code).toBe(0);
    expect(server.bodies[0]?.equals(plain)).toBe(true);
  });

  test("a message without the flag is taken as it is", async () => {
    const server = await start();
    expect(await h2(server).call([framed(plain)], { "grpc-encoding": "gzip" })).toMatchObject({
      code: 0,
    });
    expect(server.bodies[0]?.equals(plain)).toBe(true);
  });

  test.each(["lz4", "zlib", "x-snappy-framed", "br", "__proto__"])(
    "%s is UNIMPLEMENTED, and the answer names the known ones",
    async (encoding) => {
      const server = await start();
      const answer = await h2(server).call([framed(plain, 1)], { "grpc-encoding": encoding });
      expect(answer).toMatchObject({
        code: 12,
        message: `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`,
      });
      expect(answer.headers["grpc-accept-encoding"]).toBe("identity,deflate,gzip,snappy,zstd");
      expect(server.bodies).toEqual([]);
    },
  );

  test.each([{}, { "grpc-encoding": "identity" }, { "grpc-encoding": "" }])(
    "the flag without an encoding is INTERNAL: %j",
    async (headers) => {
      const server = await start();
      expect(await h2(server).call([framed(plain, 1)], headers)).toMatchObject({
        code: 13,
        message: "grpc: compressed flag set with identity or empty encoding",
      });
    },
  );

  test.each([
    ["gzip", Buffer.from("no gzip at all")],
    ["gzip", gzipSync(plain).subarray(0, 60)],
    ["gzip", Buffer.alloc(0)],
    ["deflate", deflateSync(plain).subarray(0, 60)],
    ["zstd", zstdCompressSync(plain).subarray(0, 30)],
    ["zstd", Buffer.alloc(30, 0xff)],
    ["snappy", encodeFramedSnappy([plain]).subarray(0, 60)],
    ["snappy", encodeSnappy(plain)],
  ])("broken %s is INTERNAL", async (encoding, body) => {
    const server = await start();
    const answer = await h2(server).call([framed(body, 1)], { "grpc-encoding": encoding });
    expect(answer.code).toBe(13);
    expect(answer.message).toContain("grpc: failed to decompress the received message: ");
    expect(server.bodies).toEqual([]);
  });

  const bomb = Buffer.alloc(40 * mebibyte);
  test.each([
    ["gzip", gzipSync(bomb)],
    ["deflate", deflateSync(bomb)],
    ["zstd", zstdCompressSync(bomb)],
    ["snappy", encodeFramedSnappy([bomb])],
  ])(
    "a %s bomb is RESOURCE_EXHAUSTED, and never takes more than the limit",
    async (encoding, body) => {
      const server = await start({ spec: { maxMessageBytes: 4 * mebibyte } });
      const peaks: number[] = [];
      const reserve = server.budget.tryReserve.bind(server.budget);
      Object.assign(server.budget, {
        tryReserve: (bytes: number) => {
          const isReserved = reserve(bytes);
          peaks.push(server.budget.usedBytes);
          return isReserved;
        },
      });
      const answer = await h2(server).call([framed(body, 1)], { "grpc-encoding": encoding });
      expect(answer).toMatchObject({
        code: 8,
        message: "grpc: received message after decompression larger than max 4194304",
      });
      expect(Math.max(...peaks)).toBeLessThan(9 * mebibyte);
    },
  );

  test("a bomb within the limit but beyond the budget is UNAVAILABLE", async () => {
    const server = await start({ budgetBytes: 8 * mebibyte });
    const answer = await h2(server).call(
      [framed(zstdCompressSync(bomb.subarray(0, 7 * mebibyte)), 1)],
      {
        "grpc-encoding": "zstd",
      },
    );
    expect([14, 0]).toContain(answer.code);
  });

  test("forty bombs at a time are decoded a few at a time", async () => {
    const server = await start();
    let peakBytes = 0;
    const reserve = server.budget.tryReserve.bind(server.budget);
    Object.assign(server.budget, {
      tryReserve: (bytes: number) => {
        const isReserved = reserve(bytes);
        peakBytes = Math.max(peakBytes, server.budget.usedBytes);
        return isReserved;
      },
    });
    const body = framed(zstdCompressSync(bomb.subarray(0, 4 * mebibyte)), 1);
    const client = h2(server);
    const calls = Array.from({ length: 40 }, () =>
      client.call([body], { "grpc-encoding": "zstd" }),
    );
    const codes = new Set((await Promise.all(calls)).map(({ code }) => code));
    expect([...codes]).toEqual([0]);
    expect(peakBytes).toBeLessThan(12 * 4 * mebibyte);
  });

  test("cancelled while it is decompressed, nothing stays reserved", async () => {
    const server = await start();
    // Members whose lengths say nothing of the whole: the room for the output grows step by step.
    const member = gzipSync(bomb.subarray(0, mebibyte));
    const body = framed(Buffer.concat(Array.from({ length: 40 }, () => member)), 1);
    const client = h2(server);
    for (let n = 0; n < 8; n++) {
      const stream = client.session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        "grpc-encoding": "gzip",
      });
      stream.on("error", () => {});
      stream.end(body);
      await eventually(() => server.budget.usedBytes > 2 * mebibyte);
      stream.close(8);
      await eventually(() => server.budget.usedBytes === 0);
    }
    // Whatever still ran has come to its end by then.
    expect((await client.call([body], { "grpc-encoding": "gzip" })).code).toBe(0);
    await eventually(() => server.budget.usedBytes === 0);
  });
});

describe("message framing", () => {
  test.each([
    ["no message", [], "message prefix of 0 bytes"],
    ["half a prefix", [Buffer.from([0, 0, 0])], "message prefix of 3 bytes"],
    [
      "a message shorter than announced",
      [framed("0123456789").subarray(0, 9)],
      "message of 10 bytes announced, 4 received",
    ],
    [
      "a message longer than announced",
      [Buffer.concat([framed("hello"), Buffer.from("x")])],
      "more than one message in a unary call",
    ],
    ["two messages", [framed("one"), framed("two")], "more than one message in a unary call"],
    ["two messages in one piece", [Buffer.concat([framed("one"), framed("two")])], "more than one"],
    ["an unknown flag", [framed("hello", 2)], "received unexpected payload format 2"],
  ])("%s is INTERNAL", async (_name, chunks, message) => {
    const server = await start();
    const answer = await h2(server).call(chunks);
    expect(answer.code).toBe(13);
    expect(answer.message).toContain(message);
    expect(server.bodies).toEqual([]);
  });

  test("an empty message is a message", async () => {
    const server = await start();
    expect((await h2(server).call([framed("")])).code).toBe(0);
    expect(server.bodies).toEqual([Buffer.alloc(0)]);
  });

  test("a prefix in pieces is a prefix", async () => {
    const server = await start();
    const message = framed("hello");
    const pieces = [message.subarray(0, 1), message.subarray(1, 4), message.subarray(4)];
    expect((await h2(server).call(pieces)).code).toBe(0);
    expect(server.bodies).toEqual([hello]);
  });

  test("a message that announces more than the limit is RESOURCE_EXHAUSTED before it is sent", async () => {
    const server = await start({ spec: { maxMessageBytes: 1000 } });
    const prefix = Buffer.from([0, 0, 0, 3, 233]);
    const answer = await h2(server).call([prefix], {}, false);
    expect(answer).toMatchObject({
      code: 8,
      message: "grpc: received message larger than max (1001 vs. 1000)",
    });
  });

  test("a message larger than the limit is RESOURCE_EXHAUSTED for a foreign client that sends it all", async () => {
    const server = await start({ spec: { maxMessageBytes: mebibyte } });
    const client = grpcJs(server);
    for (let n = 0; n < 10; n++) {
      const { error } = await grpcJsCall(client, Buffer.alloc(3 * mebibyte));
      expect(error).toMatchObject({ code: 8 });
    }
    expect((await grpcJsCall(client, Buffer.alloc(mebibyte))).error).toBeNull();
  });

  test("a message larger than the whole budget is refused for good", async () => {
    const server = await start({ budgetBytes: mebibyte });
    const { error } = await grpcJsCall(grpcJs(server), Buffer.alloc(2 * mebibyte));
    expect(error?.code).toBe(8);
  });
});

describe("what is no call of ours", () => {
  test.each([
    [
      { "content-type": "application/json" },
      415,
      3,
      'invalid gRPC request content-type "application/json"',
    ],
    [
      { "content-type": "application/grpc-web" },
      415,
      3,
      'invalid gRPC request content-type "application/grpc-web"',
    ],
    [{ "content-type": "" }, 415, 3, 'invalid gRPC request content-type ""'],
    [
      { ":method": "GET" },
      405,
      13,
      'Received a HEADERS frame with :method "GET" which should be POST',
    ],
    [{ ":path": "/test.Service/Other" }, 200, 12, "unknown method Other for service test.Service"],
    [{ ":path": "/other.Service/Method" }, 200, 12, "unknown service other.Service"],
    [{ ":path": "/nothing" }, 200, 12, 'malformed method name: "/nothing"'],
    [
      { ":path": "/test.Service/Method?a=b" },
      200,
      12,
      "unknown method Method?a=b for service test.Service",
    ],
    [{ "grpc-timeout": "1x" }, 200, 13, "malformed grpc-timeout"],
    [{ "grpc-timeout": "123456789S" }, 200, 13, "malformed grpc-timeout"],
  ])("%j is refused", async (headers, status, code, message) => {
    const server = await start();
    const answer = await h2(server).call([framed("hello")], headers);
    expect(answer).toMatchObject({ code, message });
    expect(answer.headers[":status"]).toBe(status);
    expect(server.bodies).toEqual([]);
  });

  test.each(["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])(
    "content type %s is gRPC",
    async (type) => {
      const server = await start();
      const answer = await h2(server).call([framed("hello")], { "content-type": type });
      expect(answer.code).toBe(0);
    },
  );

  test("a refused call that is still being sent is told to stop", async () => {
    const server = await start();
    const answer = await h2(server).call([framed("hello")], { ":path": "/no/such" }, false);
    expect(answer).toMatchObject({ code: 12, resetCode: 0 });
  });
});

describe("deadlines", () => {
  test("a call that has not arrived by then is DEADLINE_EXCEEDED", async () => {
    const clock = new FakeClock();
    const server = await start({ clock });
    const call = h2(server).call(
      [framed("hello").subarray(0, 7)],
      { "grpc-timeout": "1500m" },
      false,
    );
    await eventually(() => server.budget.usedBytes > callBytes);
    await clock.advance(2000);
    expect(await call).toMatchObject({ code: 4, message: "context deadline exceeded" });
  });

  test("a handler that has not answered by then is not waited for", async () => {
    const clock = new FakeClock();
    const { handler, waiting } = gate();
    const server = await start({ clock, handler });
    const call = h2(server).call([framed("hello")], { "grpc-timeout": "3S" });
    await eventually(() => waiting.length === 1);
    await clock.advance(2000);
    expect(server.budget.usedBytes).toBeGreaterThan(0);
    await clock.advance(1000);
    expect(await call).toMatchObject({ code: 4 });
    await eventually(() => server.budget.usedBytes === 0);
    waiting[0]!(success);
  });

  test("a call that arrived too late is not handed over", async () => {
    const server = await start();
    expect(await h2(server).call([framed("hello")], { "grpc-timeout": "0n" })).toMatchObject({
      code: 4,
    });
    expect(server.bodies).toEqual([]);
  });

  test.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["99999999m", 99_999_999],
    ["5000000u", 5000],
  ])("%s is %d ms from the arrival", async (timeout, ms) => {
    let seen: UnaryCall | undefined;
    const server = await start({
      clock: new FakeClock(1000),
      handler: (call) => {
        seen = call;
        return Promise.resolve(success);
      },
    });
    await h2(server).call([framed("hello")], { "grpc-timeout": timeout });
    expect(seen).toMatchObject({ receivedMs: 1000, deadlineMs: 1000 + ms });
  });

  test("a large message that keeps coming gets more than 30 s", async () => {
    const clock = new FakeClock();
    const server = await start({ clock });
    const stream = h2(server).session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
    });
    const message = framed(Buffer.alloc(4 * mebibyte));
    stream.on("error", () => {});
    stream.write(message.subarray(0, 2 * mebibyte));
    await eventually(() => server.budget.usedBytes > 2 * mebibyte);
    await clock.advance(45_000);
    stream.end(message.subarray(2 * mebibyte));
    await eventually(() => server.bodies.length === 1);
    expect(server.bodies[0]).toHaveLength(4 * mebibyte);
    stream.resume();
    stream.close();
  });
});

describe("the memory budget", () => {
  test("when it is full, UNAVAILABLE asks for a pause by RetryInfo", async () => {
    const server = await start({ budgetBytes: 64 * 1024 });
    server.budget.reserve(64 * 1024);
    const { error } = await grpcJsCall(grpcJs(server), hello);
    server.budget.release(64 * 1024);
    expect(error).toMatchObject({
      code: 14,
      details: "the memory budget is used up; try again later",
    });
    const [details] = error!.metadata.get("grpc-status-details-bin");
    expect(decodeStatus(details as Buffer)).toMatchObject({ code: 14, retryAfterMs: 1000 });
  });

  test("a message that does not fit beside others is UNAVAILABLE", async () => {
    const server = await start({ budgetBytes: 2 * mebibyte });
    server.budget.reserve(mebibyte);
    const { error } = await grpcJsCall(grpcJs(server), Buffer.alloc(1.5 * mebibyte));
    server.budget.release(mebibyte);
    expect(error?.code).toBe(14);
  });

  test("counts a call from its first byte until the client has its answer", async () => {
    const { handler, waiting } = gate();
    const server = await start({ handler });
    const call = grpcJsCall(grpcJs(server), Buffer.alloc(100_000));
    await eventually(() => waiting.length === 1);
    expect(server.budget.usedBytes).toBeGreaterThanOrEqual(100_000);
    expect(server.budget.usedBytes).toBeLessThan(300_000);
    waiting[0]!(success);
    await call;
    await eventually(() => server.budget.usedBytes === 0);
  });

  test("a handler that hands the body over keeps only the call's own share", async () => {
    let used = 0;
    const server = await start({
      handler: (call) => {
        call.releaseBody();
        used = server.budget.usedBytes;
        return Promise.resolve(success);
      },
    });
    await grpcJsCall(grpcJs(server), Buffer.alloc(100_000));
    expect(used).toBe(callBytes);
  });
});

describe("authentication", () => {
  const authenticate = (metadata: UnaryCall["metadata"]) =>
    metadata.get("authorization")?.[0] === "Bearer good"
      ? Promise.resolve()
      : Promise.reject(new TelemetryError("UNAUTHENTICATED", "no or wrong token"));

  test("lets in who has credentials", async () => {
    const server = await start({ spec: { authenticate } });
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer good");
    const { error } = await grpcJsCall(grpcJs(server), Buffer.alloc(mebibyte), { metadata });
    expect(error).toBeNull();
    expect(server.bodies[0]).toHaveLength(mebibyte);
  });

  test("refuses others before their body is read", async () => {
    const server = await start({ spec: { authenticate } });
    const answer = await h2(server).call([framed("hello").subarray(0, 6)], {}, false);
    expect(answer).toMatchObject({ code: 16, message: "no or wrong token" });
    expect(server.bodies).toEqual([]);
  });

  test("an authenticator that fails lets nobody in", async () => {
    const server = await start({
      spec: {
        authenticate: () => {
          throw new Error("no such directory");
        },
      },
    });
    const { error } = await grpcJsCall(grpcJs(server), hello);
    expect(error).toMatchObject({ code: 13, details: "BUG: no such directory" });
    expect(server.bodies).toEqual([]);
  });
});

test("statuses of errors: see test/conformance/delivery-in-grpc.test.ts", () => {
  expect(statusOf(new TelemetryError("NOT_READY", "later", { retryable: true }))).toEqual({
    code: 14,
    message: "later",
  });
});
