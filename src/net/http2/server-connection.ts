/**
 * The server's side of one HTTP/2 connection (RFC 9113), read and written by hand. With node:http2 a request of
 * 100 spans costs the whole service 179 µs, with this 103: fewer objects a call, fewer bytes allocated. Only what a gRPC server needs: no push, no priorities, no CONNECT.
 *
 * - What was received is credited at once: who takes a body bounds it by the message size and the memory budget.
 * - Everything that a reply consists of leaves in one write, behind the reads of the same turn of the loop.
 * - What costs the sender nothing is bounded: streams, header lists, frames without effect, unread answers.
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../clock.ts";
import {
  ConnectionError,
  defaultMaxFrameBytes,
  defaultWindowBytes,
  encodeFrame,
  encodeSettings,
  errorCode,
  flag,
  frameType,
  protocolError,
  setting,
  uint32At,
  unpadded,
} from "./frame.ts";
import { FrameOutput } from "./frame-output.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { type HeaderBlock, HeaderBlocks } from "./header-blocks.ts";
import { HpackDecoder } from "./hpack.ts";
import { HeaderCollector } from "./request-headers.ts";
import { ServerStream, type StreamOwner } from "./server-stream.ts";
import { StoppedStreams } from "./stopped-streams.ts";
import { StreamSender } from "./stream-sender.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListBytes: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
}

export interface ConnectionUser {
  /** A request's headers are complete; `stream.user` is to be set. */
  stream(stream: ServerStream): void;
  /** The client's first SETTINGS came. */
  greeted(): void;
  ping(): void;
  closed(): void;
}

/** Received bytes after which the connection's window is opened again. */
const creditBytes = 1 << 20;
/** How long a connection without calls has to hang up after GOAWAY. */
const hangUpMs = 1000;

export class ServerConnection implements FrameSink, StreamOwner {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #user: ConnectionUser;
  readonly #reader = new FrameReader(this);
  readonly #hpack = new HpackDecoder();
  readonly #blocks = new HeaderBlocks();
  readonly #output: FrameOutput;
  readonly #sender: StreamSender;
  readonly #streams = new Map<number, ServerStream>();
  readonly #pings: (() => void)[] = [];
  readonly #stopped = new StoppedStreams();
  readonly #resets: TokenBucket;
  readonly #idleFrames: TokenBucket;
  /** Of the streams that were taken: what GOAWAY names. */
  #lastStreamId = 0;
  /** Of those that the client opened. */
  #highestStreamId = 0;
  #receiveWindow: number;
  #hangUpTimer: Timer | undefined;
  /** When nothing waited to be read by the client. */
  #lastIdleMs: number;
  #isGreeted = false;
  #isLeaving = false;
  #isOver = false;

