/**
 * A unary gRPC client of one connection on a bare socket, as cheap as can be: messages are cut into DATA frames
 * before the run, headers are references to the table of the first call (as grpc-go's), windows are kept.
 *
 * Prepared message: DATA frames of at most 16 KiB, of which a call only sets the stream id.
 *
 *     | length 24 | type 0 | END_STREAM on the last | stream id | 16,384 bytes | length 24 | …
 */
import { connect, type Socket } from "node:net";
import {
  defaultMaxFrameBytes,
  defaultWindowBytes,
  encodeFrame,
  flag,
  frameHeaderBytes,
  frameType,
  setting,
  uint32At,
  writeFrameHeader,
  writeUint32,
} from "../src/net/http2/frame.ts";
import { HpackDecoder } from "../src/net/http2/hpack.ts";
import type { Client } from "./client.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const staticFieldCount = 61;

interface Call {
  readonly id: number;
  readonly frames: Buffer;
  at: number;
  window: number;
  status: string;
  readonly done: (ok: boolean) => void;
}

/** Where byte `position` of a gRPC message lies in its frames. */
export const framedPosition = (position: number): number =>
  position + frameHeaderBytes * (Math.floor(position / defaultMaxFrameBytes) + 1);

/** The frames of a gRPC message (prefix of 5 bytes included). */
export function prepareFrames(message: Buffer): Buffer {
  const count = Math.ceil(message.length / defaultMaxFrameBytes);
  const out = Buffer.alloc(message.length + count * frameHeaderBytes);
  for (let i = 0, at = 0; i < count; i++) {
    const from = i * defaultMaxFrameBytes;
    const length = Math.min(defaultMaxFrameBytes, message.length - from);
    const flags = i === count - 1 ? flag.endStream : 0;
    at = writeFrameHeader(out, at, { length, type: frameType.data, flags, streamId: 0 });
    at += message.copy(out, at, from, from + length);
  }
  return out;
}

export class GrpcClient implements Client {
  readonly #socket: Socket;
  readonly #headers: readonly (readonly [string, string])[];
  readonly #laterBlock: Buffer;
  readonly #hpack = new HpackDecoder();
  readonly #calls = new Map<number, Call>();
  #carry: Buffer = Buffer.alloc(0);
  #nextId = 1;
  #sendWindow = defaultWindowBytes;
  #peerStreamWindow = defaultWindowBytes;
  /** Received DATA for which the window was not opened again. */
  #owed = 0;

  constructor(port: number, path: string, gzip: boolean) {
    this.#headers = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", path],
      [":authority", `127.0.0.1:${port}`],
      ["content-type", "application/grpc"],
      ["user-agent", "bench"],
      ["te", "trailers"],
      ...(gzip ? [["grpc-encoding", "gzip"] as const] : []),
    ];
    const count = this.#headers.length;
    this.#laterBlock = Buffer.from(
      this.#headers.map((_, i) => 0x80 | (staticFieldCount + count - i)),
    );
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.write(preface);
    this.#socket.write(encodeFrame(frameType.settings, 0, 0));
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("error", () => this.close());
    this.#socket.on("close", () => this.#failAll());
  }

  /** Resolves to whether the answer was OK. The frames must not change before. */
  send(frames: Buffer): Promise<boolean> {
    const id = this.#nextId;
    this.#nextId += 2;
    for (let at = 0; at < frames.length; at += frameHeaderBytes + defaultMaxFrameBytes) {
      writeUint32(frames, at + 5, id);
    }
    return new Promise((done) => {
      if (this.#socket.destroyed) return done(false);
      const window = this.#peerStreamWindow;
      this.#calls.set(id, { id, frames, at: 0, window, status: "", done });
      const block = id === 1 ? firstBlock(this.#headers) : this.#laterBlock;
      this.#socket.cork();
      this.#socket.write(encodeFrame(frameType.headers, flag.endHeaders, id, block));
      this.#pump();
      this.#socket.uncork();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Writes what the windows let through, whole frames only. */
  #pump(): void {
    for (const call of this.#calls.values()) {
      const { frames } = call;
      if (call.at === frames.length) continue;
      const room = Math.min(this.#sendWindow, call.window);
      let end = call.at;
      let taken = 0;
      while (end < frames.length) {
        const bytes = Math.min(defaultMaxFrameBytes, frames.length - end - frameHeaderBytes);
        if (taken + bytes > room) break;
        taken += bytes;
        end += frameHeaderBytes + bytes;
      }
      if (taken === 0) continue;
      this.#socket.write(frames.subarray(call.at, end));
      call.at = end;
      call.window -= taken;
      this.#sendWindow -= taken;
    }
  }

  #read(chunk: Buffer): void {
    const bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    let at = 0;
    while (at + frameHeaderBytes <= bytes.length) {
      const end = at + frameHeaderBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const streamId = uint32At(bytes, at + 5);
      this.#frame(bytes[at + 3]!, bytes[at + 4]!, streamId, bytes.subarray(at + 9, end));
      at = end;
    }
    this.#carry = bytes.subarray(at);
    this.#pump();
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    const call = this.#calls.get(streamId);
    if (type === frameType.headers) this.#onHeaders(call, flags, payload);
    else if (type === frameType.data) this.#onData(payload);
    else if (type === frameType.windowUpdate) {
      if (streamId === 0) this.#sendWindow += uint32At(payload, 0);
      else if (call !== undefined) call.window += uint32At(payload, 0);
    } else if (type === frameType.settings) this.#onSettings(flags, payload);
    else if (type === frameType.ping && (flags & flag.ack) === 0) {
      this.#socket.write(encodeFrame(frameType.ping, flag.ack, 0, payload));
    } else if (type === frameType.rstStream) this.#end(call);
    else if (type === frameType.goaway) this.close();
  }

  #onHeaders(call: Call | undefined, flags: number, block: Buffer): void {
    if ((flags & (flag.padded | flag.priority)) !== 0) throw new Error("padded HEADERS");
    this.#hpack.decode(block, ({ name, value }) => {
      if (name === "grpc-status" && call !== undefined) call.status = value;
    });
    if ((flags & flag.endStream) !== 0) this.#end(call);
  }

  #onData(payload: Buffer): void {
    this.#owed += payload.length;
    if (this.#owed * 2 < defaultWindowBytes) return;
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(this.#owed);
    this.#socket.write(encodeFrame(frameType.windowUpdate, 0, 0, increment));
    this.#owed = 0;
  }

  #onSettings(flags: number, payload: Buffer): void {
    if ((flags & flag.ack) !== 0) return;
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== setting.initialWindowSize) continue;
      const window = uint32At(payload, at + 2);
      for (const call of this.#calls.values()) call.window += window - this.#peerStreamWindow;
      this.#peerStreamWindow = window;
    }
    this.#socket.write(encodeFrame(frameType.settings, flag.ack, 0));
  }

  #end(call: Call | undefined): void {
    if (call === undefined) return;
    this.#calls.delete(call.id);
    call.done(call.status === "0");
  }

  #failAll(): void {
    for (const call of this.#calls.values()) {
      call.status = "";
      this.#end(call);
    }
  }
}

/** Literals that the other side adds to its table, in order: the later block refers to them. */
function firstBlock(headers: readonly (readonly [string, string])[]): Buffer {
  const pieces = headers.flatMap(([name, value]) => [
    Buffer.from([0x40]),
    shortString(name),
    shortString(value),
  ]);
  return Buffer.concat(pieces);
}

function shortString(text: string): Buffer {
  if (text.length >= 127) throw new Error(`header of ${text.length} bytes`);
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, "latin1")]);
}
