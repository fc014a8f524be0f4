/**
 * Clients that mean harm: each is refused in the protocol's words or cut off, a good request beside it is
 * answered, and afterwards no byte of the budget is missing.
 */
import { constants } from "node:http2";
import type { Client } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type Logger, silentLogger } from "../../../src/log.ts";
import { callBytes } from "../../../src/net/grpc-server-call.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  eventually,
  framed,
  grpcJsCall,
  grpcJsClient,
  H2Client,
  path,
  startGrpcServer,
  type TestServer,
} from "../../support/grpc-server.ts";
import {
  encodeFrame,
  endHeaders,
  endStream,
  frameType,
  grpcHeaders,
  headerBlock,
  openFrame,
  pingFrame,
  preface,
  RawH2,
  resetFrame,
  settingsFrame,
} from "../../support/h2-raw.ts";

const mebibyte = 2 ** 20;
const budgetBytes = 128 * mebibyte;
const {
  NGHTTP2_CANCEL,
  NGHTTP2_ENHANCE_YOUR_CALM,
  NGHTTP2_INTERNAL_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
} = constants;

let clock: FakeClock;
let server: TestServer;
let good: Client;
let raws: RawH2[] = [];

beforeEach(async () => {
  clock = new FakeClock();
  server = await startGrpcServer({ clock, budgetBytes });
  good = grpcJsClient(`127.0.0.1:${server.port}`);
});

afterEach(async () => {
  await expectUnharmed();
  for (const raw of raws.splice(0)) raw.destroy();
  good.close();
  await server.close();
  expectNothingReserved();
});

/** A good request is answered. */
async function expectUnharmed(): Promise<void> {
  const { error } = await grpcJsCall(good, Buffer.from("good"));
  expect(error).toBeNull();
}

function expectNothingReserved(): void {
  expect(server.budget.usedBytes).toBe(0);
}

async function open(...settings: (readonly [number, number])[]): Promise<RawH2> {
  const raw = await RawH2.open(server.port, ...settings);
  raws.push(raw);
  return raw;
}

const headers = grpcHeaders(path);
const data = (stream: number, bytes: Uint8Array, end = false) =>
  encodeFrame(frameType.data, end ? endStream : 0, stream, bytes);

describe("connections", () => {
  test("without a preface are cut after 10 s", async () => {
    const raw = await RawH2.connect(server.port);
    raws.push(raw);
    await expectUnharmed();
    await clock.advance(10_000);
    await raw.closed();
    expect(raw.isClosed).toBe(true);
  });

  test("with half a preface are cut after 10 s", async () => {
    const raw = await RawH2.connect(server.port);
    raws.push(raw);
    raw.send(preface.subarray(0, 10));
    await expectUnharmed();
    await clock.advance(10_000);
    await raw.closed();
    expect(raw.isClosed).toBe(true);
  });

  test("that speak HTTP/1.1 are closed at once", async () => {
    const raw = await RawH2.connect(server.port);
    raws.push(raw);
    raw.send(Buffer.from("POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"));
    await raw.closed();
    expect(raw.isClosed).toBe(true);
  });

  test("that send noise are closed at once", async () => {
    const raw = await RawH2.connect(server.port);
    raws.push(raw);
    raw.send(Buffer.alloc(1000, 0xff));
    await raw.closed();
    expect(raw.isClosed).toBe(true);
  });

  test("2,000 idle ones leave room for a good one", async () => {
    for (let n = 0; n < 20; n++) {
      const opened = Array.from({ length: 100 }, () => RawH2.open(server.port));
      raws.push(...(await Promise.all(opened)));
    }
    await expectUnharmed();
    expect(raws.filter(({ isClosed }) => isClosed)).toEqual([]);
  });

  test("beyond the limit are refused, with a warning a minute", async () => {
    const warnings: string[] = [];
    const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
    const small = await startGrpcServer({ clock, log, budgetBytes: mebibyte });
    for (let n = 0; n < 256; n++) raws.push(await RawH2.open(small.port));
    for (let n = 0; n < 3; n++) {
      const raw = await RawH2.connect(small.port);
      await raw.closed();
    }
    expect(warnings).toEqual(["More than 256 connections; further ones are refused."]);
    raws.pop()!.destroy();
    const again = grpcJsClient(`127.0.0.1:${small.port}`);
    expect((await grpcJsCall(again, Buffer.from("x"))).error).toBeNull();
    again.close();
    await small.close();
  });

  test("that open streams and vanish leave nothing behind", async () => {
    const raw = await open();
    for (let id = 1; id < 400; id += 2)
      raw.send(openFrame(id, headers), data(id, framed("half").subarray(0, 6)));
    await eventually(() => server.budget.usedBytes > 199 * callBytes);
    raw.destroy();
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });
});