  constructor(socket: Socket, options: ConnectionOptions, user: ConnectionUser) {
    this.#socket = socket;
    this.#options = options;
    this.#user = user;
    this.#receiveWindow = options.connectionWindowBytes;
    const nowMs = options.clock.monotonicMs();
    this.#lastIdleMs = nowMs;
    // As node:http2: a client may cancel a thousand calls at once, then a hundred a second.
    this.#resets = new TokenBucket(1000, 100, nowMs);
    this.#idleFrames = new TokenBucket(256, 100, nowMs);
    this.#output = new FrameOutput(socket);
    this.#sender = new StreamSender(this.#output);
    this.#greet();
    // A broken connection; the close that follows does the work.
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#sender.resume());
    socket.on("end", () => this.destroy());
    socket.on("close", () => this.#closed());
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  /** Whether the client has read nothing of what waits for it for so long; to be asked now and then. */
  isUnreadFor(ms: number): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#output.isWaiting) this.#lastIdleMs = nowMs;
    return nowMs - this.#lastIdleMs >= ms;
  }

  /** Calls back when the client answers. */
  ping(onAnswer: () => void): void {
    if (this.#isOver) return;
    this.#pings.push(onAnswer);
    this.#output.append(encodeFrame(frameType.ping, 0, 0, new Uint8Array(8)));
  }

  /** GOAWAY: no new calls; ends when the running ones have. */
  close(): void {
    if (this.#isLeaving || this.#isOver) return;
    this.#isLeaving = true;
    this.#output.goaway(this.#lastStreamId, errorCode.noError, "");
    if (this.#streams.size === 0) this.#hangUp();
  }

  /** GOAWAY with a reason, and the end of all calls. */
  fail(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#output.goaway(this.#lastStreamId, code, reason);
    this.#output.flush();
    this.#socket.destroySoon();
    this.#closed();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  // What streams ask for.

  sendHeaders(stream: ServerStream, block: Uint8Array, endStream: boolean): void {
    this.#sender.headers(stream, block, endStream);
  }

  sendBody(stream: ServerStream): void {
    this.#sender.body(stream);
  }

  sendReset(stream: ServerStream, code: number): void {
    if (!stream.isRemoteEnded) this.#stopped.add(stream.id, stream.receiveWindow);
    this.#output.reset(stream.id, code);
  }

  removed(stream: ServerStream): void {
    this.#streams.delete(stream.id);
    this.#sender.forget(stream);
    if (this.#isLeaving && this.#streams.size === 0) this.#hangUp();
  }

  // What the client sends.

  frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (this.#isOver) return;
    if (!this.#isGreeted && type !== frameType.settings) {
      throw protocolError("the first frame is not SETTINGS");
    }
    const open = this.#blocks.openStreamId;
    if (open !== undefined && (type !== frameType.continuation || streamId !== open)) {
      throw protocolError("a header block is interrupted");
    }
    switch (type) {
      case frameType.data:
        return this.#onData(flags, streamId, payload);
      case frameType.headers:
        return this.#onBlock(this.#blocks.begin(flags, streamId, payload));
      case frameType.continuation:
        return this.#onBlock(this.#blocks.continue(flags, payload));
      case frameType.windowUpdate:
        return this.#onWindowUpdate(streamId, payload);
      case frameType.ping:
        return this.#onPing(flags, streamId, payload);
      case frameType.settings:
        return this.#onSettings(flags, streamId, payload);
      case frameType.rstStream:
        return this.#onReset(streamId, payload);
      case frameType.priority:
        return this.#onPriority(streamId, payload);
      case frameType.goaway:
        return this.#onGoaway(streamId);
      case frameType.pushPromise:
        throw protocolError("PUSH_PROMISE from a client");
      default:
        // Unknown types are to be ignored.
        this.#countIdleFrame();
    }
  }

  #greet(): void {
    const { maxConcurrentStreams, maxHeaderListBytes, streamWindowBytes } = this.#options;
    this.#output.append(
      encodeSettings([
        [setting.maxConcurrentStreams, maxConcurrentStreams],
        [setting.initialWindowSize, streamWindowBytes],
        [setting.maxHeaderListSize, maxHeaderListBytes],
      ]),
    );
    this.#output.windowUpdate(0, this.#options.connectionWindowBytes - defaultWindowBytes);
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#reader.push(chunk);
      giveBack(chunk);
    } catch (error) {
      if (error instanceof ConnectionError) return this.fail(error.code, error.message);
      throw error;
    }
    if (this.#output.isUnread) this.destroy();
  }

  #onData(flags: number, streamId: number, payload: Buffer): void {
    if (streamId === 0) throw protocolError("DATA on stream 0");
    const body = unpadded(flags, payload);
    this.#creditConnection(payload.length);
    const stream = this.#streams.get(streamId);
    const ends = (flags & flag.endStream) !== 0;
    if (stream === undefined || stream.isRemoteEnded) {
      return this.#onLateData(streamId, payload.length, ends);
    }
    if (payload.length > stream.receiveWindow) {
      return this.#fault(stream, errorCode.flowControlError);
    }
    if (body.length === 0 && !ends) this.#countIdleFrame();
    if (!ends) this.#creditStream(stream, payload.length);
    if (stream.expectedBytes !== undefined) stream.expectedBytes -= body.length;
    if (body.length > 0) stream.user?.data(body);
    if (ends) this.#endRemote(stream);
  }

  /** On its way when the stream ended here, or sent to one that the client had ended or that never was. */
  #onLateData(streamId: number, bytes: number, ends: boolean): void {
    if (streamId > this.#highestStreamId) throw protocolError("DATA on an idle stream");
    if (this.#stopped.take(streamId, bytes, ends)) return;
    this.#countReset();
    this.#output.reset(streamId, errorCode.streamClosed);
  }

  #endRemote(stream: ServerStream): void {
    stream.isRemoteEnded = true;
    if (stream.expectedBytes !== undefined && stream.expectedBytes !== 0) {
      return this.#fault(stream, errorCode.protocolError);
    }
    stream.user?.end();
  }

  #creditConnection(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCode.flowControlError, "more data than the window allows");
    }
    const owed = this.#options.connectionWindowBytes - this.#receiveWindow;
    if (owed < creditBytes) return;
    this.#receiveWindow += owed;
    this.#output.windowUpdate(0, owed);
  }

  #creditStream(stream: ServerStream, bytes: number): void {
    stream.receiveWindow -= bytes;
    const window = this.#options.streamWindowBytes;
    if (stream.receiveWindow * 2 > window) return;
    this.#output.windowUpdate(stream.id, window - stream.receiveWindow);
    stream.receiveWindow = window;
  }

