import {
  ConnectionError,
  defaultMaxFrameBytes,
  defaultWindowBytes,
  errorCode,
  maxWindowBytes,
} from "./frame.ts";
import type { FrameOutput } from "./frame-output.ts";
import type { ServerStream } from "./server-stream.ts";

/** What the streams of a connection send, within the windows that the client opens (RFC 9113, 5.2). */
export class StreamSender {
  maxFrameBytes = defaultMaxFrameBytes;
  readonly #output: FrameOutput;
  /** Streams with a body that waits for room in a window or in the socket. */
  readonly #blocked = new Set<ServerStream>();
  #connectionWindow = defaultWindowBytes;
  #streamWindowBytes = defaultWindowBytes;

  constructor(output: FrameOutput) {
    this.#output = output;
  }

  /** Of a stream that the client opens. */
  get streamWindowBytes(): number {
    return this.#streamWindowBytes;
  }

  headers({ id }: ServerStream, block: Uint8Array, endStream: boolean): void {
    this.#output.headers(id, block, endStream, this.maxFrameBytes);
  }

  /** As much of the stream's body as there is room for; after its end the trailers. */
  body(stream: ServerStream): void {
    const body = stream.pending;
    if (body === undefined) return;
    const { bytes, trailers } = body;
    while (body.at < bytes.length) {
      const room = Math.min(this.#connectionWindow, stream.sendWindow, this.maxFrameBytes);
      if (room <= 0 || this.#output.isFull) return void this.#blocked.add(stream);
      const chunk = bytes.subarray(body.at, body.at + room);
      this.#output.data(stream.id, chunk);
      body.at += chunk.length;
      this.#connectionWindow -= chunk.length;
      stream.sendWindow -= chunk.length;
    }
    this.#blocked.delete(stream);
    this.#output.headers(stream.id, trailers, true, this.maxFrameBytes);
    stream.sent();
  }

  resume(): void {
    for (const stream of this.#blocked) this.body(stream);
  }

  forget(stream: ServerStream): void {
    this.#blocked.delete(stream);
  }

  widen(bytes: number): void {
    this.#connectionWindow += bytes;
    if (this.#connectionWindow > maxWindowBytes) throw windowOverflow();
    this.resume();
  }

  /** Returns whether the window is still a valid one. */
  widenStream(stream: ServerStream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > maxWindowBytes) return false;
    if (this.#blocked.has(stream)) this.body(stream);
    return true;
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE: for streams to come, and by the difference for those that are open. */
  resizeStreams(open: Iterable<ServerStream>, bytes: number): void {
    if (bytes > maxWindowBytes) throw windowOverflow();
    const change = bytes - this.#streamWindowBytes;
    this.#streamWindowBytes = bytes;
    for (const stream of open) {
      stream.sendWindow += change;
      if (stream.sendWindow > maxWindowBytes) throw windowOverflow();
    }
  }
}

const windowOverflow = () =>
  new ConnectionError(errorCode.flowControlError, "a window of more than 2^31-1 bytes");
