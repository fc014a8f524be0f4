/**
 * Cuts a connection's bytes into frames. Frames that lie whole within a read are handed on as views of it; one
 * that straddles two reads is copied together (at most one a read, of at most 16 KiB).
 */
import {
  ConnectionError,
  defaultMaxFrameBytes,
  errorCode,
  frameHeaderBytes,
  uint32At,
} from "./frame.ts";

export interface FrameSink {
  /** The payload is valid until the call returns. Throws ConnectionError. */
  frame(type: number, flags: number, streamId: number, payload: Buffer): void;
}

const empty = Buffer.alloc(0);
const maxCarryBytes = frameHeaderBytes + defaultMaxFrameBytes;
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export class FrameReader {
  readonly #sink: FrameSink;
  /** Bytes of the client's preface that were seen. */
  #prefaceBytes = 0;
  /** The beginning of a frame whose rest has not come. */
  #carry: Buffer = empty;
  #carried = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Throws ConnectionError; the reader must not be used afterwards. */
  push(chunk: Buffer): void {
    let at = this.#prefaceBytes < preface.length ? this.#readPreface(chunk) : 0;
    if (this.#carried > 0) at = this.#completeCarried(chunk, at);
    while (at + frameHeaderBytes <= chunk.length) {
      const end = at + frameHeaderBytes + payloadLength(chunk, at);
      if (end > chunk.length) break;
      this.#emit(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#fill(chunk, at, this.#carried + chunk.length - at);
  }

  #readPreface(chunk: Buffer): number {
    let at = 0;
    while (this.#prefaceBytes < preface.length && at < chunk.length) {
      if (chunk[at++] !== preface[this.#prefaceBytes++]) {
        throw new ConnectionError(errorCode.protocolError, "invalid connection preface");
      }
    }
    return at;
  }

  /** Takes what completes the carried frame; returns the position behind it. */
  #completeCarried(chunk: Buffer, from: number): number {
    let at = this.#fill(chunk, from, frameHeaderBytes);
    if (this.#carried < frameHeaderBytes) return at;
    const carry = this.#carry;
    const end = frameHeaderBytes + payloadLength(carry, 0);
    at = this.#fill(chunk, at, end);
    if (this.#carried < end) return at;
    this.#carried = 0;
    this.#emit(carry, 0, end);
    return at;
  }

  /** Copies from the chunk until `wanted` bytes are carried; returns the position behind what was taken. */
  #fill(chunk: Buffer, from: number, wanted: number): number {
    const missing = Math.min(wanted - this.#carried, chunk.length - from);
    if (missing <= 0) return from;
    // Idle connections have none.
    if (this.#carry.length === 0) this.#carry = Buffer.allocUnsafeSlow(maxCarryBytes);
    this.#carry.set(chunk.subarray(from, from + missing), this.#carried);
    this.#carried += missing;
    return from + missing;
  }

  #emit(b: Buffer, at: number, end: number): void {
    const streamId = uint32At(b, at + 5) & 0x7fffffff;
    this.#sink.frame(b[at + 3]!, b[at + 4]!, streamId, b.subarray(at + frameHeaderBytes, end));
  }
}

function payloadLength(b: Uint8Array, at: number): number {
  const length = (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;
  if (length <= defaultMaxFrameBytes) return length;
  throw new ConnectionError(errorCode.frameSizeError, `frame of ${length} bytes`);
}