  #onBlock(block: HeaderBlock | undefined): void {
    if (block === undefined) return;
    const { streamId, endStream } = block;
    const collector = new HeaderCollector(this.#options.maxHeaderListBytes);
    this.#hpack.decode(block.bytes, collector.add);
    const known = this.#streams.get(streamId);
    if (known !== undefined) return this.#onTrailers(known, endStream, collector);
    if (streamId <= this.#highestStreamId) {
      if (endStream && this.#stopped.end(streamId)) return;
      throw new ConnectionError(errorCode.streamClosed, "HEADERS on a closed stream");
    }
    this.#highestStreamId = streamId;
    // Opened before the client saw GOAWAY: not processed, it knows from its last stream id.
    if (this.#isLeaving) {
      if (!endStream) this.#stopped.add(streamId, this.#options.streamWindowBytes);
      return;
    }
    this.#lastStreamId = streamId;
    if (this.#streams.size >= this.#options.maxConcurrentStreams) {
      return this.#refuse(streamId, endStream, errorCode.refusedStream);
    }
    if (collector.isTooLarge) {
      return this.#refuse(streamId, endStream, errorCode.enhanceYourCalm);
    }
    if (!collector.isRequest()) return this.#refuse(streamId, endStream, errorCode.protocolError);
    this.#open(streamId, endStream, collector);
  }

  #refuse(streamId: number, endStream: boolean, code: number): void {
    this.#countReset();
    if (!endStream) this.#stopped.add(streamId, this.#options.streamWindowBytes);
    this.#output.reset(streamId, code);
  }

