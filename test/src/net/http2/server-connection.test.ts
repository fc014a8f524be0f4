/** Calls of a foreign client (nghttp2, by node:http2) and frames written by hand. */
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import {
  encodeFrame,
  encodeSettings,
  errorCode,
  uint32At,
} from "../../../../src/net/http2/frame.ts";
import { encodeHeaders } from "../../../../src/net/http2/hpack.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type EchoServer, RawClient, requestBlock, startEcho } from "./support.ts";

let server: EchoServer;
let client: RawClient;
beforeEach(async () => {
  server = await startEcho();
});
afterEach(async () => {
  client?.destroy();
  await server.stop();
});

const windowUpdate = (streamId: number, bytes: number) => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return encodeFrame(8, 0, streamId, payload);
};
const reset = (streamId: number, code = 8) =>
  encodeFrame(3, 0, streamId, Buffer.from([0, 0, 0, code]));
const headers = (streamId: number, flags = 4, block: Uint8Array = requestBlock) =>
  encodeFrame(1, flags, streamId, block);
const data = (streamId: number, bytes: number, flags = 0) =>
  encodeFrame(0, flags, streamId, Buffer.alloc(bytes));
const ping = (round: number) => encodeFrame(6, 0, 0, Buffer.alloc(8, round));
const pong = (round: number) =>
  client.frame(({ type, payload }) => type === 6 && payload[0] === round);
const goawayCode = async () => uint32At((await client.frame(({ type }) => type === 7)).payload, 4);
const resetCode = async (id: number) =>
  uint32At((await client.frame(({ type, streamId }) => type === 3 && streamId === id)).payload, 0);

describe("a foreign client", () => {
  async function call(body: Buffer, settings = {}): Promise<{ echo: Buffer; status: unknown }> {
    const session = connectHttp2(`http://127.0.0.1:${server.port}`, { settings });
    const stream = session.request({ ":method": "POST", ":path": "/x", "grpc-timeout": "1S" });
    const chunks: Buffer[] = [];
    let status: unknown;
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("trailers", (trailers) => {
      status = trailers["grpc-status"];
    });
    stream.end(body);
    await once(stream, "close");
    session.close();
    return { echo: Buffer.concat(chunks), status };
  }

  test.each([0, 1, 16_384, 65_535, 65_536, 500_000])("gets %d bytes back", async (length) => {
    const body = Buffer.alloc(length, "abcdefg");
    expect(await call(body)).toEqual({ echo: body, status: "0" });
    expect(server.seen[0]!.headers["grpc-timeout"]).toBe("1S");
  });

  test("with a window of 100 bytes and without a header table", async () => {
    const body = Buffer.alloc(5000, "x");
    const settings = { initialWindowSize: 100, headerTableSize: 0 };
    expect(await call(body, settings)).toEqual({ echo: body, status: "0" });
  });

  test("sends 16 MiB through windows of 64 KiB", async () => {
    await server.stop();
    server = await startEcho({ streamWindowBytes: 65_536 });
    server.answer = (stream, { length }) =>
      stream.reply(
        encodeHeaders({ ":status": 200 }),
        Buffer.from(`${length}`),
        encodeHeaders({ "grpc-status": 0 }),
      );
    expect((await call(Buffer.alloc(16 << 20))).echo.toString()).toBe(`${16 << 20}`);
  });

  test("makes a hundred calls at once, and is told of those beyond the bound", async () => {
    await server.stop();
    server = await startEcho({ maxConcurrentStreams: 10 });
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    await once(session, "remoteSettings");
    const bodies = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const stream = session.request({ ":method": "POST", ":path": `/${i}` });
        stream.end(`${i}`);
        let text = "";
        for await (const chunk of stream) text += chunk;
        return text;
      }),
    );
    expect(bodies).toEqual(bodies.map((_, i) => `${i}`));
    session.close();
  });

  test("finishes its calls after GOAWAY, then the connection ends", async () => {
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    const stream = session.request({ ":method": "POST", ":path": "/x" });
    stream.write("a");
    await once(stream, "ready");
    while (server.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const sessionClosed = once(session, "close");
    for (const connection of server.connections) connection.close();
    await once(session, "goaway");
    stream.end("b");
    let text = "";
    for await (const chunk of stream) text += chunk;
    expect(text).toBe("ab");
    await sessionClosed;
    await server.empty();
  });
});

