/** Bad, slow and malicious clients of the HTTP server, as raw bytes; the good request beside them is served. */
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Budget } from "../../../src/component.ts";
import { encodeSnappy } from "../../../src/net/snappy.ts";
import type { HttpExchange, HttpServerSpec } from "../../../src/transport.ts";
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

async function connect(server: RunningHttpServer): Promise<RawClient> {
  const client = await server.connect();
  closers.push(() => client.destroy());
  return client;
}

/** Another client is served, and nothing is left in the budget. */
async function expectUnharmed(server: RunningHttpServer): Promise<void> {
  const client = await server.connect();
  expect(await client.post("good").response()).toMatchObject({ status: 200, body: "good" });
  client.destroy();
  expect(server.budget.usedBytes).toBe(0);
}

describe("what is no HTTP gets its refusal and the end of the connection", () => {
  const chunked = head("POST", "/", { "transfer-encoding": "chunked" });

  test.each<[string, string, number]>([
    ["noise", "\u0000\u0001\u0002 hello\r\n\r\n", 400],
    ["TLS", "\u0016\u0003\u0001\u0000\u0005hello", 400],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["an unknown method", "BREW / HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    ["a method in small letters", "post / HTTP/1.1\r\nhost: a\r\n\r\n", 400],
    ["a header without a colon", "GET / HTTP/1.1\r\nhost a\r\n\r\n", 400],
    ["a folded header", "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n", 400],
    ["a space before the colon", "GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400],
    ["a length that is none", head("POST", "/", { "content-length": "0x10" }), 400],
    ["a negative length", head("POST", "/", { "content-length": "-1" }), 400],
    ["a length beyond 64 bits", head("POST", "/", { "content-length": "9".repeat(30) }), 400],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
      400,
    ],
    [
      "a length beside chunks",
      head("POST", "/", { "content-length": "4", "transfer-encoding": "chunked" }),
      400,
    ],
    [
      "chunks beside a length",
      head("POST", "/", { "transfer-encoding": "chunked", "content-length": "4" }),
      400,
    ],
    [
      "chunked twice disguised",
      head("POST", "/", { "transfer-encoding": "chunked, identity" }),
      400,
    ],
    ["an unknown transfer coding", head("POST", "/", { "transfer-encoding": "xchunked" }), 400],
    ["a chunk size that is none", `${chunked}xyz\r\n`, 400],
    ["a chunk size beyond 64 bits", `${chunked}${"f".repeat(20)}\r\n`, 400],
    ["a chunk longer than it says", `${chunked}1\r\nab\r\n0\r\n\r\n`, 400],
    ["chunk extensions without end", `${chunked}1;${"x".repeat(20_000)}\r\na\r\n0\r\n\r\n`, 413],
    ["a header of 20 KB", head("GET", "/", { x: "y".repeat(20_000) }), 431],
    ["a path of 20 KB", head("GET", `/${"y".repeat(20_000)}`), 431],
    [
      "a thousand headers of one name",
      `GET / HTTP/1.1\r\nhost: a\r\n${"x: 1234567890123\r\n".repeat(1000)}\r\n`,
      431,
    ],
  ])("%s", async (_name, bytes, status) => {
    const server = await start();
    const client = await connect(server);
    client.send(Buffer.from(bytes, "latin1"));
    expect(await client.response()).toMatchObject({ status, headers: { connection: "close" } });
    client.socket.end();
    await client.closed;
    await expectUnharmed(server);
  });

  test("the refusal of endless headers arrives although the client goes on sending", async () => {
    const server = await start();
    const client = await connect(server);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n");
    for (let i = 0; i < 100; i++) client.send(`x-${i}: ${"y".repeat(20_000)}\r\n`);
    expect(await client.response()).toMatchObject({
      status: 431,
      body: "431 Request Header Fields Too Large",
    });
    // Who does not close then is cut.
    await server.clock.advance(1000);
    await client.closed;
    await expectUnharmed(server);
  });

  test("a smuggled request is not answered", async () => {
    const server = await start();
    const client = await connect(server);
    client.send(
      head("POST", "/", { "content-length": "6", "transfer-encoding": "chunked" }),
      `0\r\n\r\n${head("GET", "/smuggled")}`,
    );
    expect(await client.status()).toBe(400);
    await server.clock.advance(1000);
    expect(await client.rest()).toBe("");
  });

  test("noise behind a good request does not cost it its answer", async () => {
    let exchange: HttpExchange | undefined;
    let arrived: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const server = await start({
      handler: async (running) => {
        await running.body();
        exchange = running;
        arrived?.();
      },
    });
    const client = await connect(server);
    client.post("good");
    await waiting;
    client.send("noise\r\n\r\n");
    // Pauses until the noise is read.
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    exchange?.respond(200, {}, "taken");
    expect(await client.response()).toMatchObject({ status: 200, body: "taken" });
    await client.closed;
  });

  test("CONNECT ends the connection, an upgrade is an ordinary request", async () => {
    const server = await start();
    const tunnel = await connect(server);
    tunnel.send(head("CONNECT", "other:1"));
    await tunnel.closed;
    const client = await connect(server);
    client.send(head("GET", "/", { connection: "upgrade", upgrade: "websocket" }));
    expect(await client.status()).toBe(200);
    await expectUnharmed(server);
  });

  test("an expectation that is none", async () => {
    const server = await start();
    const client = await connect(server);
    client.send(head("POST", "/", { expect: "the-unexpected", "content-length": "0" }));
    expect(await client.status()).toBe(417);
  });
});

describe("bodies that are too large", () => {
  const spec = { maxBodyBytes: 1000 };

  test("an announced one is refused before it is sent, and the rest is read for a moment", async () => {
    const server = await start({ spec });
    const client = await connect(server);
    client.send(head("POST", "/", { "content-length": "5000000" }));
    expect(await client.response()).toMatchObject({
      status: 413,
      headers: { connection: "close" },
      body: "http: request body too large",
    });
    client.send(Buffer.alloc(5_000_000));
    await client.closed;
    await expectUnharmed(server);
  });

  test("who never sends the rest is cut after a second", async () => {
    const server = await start({ spec });
    const client = await connect(server);
    client.send(head("POST", "/", { "content-length": "5000000" }));
    expect(await client.status()).toBe(413);
    await server.clock.advance(999);
    expect(client.socket.readableEnded).toBe(false);
    await server.clock.advance(1);
    await client.closed;
  });

  test("a chunked one is refused when it exceeds the limit, while it is sent", async () => {
    const server = await start({ spec });
    const client = await connect(server);
    client.send(head("POST", "/", { "transfer-encoding": "chunked" }));
    for (let i = 0; i < 11; i++) client.send(chunk("x".repeat(100)));
    expect(await client.response()).toMatchObject({
      status: 413,
      headers: { connection: "close" },
    });
    await server.clock.advance(1000);
    await client.closed;
    await expectUnharmed(server);
  });

  test("one byte is the difference", async () => {
    const server = await start({ spec });
    const client = await connect(server);
    expect(await client.post("x".repeat(1000)).status()).toBe(200);
    expect(await client.post("x".repeat(1001)).status()).toBe(413);
  });

  const zeros = Buffer.alloc(20_000_000);
  const gzip = gzipSync(zeros);
  const bombs: [string, string, Buffer][] = [
    ["gzip", "gzip", gzip],
    ["gzip of several members", "gzip", Buffer.concat([gzipSync("a"), gzip, gzipSync("b")])],
    ["gzip with a lying trailer", "gzip", Buffer.concat([gzip.subarray(0, -4), Buffer.alloc(4)])],
    ["zlib", "zlib", deflateSync(zeros)],
    ["deflate", "deflate", deflateSync(zeros)],
    ["zstd", "zstd", zstdCompressSync(zeros)],
    [
      "many zstd frames",
      "zstd",
      Buffer.concat(Array(200).fill(zstdCompressSync(Buffer.alloc(100_000)))),
    ],
    ["snappy", "snappy", Buffer.from(encodeSnappy(zeros.subarray(0, 4_000_000)))],
    ["a snappy header", "snappy", Buffer.from("ffffffff0f0000", "hex")],
    ["lz4", "lz4", lz4Bomb()],
  ];

  test.each(bombs)("a bomb in %s ends at the limit", async (_name, coding, bytes) => {
    const limit = 1_000_000;
    let peak = 0;
    const inner = testBudget();
    const budget = Object.create(inner, {
      tryReserve: {
        value: (n: number) => {
          inner.reserve(n);
          peak = Math.max(peak, inner.usedBytes);
          return true;
        },
      },
    }) as Budget;
    const server = await start({ spec: { maxBodyBytes: limit }, deps: { budget } });
    const client = await connect(server);
    client.post(bytes, { "content-encoding": coding });
    expect(await client.response()).toMatchObject({
      status: 413,
      body: "http: request body too large",
    });
    expect(peak).toBeLessThan(limit + bytes.length * 4);
    await expectUnharmed(server);
  });

  test.each(["gzip", "zlib", "deflate", "zstd", "snappy", "lz4", "x-snappy-framed"])(
    "broken %s is told from a large body",
    async (coding) => {
      const server = await start();
      const client = await connect(server);
      client.post("this is no compressed text at all", { "content-encoding": coding });
      const answer = await client.response();
      expect(answer?.status).toBe(400);
      expect(answer?.body).toMatch(/cannot decompress|corrupt input/);
      expect(await client.post("next").status()).toBe(200);
      await expectUnharmed(server);
    },
  );
});

describe("Expect: 100-continue", () => {
  const expecting = (length: string) =>
    head("POST", "/", { expect: "100-continue", "content-length": length });

  test("the body is asked for when it is wanted", async () => {
    const server = await start();
    const client = await connect(server);
    client.send(expecting("5"));
    expect(await client.status()).toBe(100);
    client.send("hello");
    expect(await client.response()).toMatchObject({ status: 200, body: "hello" });
    expect(await client.post("more").status()).toBe(200);
  });

  test("it is not asked for when the answer is known", async () => {
    const server = await start({ spec: { maxBodyBytes: 1000 } });
    const client = await connect(server);
    client.send(expecting("5000"));
    expect(await client.response()).toMatchObject({
      status: 413,
      headers: { connection: "close" },
    });
    await client.closed;
    await expectUnharmed(server);
  });
});

describe("slow and silent clients", () => {
  const quick: Partial<HttpServerSpec> = { readHeaderTimeoutMs: 50, readTimeoutMs: 50 };

  test.each<[string, string]>([
    ["nothing at all", ""],
    ["half a request line", "POST /"],
    ["half the headers", "POST / HTTP/1.1\r\nhost: a\r\nx"],
    ["headers without a body", head("POST", "/", { "content-length": "5" })],
    ["half a body", `${head("POST", "/", { "content-length": "5" })}he`],
    ["half a chunk", `${head("POST", "/", { "transfer-encoding": "chunked" })}5\r\nhe`],
  ])("%s: 408 and the end", async (_name, bytes) => {
    const server = await start({ spec: quick });
    const client = await connect(server);
    client.send(bytes);
    expect(await client.response()).toMatchObject({ status: 408, body: "408 Request Timeout" });
    client.socket.end();
    await client.closed;
    await expectUnharmed(server);
  });

  test("who goes away amid a body leaves nothing behind", async () => {
    let failed: ((error: unknown) => void) | undefined;
    const failure = new Promise((resolve) => {
      failed = resolve;
    });
    const server = await start({
      spec: { maxBodyBytes: 1_000_000 },
      handler: (exchange) =>
        exchange.body().then(
          (body) => exchange.respond(200, {}, body),
          (error: unknown) => failed?.(error),
        ),
    });
    const client = await connect(server);
    client.send(head("POST", "/", { "content-length": "500000" }), Buffer.alloc(200_000));
    while (server.budget.usedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    client.destroy();
    expect(await failure).toMatchObject({
      code: "MALFORMED_DATA",
      message: "the request ended before its body was complete",
    });
    await expectUnharmed(server);
  });

  test("who goes away while the body is decompressed leaves nothing behind", async () => {
    let ended: (() => void) | undefined;
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    let client: RawClient | undefined;
    const server = await start({
      spec: { maxBodyBytes: 100_000_000 },
      handler: async (exchange) => {
        if (exchange.headers.get("content-encoding") === undefined)
          return exchange.respond(200, {}, await exchange.body());
        const body = exchange.body();
        const isGone = new Promise<void>((resolve) =>
          exchange.aborted.addEventListener("abort", () => resolve()),
        );
        // Decompression has begun when more is reserved than was sent.
        while (server.budget.usedBytes < 1_000_000)
          await new Promise((resolve) => setImmediate(resolve));
        client?.destroy();
        await isGone;
        // What is decoded from now on has no room any more.
        await body.catch(() => undefined);
        exchange.respond(200, {});
        ended?.();
      },
    });
    client = await connect(server);
    client.post(gzipSync(Buffer.alloc(50_000_000)), { "content-encoding": "gzip" });
    await end;
    await expectUnharmed(server);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("a reader that takes nothing is cut", async () => {
    let settled: (() => void) | undefined;
    const end = new Promise<void>((resolve) => {
      settled = resolve;
    });
    const server = await start({
      spec: { writeTimeoutMs: 20_000 },
      handler: async (exchange) => {
        if (exchange.method === "POST") return exchange.respond(200, {}, await exchange.body());
        const writer = exchange.stream(200, {});
        for (let i = 0; i < 1000; i++) {
          // Rejects when the connection is gone.
          const isGone = await writer.write(Buffer.alloc(100_000)).catch(() => true);
          if (isGone === true) return settled?.();
        }
      },
    });
    const client = await connect(server);
    client.socket.pause();
    client.send(head("GET", "/"));
    // Until the kernel's buffers are full.
    for (let sent = -1; sent !== client.socket.bytesRead; ) {
      sent = client.socket.bytesRead;
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    await server.clock.advance(10_000);
    await server.clock.advance(22_000);
    await end;
    await expectUnharmed(server);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("pipelined requests without end whose answers nobody reads are not read on", async () => {
    let requests = 0;
    const server = await start({
      handler: async (exchange) => {
        const body = await exchange.body();
        if (body.length === 0) requests++;
        exchange.respond(200, {}, body.length === 0 ? Buffer.alloc(50_000) : body);
      },
    });
    const client = await connect(server);
    client.socket.pause();
    const many = head("GET", "/").repeat(1000);
    for (let i = 0; i < 100; i++) client.send(many);
    for (let before = -1; before !== requests; ) {
      before = requests;
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(requests).toBeGreaterThan(0);
    expect(requests).toBeLessThan(5000);
    await server.clock.advance(10_000);
    await server.clock.advance(32_000);
    client.socket.resume();
    await client.closed;
    await expectUnharmed(server);
  });

  test("a thousand idle connections are held, and others served beside them", async () => {
    const server = await start();
    const idle: RawClient[] = [];
    for (let i = 0; i < 10; i++)
      idle.push(...(await Promise.all(Array.from({ length: 100 }, () => connect(server)))));
    await expectUnharmed(server);
    expect(await idle[777]!.post("late").status()).toBe(200);
  });

  test("a half-closed client gets its answer", async () => {
    const server = await start();
    const client = await connect(server);
    client.post("hello");
    client.socket.end();
    expect(await client.response()).toMatchObject({ status: 200, body: "hello" });
    await client.closed;
  });

  test("a half-closed half-sent request is no request", async () => {
    const server = await start();
    const client = await connect(server);
    client.send(head("POST", "/", { "content-length": "10" }), "half");
    client.socket.end();
    expect(await client.status()).toBe(400);
    await client.closed;
    await expectUnharmed(server);
  });
});

/** A block of one literal and one match that repeats it 4 MB long, as often as it takes. */
function lz4Bomb(): Buffer {
  const match = 4 * 2 ** 20 - 1 - 15 - 4;
  const sequence = Buffer.concat([
    Buffer.from([0x1f, 0x61, 0x01, 0x00]),
    Buffer.alloc(Math.floor(match / 255), 255),
    Buffer.from([match % 255]),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(sequence.length);
  // Blocks of 4 MiB that refer to earlier ones, no checksums but the header's.
  const frameStart = Buffer.from("04224d18607073", "hex");
  return Buffer.concat([frameStart, length, sequence, Buffer.alloc(4)]);
}