describe("senders", () => {
  test("that send a byte a while are answered DEADLINE_EXCEEDED after 30 s", async () => {
    const client = new H2Client(server.port);
    const call = client.call([framed("slow").subarray(0, 7)], {}, false);
    await eventually(() => server.budget.usedBytes > callBytes);
    await clock.advance(31_000);
    expect(await call).toMatchObject({
      code: 4,
      message: "the request did not arrive within 30s",
    });
    expect(server.budget.usedBytes).toBe(0);
    client.close();
  });

  test("that announce much and send little reserve little", async () => {
    const raw = await open();
    const prefix = Buffer.from([0, 3, 0, 0, 0]);
    for (let id = 1; id < 200; id += 2) raw.send(openFrame(id, headers), data(id, prefix));
    await eventually(() => server.budget.usedBytes >= 100 * callBytes);
    await expectUnharmed();
    expect(server.budget.usedBytes).toBeLessThan(100 * (callBytes + 200_000));
    raw.destroy();
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("in pieces of one byte are served", async () => {
    const raw = await open();
    const message = framed("in tiny pieces");
    raw.send(openFrame(1, headers));
    for (const byte of message) raw.send(data(1, Buffer.from([byte])));
    raw.send(data(1, new Uint8Array(0), true));
    await raw.until(() => raw.of(frameType.headers, 1).length === 2);
    expect(server.bodies.at(-1)?.toString()).toBe("in tiny pieces");
  });

  test("of empty DATA without end are cut off", async () => {
    const raw = await open();
    raw.send(openFrame(1, headers));
    raw.send(...Array.from({ length: 1000 }, () => data(1, new Uint8Array(0))));
    await raw.closed();
    expect(raw.isClosed).toBe(true);
  });
});

test("while a sender's credentials are checked, nothing is taken beyond its window or the budget", async () => {
  let letIn = () => {};
  const authenticate = () => new Promise<void>((resolve) => (letIn = resolve));
  const guarded = await startGrpcServer({ clock, spec: { authenticate } });
  const raw = await RawH2.open(guarded.port);
  raws.push(raw);
  const message = framed(Buffer.alloc(900_000, 7));
  raw.send(openFrame(1, headers));
  for (let at = 0; at < message.length; at += 16_000) {
    raw.send(data(1, message.subarray(at, at + 16_000)));
  }
  raw.send(pingFrame());
  await raw.until(() => raw.of(frameType.ping).length > 0);
  const credits = raw.of(frameType.windowUpdate, 1).map(({ payload }) => payload.readUInt32BE(0));
  const credited = credits.reduce((sum, bytes) => sum + bytes, 0);
  expect(credited).toBeLessThanOrEqual(guarded.budget.usedBytes);
  expect(guarded.bodies).toEqual([]);
  letIn();
  raw.send(data(1, new Uint8Array(0), true));
  await raw.until(() => raw.of(frameType.headers, 1).length === 2);
  expect(guarded.bodies[0]?.equals(message.subarray(5))).toBe(true);
  await guarded.close();
});

describe("readers", () => {
  test("that give no window for the answers are reset after 30 s", async () => {
    const noWindow = [4, 0] as const;
    const raw = await open(noWindow);
    for (let id = 1; id < 40; id += 2)
      raw.send(openFrame(id, headers), data(id, framed("x"), true));
    await eventually(() => server.bodies.length === 20);
    await raw.until(() => raw.of(frameType.headers).length === 20);
    expect(server.budget.usedBytes).toBe(20 * callBytes);
    await clock.advance(31_000);
    await raw.until(() => raw.of(frameType.reset).length === 20);
    expect(raw.of(frameType.reset)[0]!.payload.readUInt32BE(0)).toBe(NGHTTP2_CANCEL);
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("that read nothing of a large answer are cut off within a minute", async () => {
    const body = Buffer.alloc(32 * mebibyte);
    const large = await startGrpcServer({
      clock,
      handler: () => Promise.resolve({ status: { code: 0, message: "" }, body }),
    });
    const raw = await RawH2.open(large.port, [4, 2 ** 31 - 1]);
    raws.push(raw);
    const window = Buffer.from([0x3f, 0xff, 0, 0]);
    raw.send(encodeFrame(frameType.windowUpdate, 0, 0, window));
    raw.socket.pause();
    raw.send(openFrame(1, headers), data(1, framed("x"), true));
    await eventually(() => large.bodies.length === 1);
    await clock.advance(15_000);
    expect(large.budget.usedBytes).toBe(callBytes);
    await clock.advance(60_000);
    await eventually(() => large.budget.usedBytes === 0);
    raw.socket.resume();
    // What the kernel had taken ends with a reset, or the connection is gone.
    await raw.until(() => raw.isClosed || raw.of(frameType.reset, 1).length === 1);
    expect(raw.of(frameType.headers, 1)).toHaveLength(1);
    await large.close();
  });

  test("that read nothing from their socket are cut off", async () => {
    const raw = await open();
    raw.socket.pause();
    let id = 1;
    const flood = () => {
      for (let n = 0; n < 100; n++, id += 2)
        raw.send(openFrame(id, headers), data(id, framed("x"), true), pingFrame());
    };
    const timer = setInterval(flood, 1);
    await raw.until(() => raw.socket.destroyed || raw.isClosed).finally(() => clearInterval(timer));
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });
});

describe("floods", () => {
  test("of resets end the connection", async () => {
    const raw = await open();
    for (let id = 1; id < 8000; id += 2)
      raw.send(openFrame(id, headers), resetFrame(id, NGHTTP2_CANCEL));
    await raw.closed();
    expect(raw.goaway?.code).toBeGreaterThan(0);
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });

  test.each([
    ["a call", headers],
    ["another content type", { ...headers, "content-type": "text/plain" }],
    ["an unknown path", { ...headers, ":path": "/no/such" }],
  ])("a reset in the packet that opens %s is no harm", async (_name, sent) => {
    const raw = await open();
    const codes = [NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR];
    for (const [i, code] of codes.entries()) {
      const id = 1 + 2 * i;
      raw.send(openFrame(id, sent), resetFrame(id, code), pingFrame());
    }
    await raw.until(() => raw.of(frameType.ping).length === 3);
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("of PING end in too_many_pings", async () => {
    const raw = await open();
    raw.send(...Array.from({ length: 5000 }, pingFrame));
    await raw.closed();
    expect(raw.goaway).toEqual({ code: NGHTTP2_ENHANCE_YOUR_CALM, data: "too_many_pings" });
  });

  test("of SETTINGS end the connection", async () => {
    const raw = await open();
    raw.isPolite = false;
    const batch = Buffer.concat(Array.from({ length: 1000 }, () => settingsFrame([3, 100])));
    for (let n = 0; n < 100 && !raw.isClosed; n++) {
      raw.send(batch);
      await expectUnharmed();
    }
    expect(raw.isClosed).toBe(true);
  });

  test("of CONTINUATION end the connection", async () => {
    const raw = await open();
    raw.send(encodeFrame(frameType.headers, 0, 1, headerBlock(headers)));
    const more = headerBlock({ "x-more": "y".repeat(100) });
    const frames = Array.from({ length: 1000 }, () =>
      encodeFrame(frameType.continuation, 0, 1, more),
    );
    raw.send(...frames);
    await raw.closed();
    expect(raw.isClosed).toBe(true);
  });

  test("of header bytes are refused", async () => {
    const raw = await open();
    const block = headerBlock({ ...headers, "x-huge": "y".repeat(60_000) });
    const pieces: Buffer[] = [];
    for (let at = 0; at < block.length; at += 16_000) {
      const isLast = at + 16_000 >= block.length;
      const type = at === 0 ? frameType.headers : frameType.continuation;
      const flags = isLast ? endHeaders : 0;
      pieces.push(encodeFrame(type, flags, 1, block.subarray(at, at + 16_000)));
    }
    raw.send(...pieces);
    await raw.until(() => raw.isClosed || raw.of(frameType.reset, 1).length > 0);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("of header fields are refused", async () => {
    const raw = await open();
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`x-${i}`, "y"]));
    raw.send(openFrame(1, { ...headers, ...many }));
    await raw.until(() => raw.isClosed || raw.of(frameType.reset, 1).length > 0);
    expect(server.budget.usedBytes).toBe(0);
  });

  test("of streams beyond the limit are refused", async () => {
    const raw = await open();
    for (let id = 1; id < 2 * 300; id += 2) raw.send(openFrame(id, headers));
    await raw.until(() => raw.isClosed || raw.of(frameType.reset).length >= 44);
    expect(server.budget.usedBytes).toBeLessThanOrEqual(256 * callBytes);
    raw.destroy();
    await eventually(() => server.budget.usedBytes === 0);
    expect(server.budget.usedBytes).toBe(0);
  });
});

describe("frames", () => {
  test.each([
    ["DATA on stream 0", encodeFrame(frameType.data, 0, 0, Buffer.from("x"))],
    [
      "DATA on a stream that was never opened",
      encodeFrame(frameType.data, 0, 99, Buffer.from("x")),
    ],
    [
      "HEADERS with broken HPACK",
      encodeFrame(frameType.headers, endHeaders, 1, Buffer.alloc(9, 0xff)),
    ],
    ["SETTINGS of a wrong length", encodeFrame(frameType.settings, 0, 0, Buffer.alloc(5))],
    ["PING of a wrong length", encodeFrame(frameType.ping, 0, 0, Buffer.alloc(7))],
    ["an even stream", openFrame(2, headers)],
    ["a frame longer than allowed", encodeFrame(frameType.data, 0, 1, Buffer.alloc(100_000))],
    ["CONTINUATION without HEADERS", encodeFrame(frameType.continuation, endHeaders, 1)],
    ["WINDOW_UPDATE of nothing", encodeFrame(frameType.windowUpdate, 0, 0, Buffer.alloc(4))],
  ])("%s ends the connection with GOAWAY", async (_name, frame) => {
    const raw = await open();
    raw.send(frame);
    await raw.closed();
    expect(raw.goaway?.code).toBeGreaterThan(0);
  });
});