describe("what arrives in pieces", () => {
  test("a request byte by byte", async () => {
    client = await RawClient.connect(server.port, false);
    const all = Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      encodeFrame(4, 0, 0),
      headers(1),
      encodeFrame(0, 0, 1, Buffer.from("hel")),
      encodeFrame(0, 1, 1, Buffer.from("lo")),
    ]);
    for (const octet of all) client.write(Uint8Array.of(octet));
    const { payload } = await client.frame(({ type }) => type === 0);
    expect(payload.toString()).toBe("hello");
  });

  test("a header block over CONTINUATION, padded, with a priority", async () => {
    client = await RawClient.connect(server.port);
    const padded = Buffer.concat([
      Buffer.from([3, 0, 0, 0, 0, 9]),
      requestBlock.subarray(0, 5),
      Buffer.alloc(3),
    ]);
    client.write(
      encodeFrame(1, 8 | 32, 1, padded),
      encodeFrame(9, 0, 1, requestBlock.subarray(5, 9)),
      encodeFrame(9, 4, 1, requestBlock.subarray(9)),
      encodeFrame(0, 1 | 8, 1, Buffer.from([2, 65, 66, 0, 0])),
    );
    const { payload } = await client.frame(({ type }) => type === 0);
    expect(payload.toString()).toBe("AB");
    expect(server.seen[0]!.headers[":path"]).toBe("/a/b");
  });
});

