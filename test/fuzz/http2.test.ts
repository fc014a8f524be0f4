/** The HTTP/2 server's side against random and mutated bytes: it may end the connection, never throw or hang. */

import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { systemClock } from "../../src/clock.ts";
import { ConnectionError, encodeFrame } from "../../src/net/http2/frame.ts";
import { encodeHeaders, HpackDecoder } from "../../src/net/http2/hpack.ts";
import { ServerConnection } from "../../src/net/http2/server-connection.ts";

const budget = { interruptAfterTimeLimit: process.env["NIGHTLY"] ? 600_000 : 2000, numRuns: 1e9 };

test("header blocks", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder();
      try {
        for (const block of blocks) {
          let bytes = 0;
          decoder.decode(block, (field) => {
            bytes += field.bytes;
          });
          // No field is larger than what was sent, or than the table it may repeat.
          expect(bytes).toBeLessThanOrEqual(block.length * 4096 + 4096);
        }
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
      }
    }),
    budget,
  );
});

/** A socket that swallows what is written. */
class FakeSocket extends Duplex {
  remoteAddress = "127.0.0.1";
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
  destroySoon(): void {
    this.destroy();
  }
}

const request = encodeHeaders({ ":method": "POST", ":scheme": "http", ":path": "/", a: "b" });
const session = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  encodeFrame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 9])),
  encodeFrame(1, 4, 1, request),
  encodeFrame(0, 0, 1, Buffer.alloc(300, "x")),
  encodeFrame(6, 0, 0, Buffer.alloc(8)),
  encodeFrame(0, 1, 1, Buffer.from("end")),
  encodeFrame(1, 0, 3, request.subarray(0, 9)),
  encodeFrame(9, 4, 3, request.subarray(9)),
  encodeFrame(8, 0, 1, Buffer.from([0, 0, 0, 100])),
  encodeFrame(3, 0, 3, Buffer.from([0, 0, 0, 8])),
  encodeFrame(7, 0, 0, Buffer.alloc(8)),
]);

const mutation = fc.record({ at: fc.nat(session.length - 1), to: fc.nat(255) });

test("connections", () => {
  fc.assert(
    fc.property(
      fc.array(mutation, { maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }),
      (mutations, cuts) => {
        const bytes = Buffer.from(session);
        for (const { at, to } of mutations) bytes[at] = to;
        let open = 0;
        let isClosed = false;
        const socket = new FakeSocket();
        const connection = new ServerConnection(
          socket as unknown as Socket,
          {
            clock: systemClock,
            maxConcurrentStreams: 10,
            maxHeaderListBytes: 16_384,
            streamWindowBytes: 65_535,
            connectionWindowBytes: 1 << 20,
          },
          {
            stream: (stream) => {
              open++;
              stream.user = {
                data: () => {},
                end: () => stream.reply(request, Buffer.alloc(50), request),
                closed: () => {
                  open--;
                },
              };
            },
            greeted: () => {},
            ping: () => {},
            closed: () => {
              isClosed = true;
            },
          },
        );
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          socket.emit("data", bytes.subarray(at, end));
          at = end;
        }
        connection.destroy();
        expect([open, isClosed]).toEqual([0, true]);
      },
    ),
    budget,
  );
});
