/** What a connection sends: frames gathered in one buffer and written once, when the turn's reads are done. */
import type { Socket } from "node:net";
import {
  encodeFrame,
  flag,
  frameHeaderBytes,
  frameType,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";

/** Answers that nobody reads; beyond, the connection is cut. */
const maxUnreadBytes = 1 << 20;
/** From here on bodies wait until the client has read. */
const fullBytes = 1 << 18;
const firstBytes = 2048;
/** HPACK's dynamic table size update to 0. */
const tableSizeZero = Uint8Array.of(0x20);
const defaultTableBytes = 4096;

export class FrameOutput {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.allocUnsafe(firstBytes);
  #length = 0;
  #flushing: NodeJS.Immediate | undefined;
  #mustShrinkTable = false;
  #isStopped = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isUnread(): boolean {
    return this.#socket.writableLength + this.#length > maxUnreadBytes;
  }

  get isFull(): boolean {
    return this.#socket.writableLength + this.#length > fullBytes;
  }

  /** Something is on its way to the client. */
  get isWaiting(): boolean {
    return this.#socket.writableLength + this.#length > 0;
  }

  append(frame: Uint8Array): void {
    const at = this.#room(frame.length);
    this.#bytes.set(frame, at);
  }

  data(streamId: number, body: Uint8Array): void {
    const at = this.#room(frameHeaderBytes + body.length);
    this.#header(at, body.length, frameType.data, 0, streamId);
    this.#bytes.set(body, at + frameHeaderBytes);
  }

  windowUpdate(streamId: number, bytes: number): void {
    const at = this.#room(frameHeaderBytes + 4);
    this.#header(at, 4, frameType.windowUpdate, 0, streamId);
    writeUint32(this.#bytes, at + frameHeaderBytes, bytes);
  }

  reset(streamId: number, code: number): void {
    const at = this.#room(frameHeaderBytes + 4);
    this.#header(at, 4, frameType.rstStream, 0, streamId);
    writeUint32(this.#bytes, at + frameHeaderBytes, code);
  }

  goaway(lastStreamId: number, code: number, reason: string): void {
    const text = Buffer.from(reason, "latin1");
    const payload = new Uint8Array(8 + text.length);
    writeUint32(payload, 0, lastStreamId);
    writeUint32(payload, 4, code);
    payload.set(text, 8);
    this.append(encodeFrame(frameType.goaway, 0, 0, payload));
  }

  headers(streamId: number, block: Uint8Array, endStream: boolean, maxFrameBytes: number): void {
    const whole = this.#mustShrinkTable ? Buffer.concat([tableSizeZero, block]) : block;
    this.#mustShrinkTable = false;
    let type: number = frameType.headers;
    let flags = endStream ? flag.endStream : 0;
    for (let from = 0; ; from += maxFrameBytes) {
      const piece = whole.subarray(from, from + maxFrameBytes);
      if (from + piece.length === whole.length) flags |= flag.endHeaders;
      const at = this.#room(frameHeaderBytes + piece.length);
      this.#header(at, piece.length, type, flags, streamId);
      this.#bytes.set(piece, at + frameHeaderBytes);
      if ((flags & flag.endHeaders) !== 0) return;
      type = frameType.continuation;
      flags = 0;
    }
  }

  /** A client that takes a smaller table must be told in the next block that it is (RFC 7541 section 4.2). */
  limitTable(bytes: number): void {
    if (bytes < defaultTableBytes) this.#mustShrinkTable = true;
  }

  flush(): void {
    if (this.#flushing !== undefined) clearImmediate(this.#flushing);
    this.#flushing = undefined;
    if (this.#length === 0 || this.#isStopped) return;
    this.#socket.write(this.#bytes.subarray(0, this.#length));
    // The socket keeps what it was given.
    this.#bytes = Buffer.allocUnsafe(firstBytes);
    this.#length = 0;
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#flushing !== undefined) clearImmediate(this.#flushing);
    this.#flushing = undefined;
  }

  #header(at: number, length: number, type: number, flags: number, streamId: number): void {
    writeFrameHeader(this.#bytes, at, { length, type, flags, streamId });
  }

  /** Makes room for so many bytes; returns where they go. */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length = at + bytes;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    // Behind the reads of this turn: their answers leave together.
    this.#flushing ??= setImmediate(() => this.flush());
    return at;
  }
}