  #open(streamId: number, endStream: boolean, { headers }: HeaderCollector): void {
    const stream = new ServerStream(streamId, headers, this, {
      send: this.#sender.streamWindowBytes,
      receive: this.#options.streamWindowBytes,
    });
    this.#streams.set(streamId, stream);
    if (endStream) stream.isRemoteEnded = true;
    this.#user.stream(stream);
    if (endStream && !stream.isClosed) this.#endRemote(stream);
  }

  #onTrailers(stream: ServerStream, endStream: boolean, collector: HeaderCollector): void {
    if (stream.isRemoteEnded) return this.#fault(stream, errorCode.streamClosed);
    if (!endStream || !collector.isTrailers()) return this.#fault(stream, errorCode.protocolError);
    this.#endRemote(stream);
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    expectLength(payload, 4, "WINDOW_UPDATE");
    const increment = uint32At(payload, 0) & 0x7fffffff;
    if (streamId === 0) {
      if (increment === 0) throw protocolError("WINDOW_UPDATE of 0");
      return this.#sender.widen(increment);
    }
    if (streamId > this.#highestStreamId) throw protocolError("WINDOW_UPDATE on an idle stream");
    const stream = this.#streams.get(streamId);
    // Answered meanwhile; the update was on its way.
    if (stream === undefined) return;
    if (increment === 0) return this.#fault(stream, errorCode.protocolError);
    if (!this.#sender.widenStream(stream, increment)) {
      this.#fault(stream, errorCode.flowControlError);
    }
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError("PING on a stream");
    expectLength(payload, 8, "PING");
    if ((flags & flag.ack) !== 0) return this.#pings.shift()?.();
    this.#output.append(encodeFrame(frameType.ping, flag.ack, 0, payload));
    this.#user.ping();
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw protocolError("SETTINGS on a stream");
    if ((flags & flag.ack) !== 0) return expectLength(payload, 0, "SETTINGS ACK");
    if (payload.length % 6 !== 0) throw new ConnectionError(errorCode.frameSizeError, "SETTINGS");
    if (this.#isGreeted) this.#countIdleFrame();
    for (let at = 0; at < payload.length; at += 6) {
      this.#onSetting((payload[at]! << 8) | payload[at + 1]!, uint32At(payload, at + 2));
    }
    this.#output.append(encodeFrame(frameType.settings, flag.ack, 0));
    this.#sender.resume();
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    this.#user.greeted();
  }

  #onSetting(id: number, value: number): void {
    switch (id) {
      case setting.headerTableSize:
        return this.#output.limitTable(value);
      case setting.enablePush:
        if (value > 1) throw protocolError(`SETTINGS_ENABLE_PUSH ${value}`);
        return;
      case setting.initialWindowSize:
        return this.#sender.resizeStreams(this.#streams.values(), value);
      case setting.maxFrameSize:
        if (value < defaultMaxFrameBytes || value >= 2 ** 24) {
          throw protocolError(`SETTINGS_MAX_FRAME_SIZE ${value}`);
        }
        this.#sender.maxFrameBytes = value;
        return;
      default:
      // The rest bounds what this side never does, or is unknown and to be ignored.
    }
  }

  #onReset(streamId: number, payload: Buffer): void {
    expectLength(payload, 4, "RST_STREAM");
    if (streamId === 0 || streamId > this.#highestStreamId) {
      throw protocolError("RST_STREAM on an idle stream");
    }
    // A client that leaves a stream answered already costs nothing.
    if (!this.#stopped.end(streamId)) this.#countReset();
    this.#streams.get(streamId)?.close();
  }

  #onPriority(streamId: number, payload: Buffer): void {
    if (streamId === 0) throw protocolError("PRIORITY on stream 0");
    this.#countIdleFrame();
    if (payload.length !== 5) {
      return this.#resetWith(streamId, errorCode.frameSizeError);
    }
    if ((uint32At(payload, 0) & 0x7fffffff) === streamId) {
      this.#resetWith(streamId, errorCode.protocolError);
    }
  }

  #onGoaway(streamId: number): void {
    if (streamId !== 0) throw protocolError("GOAWAY on a stream");
    // The client opens no more streams, and hangs up when the running ones are answered.
    this.close();
  }

  /** A stream that ends by a fault of the client costs what one that it resets costs (CVE-2025-8671). */
  #fault(stream: ServerStream, code: number): void {
    this.#countReset();
    stream.reset(code);
  }

  #resetWith(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#output.reset(streamId, code);
    else this.#fault(stream, code);
  }

  /** Streams that a client opens only to have them end: a flood (CVE-2023-44487 and its kin). */
  #countReset(): void {
    if (this.#resets.take(this.#options.clock.monotonicMs())) return;
    throw new ConnectionError(errorCode.enhanceYourCalm, "too many reset streams");
  }

  #countIdleFrame(): void {
    if (this.#idleFrames.take(this.#options.clock.monotonicMs())) return;
    throw new ConnectionError(errorCode.enhanceYourCalm, "too many frames without effect");
  }

  #hangUp(): void {
    if (this.#isOver) return;
    this.#output.flush();
    this.#socket.end();
    this.#hangUpTimer ??= this.#options.clock.after(hangUpMs, () => this.destroy());
  }

  #closed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#hangUpTimer?.cancel();
    this.#output.stop();
    for (const stream of this.#streams.values()) stream.close();
    this.#user.closed();
  }
}

function expectLength(payload: Uint8Array, bytes: number, what: string): void {
  if (payload.length === bytes) return;
  throw new ConnectionError(errorCode.frameSizeError, `${what} of ${payload.length} bytes`);
}

/**
 * Frees what a read came in: all of it has been copied. V8 collects by the bytes outside its heap that are not known to
 * be free, and reads are a third of them.
 */
function giveBack({ buffer, length }: Buffer): void {
  if (length === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