describe("ends the connection", () => {
  const settingsOf = (id: number, value: number) => encodeSettings([[id, value]]);
  test.each<[string, Uint8Array[], number]>([
    ["DATA on an idle stream", [encodeFrame(0, 0, 1)], errorCode.protocolError],
    ["HEADERS on an even stream", [headers(2)], errorCode.protocolError],
    [
      "HEADERS interrupted",
      [headers(1, 0), encodeFrame(6, 0, 0, Buffer.alloc(8))],
      errorCode.protocolError,
    ],
    ["CONTINUATION without HEADERS", [encodeFrame(9, 4, 1)], errorCode.protocolError],
    ["SETTINGS of five bytes", [encodeFrame(4, 0, 0, Buffer.alloc(5))], errorCode.frameSizeError],
    ["a window of 2^31", [settingsOf(4, 2 ** 31)], errorCode.flowControlError],
    ["frames of 100 bytes at most", [settingsOf(5, 100)], errorCode.protocolError],
    ["PUSH_PROMISE", [encodeFrame(5, 4, 1, Buffer.alloc(4))], errorCode.protocolError],
    [
      "a connection window beyond 2^31-1",
      [windowUpdate(0, 2 ** 31 - 1)],
      errorCode.flowControlError,
    ],
    [
      "a block that cannot be decoded",
      [headers(1, 4, Buffer.from([0x80]))],
      errorCode.compressionError,
    ],
    [
      "a frame of 16,385 bytes",
      [encodeFrame(0, 0, 1, Buffer.alloc(16_385))],
      errorCode.frameSizeError,
    ],
    [
      "padding beyond the frame",
      [headers(1), encodeFrame(0, 8, 1, Buffer.from([9, 1]))],
      errorCode.protocolError,
    ],
  ])("%s", async (_name, frames, code) => {
    client = await RawClient.connect(server.port);
    client.write(...frames);
    expect(await goawayCode()).toBe(code);
    await client.closed();
    await server.empty();
  });

  test("what is no HTTP/2", async () => {
    client = await RawClient.connect(server.port, false);
    client.write(Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    expect(await goawayCode()).toBe(errorCode.protocolError);
    await client.closed();
  });
});

describe("resets the stream alone", () => {
  const block = (fields: Record<string, string>) => encodeHeaders(fields);
  const good = { ":method": "POST", ":scheme": "http", ":path": "/" };
  test.each<[string, Uint8Array]>([
    ["without :path", block({ ":method": "POST", ":scheme": "http" })],
    ["with an upper-case name", block({ ...good, "Content-Type": "x" })],
    ["with a connection header", block({ ...good, connection: "close" })],
    ["with te: gzip", block({ ...good, te: "gzip" })],
    ["with an unknown pseudo header", block({ ...good, ":x": "y" })],
    ["with a pseudo header behind others", block({ a: "b", ...good })],
    ["with a line break in a value", block({ ...good, a: "b\r\nc" })],
    ["with a pseudo header twice", Buffer.concat([block(good), block({ ":path": "/2" })])],
  ])("a request %s", async (_name, bad) => {
    client = await RawClient.connect(server.port);
    client.write(headers(1, 5, bad), headers(3, 5));
    expect(await resetCode(1)).toBe(errorCode.protocolError);
    await client.frame(({ type, streamId }) => type === 1 && streamId === 3);
    expect(server.seen).toHaveLength(1);
  });

  test("a header list beyond the limit, and the table stays right", async () => {
    client = await RawClient.connect(server.port);
    const indexed = Buffer.concat([Buffer.from([0x40, 1, 97, 100]), Buffer.alloc(100, "b")]);
    const many = Buffer.concat([requestBlock, indexed, Buffer.alloc(500, 0xbe)]);
    client.write(
      headers(1, 5, many),
      headers(3, 5, Buffer.concat([requestBlock, Buffer.from([0xbe])])),
    );
    expect(await resetCode(1)).toBe(errorCode.enhanceYourCalm);
    await client.frame(({ type, streamId }) => type === 1 && streamId === 3);
    expect(server.seen[0]!.headers["a"]).toBe("b".repeat(100));
  });

  test("a body shorter than content-length", async () => {
    client = await RawClient.connect(server.port);
    const announced = Buffer.concat([requestBlock, encodeHeaders({ "content-length": 5 })]);
    client.write(headers(1, 4, announced), encodeFrame(0, 1, 1, Buffer.from("abc")));
    expect(await resetCode(1)).toBe(errorCode.protocolError);
    expect(server.seen[0]!.outcome).toBe("cut");
  });

  test("more data than its window", async () => {
    await server.stop();
    server = await startEcho({ streamWindowBytes: 10_000 });
    client = await RawClient.connect(server.port);
    client.write(headers(1), encodeFrame(0, 0, 1, Buffer.alloc(10_001)), headers(3, 5));
    expect(await resetCode(1)).toBe(errorCode.flowControlError);
    await client.frame(({ type, streamId }) => type === 1 && streamId === 3);
    expect(server.seen.map(({ outcome }) => outcome)).toEqual(["cut", "ended"]);
  });

  test("calls beyond the bound are refused", async () => {
    await server.stop();
    server = await startEcho({ maxConcurrentStreams: 2 });
    client = await RawClient.connect(server.port);
    client.write(headers(1), headers(3), headers(5));
    expect(await resetCode(5)).toBe(errorCode.refusedStream);
    expect(server.seen).toHaveLength(2);
  });
});

describe("floods", () => {
  const many = (frame: Uint8Array, count: number) => Array.from({ length: count }, () => frame);
  test.each<[string, Uint8Array[]]>([
    [
      "opened and reset streams",
      Array.from({ length: 2000 }, (_, i) => [headers(2 * i + 1), reset(2 * i + 1)]).flat(),
    ],
    ["SETTINGS", many(encodeFrame(4, 0, 0), 2000)],
    ["empty DATA", [headers(1), ...many(encodeFrame(0, 0, 1), 2000)]],
    [
      "streams opened and broken",
      Array.from({ length: 2000 }, (_, i) => [
        headers(2 * i + 1),
        windowUpdate(2 * i + 1, 0),
        reset(2 * i + 1),
      ]).flat(),
    ],
    ["DATA to streams that the client has ended", [headers(1, 5), ...many(data(1, 10), 2000)]],
    ["PRIORITY", many(encodeFrame(2, 0, 1, Buffer.alloc(5)), 2000)],
    ["unknown frames", many(encodeFrame(77, 0, 0), 2000)],
    ["CONTINUATION", [headers(1, 0), ...many(encodeFrame(9, 0, 1), 100)]],
    [
      "a header block of 40 KB",
      [headers(1, 0), ...many(encodeFrame(9, 0, 1, Buffer.alloc(10_000)), 4)],
    ],
  ])("%s end the connection", async (_name, frames) => {
    client = await RawClient.connect(server.port);
    client.write(...frames);
    expect(await goawayCode()).toBe(errorCode.enhanceYourCalm);
    await client.closed();
  });

  test("a request that the client began before it saw GOAWAY harms no running one", async () => {
    client = await RawClient.connect(server.port);
    client.write(headers(1), ping(1));
    await pong(1);
    for (const connection of server.connections) connection.close();
    const begun = [headers(3), data(3, 10), windowUpdate(3, 10), headers(5), reset(5)];
    client.write(...begun, data(1, 10, 1));
    await client.closed();
    expect(client.frames.filter(({ type }) => type === 7)).toHaveLength(1);
    expect(server.seen.map(({ outcome }) => outcome)).toEqual(["ended"]);
    expect(client.frames.some(({ type, streamId }) => type === 0 && streamId === 1)).toBe(true);
  });

  describe("what was on its way to a stream that the server ended is no flood:", () => {
    test("the rest of requests that were answered early", async () => {
      server.opened = (stream) => stream.respond(encodeHeaders({ ":status": 200 }));
      client = await RawClient.connect(server.port);
      for (let round = 0; round < 20; round++) {
        const ids = Array.from({ length: 100 }, (_, i) => 2 * (round * 100 + i) + 1);
        client.write(
          ...ids.flatMap((id) => [headers(id), ...many(data(id, 100), 30), reset(id)]),
          ping(round),
        );
        await pong(round);
      }
      expect(client.frames.filter(({ type, payload }) => type === 3 && payload[3] !== 0)).toEqual(
        [],
      );
      expect(client.isClosed).toBe(false);
    });

    test.each<[string, Uint8Array[]]>([
      ["the end of the body", [data(3, 10, 1)]],
      ["trailers", [headers(3, 5, encodeHeaders({ "x-sum": "1" }))]],
    ])("the rest of a refused request, up to %s", async (_name, end) => {
      await server.stop();
      server = await startEcho({ maxConcurrentStreams: 1 });
      client = await RawClient.connect(server.port);
      client.write(headers(1), headers(3), ...many(data(3, 10), 2000), ...end, ping(1));
      await pong(1);
      expect(client.frames.filter(({ type }) => type === 3)).toHaveLength(1);
    });

    test("but no more than the stream's window", async () => {
      await server.stop();
      server = await startEcho({ maxConcurrentStreams: 1, streamWindowBytes: 1000 });
      client = await RawClient.connect(server.port);
      client.write(headers(1), headers(3), ...many(data(3, 10), 2000));
      expect(await goawayCode()).toBe(errorCode.enhanceYourCalm);
    });
  });

  test("resets that come slowly are no flood", async () => {
    await server.stop();
    const clock = new FakeClock();
    server = await startEcho({ clock });
    client = await RawClient.connect(server.port);
    for (let round = 0; round < 5; round++) {
      const ids = Array.from({ length: 900 }, (_, i) => 2 * (round * 900 + i) + 1);
      client.write(
        ...ids.flatMap((id) => [headers(id), reset(id)]),
        encodeFrame(6, 0, 0, Buffer.from([round, 0, 0, 0, 0, 0, 0, 0])),
      );
      await client.frame(({ type, payload }) => type === 6 && payload[0] === round);
      await clock.advance(10_000);
    }
    expect(client.isClosed).toBe(false);
  });

  test("answers that nobody reads end the connection", async () => {
    client = await RawClient.connect(server.port);
    client.pause();
    const pings = Buffer.concat(many(encodeFrame(6, 0, 0, Buffer.alloc(8)), 5000));
    while (server.connections.size > 0) {
      client.write(pings);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(server.connections.size).toBe(0);
  });
});
