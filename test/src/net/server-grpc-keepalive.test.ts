/** Age, idleness and pings of connections, as grpc-go's keepalive and enforcement policy have them. */
import { constants } from "node:http2";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { UnaryReply } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  eventually,
  framed,
  grpcJsCall,
  grpcJsClient,
  keepalive,
  path,
  startGrpcServer,
  success,
  type TestServer,
} from "../../support/grpc-server.ts";
import {
  encodeFrame,
  endStream,
  frameType,
  grpcHeaders,
  openFrame,
  pingFrame,
  RawH2,
} from "../../support/h2-raw.ts";

let clock: FakeClock;
const closers: (() => unknown)[] = [];

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  values: Partial<typeof keepalive>,
  handler?: () => Promise<UnaryReply>,
): Promise<TestServer> {
  const options = { clock, spec: { keepalive: { ...keepalive, ...values } } };
  const server = await startGrpcServer(handler === undefined ? options : { ...options, handler });
  closers.push(() => server.close());
  return server;
}

async function open({ port }: TestServer): Promise<RawH2> {
  const raw = await RawH2.open(port);
  closers.push(() => raw.destroy());
  return raw;
}

/** Sends frames and waits until the server has seen them all. */
async function seen(raw: RawH2, ...frames: Uint8Array[]): Promise<void> {
  const before = raw.of(frameType.ping).length;
  raw.send(...frames, pingFrame());
  await raw.until(() => raw.of(frameType.ping).length > before || raw.isClosed);
}

function call(raw: RawH2, stream: number): void {
  const message = encodeFrame(frameType.data, endStream, stream, framed("x"));
  raw.send(openFrame(stream, grpcHeaders(path)), message);
}

const answered = (raw: RawH2, stream: number) =>
  raw.until(() => raw.of(frameType.headers, stream).length === 2);

const noError = { code: constants.NGHTTP2_NO_ERROR, data: "" };
const tooManyPings = { code: constants.NGHTTP2_ENHANCE_YOUR_CALM, data: "too_many_pings" };

describe("max_connection_idle", () => {
  test("ends a connection that had no call for so long", async () => {
    const server = await start({ maxConnectionIdleMs: 60_000 });
    const raw = await open(server);
    await clock.advance(50_000);
    call(raw, 1);
    await answered(raw, 1);
    await clock.advance(59_000);
    expect(raw.isClosed).toBe(false);
    await clock.advance(2000);
    await raw.closed();
    expect(raw.goaway).toEqual(noError);
  });

  test("does not end one with a running call", async () => {
    const waiting: ((reply: UnaryReply) => void)[] = [];
    const handler = () => new Promise<UnaryReply>((resolve) => void waiting.push(resolve));
    const server = await start({ maxConnectionIdleMs: 10_000 }, handler);
    const raw = await open(server);
    call(raw, 1);
    await eventually(() => waiting.length === 1);
    await clock.advance(60_000);
    waiting[0]!(success);
    await answered(raw, 1);
    expect(raw.goaway).toBeUndefined();
  });

  test("a foreign client opens a new connection by itself", async () => {
    const server = await start({ maxConnectionIdleMs: 10_000 });
    const client = grpcJsClient(`127.0.0.1:${server.port}`);
    closers.push(() => client.close());
    for (let n = 0; n < 3; n++) {
      expect((await grpcJsCall(client, Buffer.from("x"))).error).toBeNull();
      await clock.advance(12_000);
    }
  });
});

describe("max_connection_age", () => {
  test("asks the client to go, within a tenth of the age, and lets the running call end", async () => {
    const waiting: ((reply: UnaryReply) => void)[] = [];
    const handler = () => new Promise<UnaryReply>((resolve) => void waiting.push(resolve));
    const server = await start({ maxConnectionAgeMs: 100_000 }, handler);
    const raw = await open(server);
    call(raw, 1);
    await eventually(() => waiting.length === 1);
    await clock.advance(89_000);
    expect(raw.goaway).toBeUndefined();
    await clock.advance(22_000);
    await raw.until(() => raw.goaway !== undefined);
    expect(raw.goaway).toEqual(noError);
    await clock.advance(1_000_000);
    expect(raw.isClosed).toBe(false);
    waiting[0]!(success);
    await answered(raw, 1);
    await raw.closed();
  });

  test("with a grace cuts the call that still runs after it", async () => {
    const server = await start(
      { maxConnectionAgeMs: 10_000, maxConnectionAgeGraceMs: 5000 },
      () => new Promise(() => {}),
    );
    const raw = await open(server);
    call(raw, 1);
    await eventually(() => server.bodies.length === 1);
    await clock.advance(11_000);
    await raw.until(() => raw.goaway !== undefined);
    expect(raw.isClosed).toBe(false);
    await clock.advance(5000);
    await raw.closed();
    await eventually(() => server.budget.usedBytes === 0);
  });
});

describe("pings of the server", () => {
  test("that are answered keep the connection", async () => {
    const server = await start({ timeMs: 30_000, timeoutMs: 5000 });
    const raw = await open(server);
    for (let n = 1; n <= 3; n++) {
      await clock.advance(30_000);
      await raw.until(() => serverPings(raw) === n);
      // By then the server has the answer, too.
      await seen(raw);
    }
    await clock.advance(29_000);
    expect(raw.isClosed).toBe(false);
  });

  test("that are not answered end it after the timeout", async () => {
    const server = await start({ timeMs: 30_000, timeoutMs: 5000 });
    const raw = await open(server);
    raw.isPolite = false;
    await clock.advance(30_000);
    await raw.until(() => serverPings(raw) === 1);
    await clock.advance(4000);
    expect(raw.isClosed).toBe(false);
    await clock.advance(1000);
    await raw.closed();
  });
});

/** Pings that are no answers. */
const serverPings = (raw: RawH2) =>
  raw.of(frameType.ping).filter(({ flags }) => flags === 0).length;

describe("pings of the client", () => {
  test("without calls are allowed every two hours: the fourth too early one ends the connection", async () => {
    const server = await start({ minTimeMs: 1000 });
    const raw = await open(server);
    await seen(raw);
    await clock.advance(60_000);
    await seen(raw);
    await seen(raw);
    expect(raw.isClosed).toBe(false);
    await seen(raw);
    await raw.closed();
    expect(raw.goaway).toEqual(tooManyPings);
  });

  test("without calls are allowed by permit_without_stream, every min_time", async () => {
    const server = await start({ minTimeMs: 1000, permitWithoutStream: true });
    const raw = await open(server);
    for (let n = 0; n < 20; n++) {
      await seen(raw);
      await clock.advance(1000);
    }
    expect(raw.isClosed).toBe(false);
    for (let n = 0; n < 4; n++) await seen(raw);
    await raw.closed();
    expect(raw.goaway).toEqual(tooManyPings);
  });

  test("during a call are allowed every min_time", async () => {
    const server = await start({ minTimeMs: 1000 }, () => new Promise(() => {}));
    const raw = await open(server);
    call(raw, 1);
    for (let n = 0; n < 20; n++) {
      await seen(raw);
      await clock.advance(1000);
    }
    expect(raw.isClosed).toBe(false);
  });

  test("beside answers are no strikes", async () => {
    const server = await start({});
    const raw = await open(server);
    for (let stream = 1; stream < 40; stream += 2) {
      call(raw, stream);
      await answered(raw, stream);
      await seen(raw);
    }
    expect(raw.isClosed).toBe(false);
  });
});
