/**
 * An HTTP/2 client that obeys nobody: frames are written as they are given, those of the server are collected.
 *
 *     frame  = length 24 | type 8 | flags 8 | stream 32 | payload     (RFC 9113, 4.1)
 *     header = 0x00 | name length 7+ | name | value length 7+ | value   (RFC 7541, 6.2.2, no Huffman)
 */
import { connect, type Socket } from "node:net";

export const frameType = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const endStream = 1;
export const endHeaders = 4;
const ack = 1;

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function encodeFrame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** SETTINGS with the given pairs of identifier and value. */
export function settingsFrame(...pairs: (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return encodeFrame(frameType.settings, 0, 0, payload);
}

export function resetFrame(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return encodeFrame(frameType.reset, 0, stream, payload);
}

export const pingFrame = () => encodeFrame(frameType.ping, 0, 0, Buffer.alloc(8));

export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([0]),
    hpackString(name),
    hpackString(value),
  ]);
  return Buffer.concat(parts);
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

export function grpcHeaders(path: string, more: Readonly<Record<string, string>> = {}) {
  return {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "test",
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  };
}

/** HEADERS that open a stream. */
export function openFrame(stream: number, headers: Readonly<Record<string, string>>, end = false) {
  const flags = endHeaders | (end ? endStream : 0);
  return encodeFrame(frameType.headers, flags, stream, headerBlock(headers));
}

export class RawH2 {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  isClosed = false;
  /** Answers SETTINGS and PING of the server. */
  isPolite = true;
  #rest = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** Connects, without a word. */
  static connect(port: number): Promise<RawH2> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawH2(socket));
      });
    });
  }

  /** Connects and begins as HTTP/2 demands. */
  static async open(port: number, ...settings: (readonly [number, number])[]): Promise<RawH2> {
    const raw = await RawH2.connect(port);
    raw.send(preface, settingsFrame(...settings));
    await raw.until(() => raw.of(frameType.settings).length > 0 || raw.isClosed);
    if (raw.isClosed) throw new Error("the server closed the connection");
    return raw;
  }

  send(...frames: readonly Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  /** Resolves when the condition holds; it is asked after each frame and at the end of the connection. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  closed(): Promise<void> {
    return this.until(() => this.isClosed);
  }

  of(type: number, stream?: number): RawFrame[] {
    return this.frames.filter((f) => f.type === type && (stream ?? f.stream) === f.stream);
  }

  /** Error code and debug data of the first GOAWAY: clients go by it. */
  get goaway(): { code: number; data: string } | undefined {
    const payload = this.of(frameType.goaway)[0]?.payload;
    if (payload === undefined) return undefined;
    return { code: payload.readUInt32BE(4), data: payload.subarray(8).toString() };
  }

  destroy(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      const frame = {
        type: this.#rest[3]!,
        flags: this.#rest[4]!,
        stream: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(9, end)),
      };
      this.#rest = this.#rest.subarray(end);
      this.frames.push(frame);
      if (this.isPolite) this.#acknowledge(frame);
    }
    this.#wake();
  }

  #acknowledge({ type, flags, payload }: RawFrame): void {
    if ((flags & ack) !== 0) return;
    if (type === frameType.settings) this.send(encodeFrame(frameType.settings, ack, 0));
    if (type === frameType.ping) this.send(encodeFrame(frameType.ping, ack, 0, payload));
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }
}
