/** What becomes of the memory that a connection's bytes came in. */

import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "@jest/globals";
import { systemClock } from "../../../../src/clock.ts";
import { encodeSettings } from "../../../../src/net/http2/frame.ts";
import { ServerConnection } from "../../../../src/net/http2/server-connection.ts";

const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  encodeSettings([]),
]);

function receive(chunk: Buffer): void {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const connection = new ServerConnection(
    socket as Socket,
    {
      clock: systemClock,
      maxConcurrentStreams: 100,
      maxHeaderListBytes: 16_384,
      streamWindowBytes: 1 << 20,
      connectionWindowBytes: 16 << 20,
    },
    { stream: () => {}, greeted: () => {}, ping: () => {}, closed: () => {} },
  );
  socket.emit("data", chunk);
  connection.destroy();
}

test("a read's own buffer is given back as soon as it was worked off", () => {
  const chunk = Buffer.from(new ArrayBuffer(preface.length));
  preface.copy(chunk);
  receive(chunk);
  expect(chunk.length).toBe(0);
});

test("a buffer that holds more than the read is left alone", () => {
  const pool = Buffer.from(new ArrayBuffer(preface.length + 1));
  preface.copy(pool);
  receive(pool.subarray(0, preface.length));
  expect(pool.subarray(0, preface.length)).toEqual(preface);
});
