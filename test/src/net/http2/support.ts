/** A server of ServerConnections that echoes bodies, and a raw client that writes frames by hand. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../../../../src/clock.ts";
import { systemClock } from "../../../../src/clock.ts";
import { encodeFrame, frameHeaderBytes, uint32At } from "../../../../src/net/http2/frame.ts";
import { encodeHeaders } from "../../../../src/net/http2/hpack.ts";
import { ServerConnection } from "../../../../src/net/http2/server-connection.ts";
import type { ServerStream } from "../../../../src/net/http2/server-stream.ts";

const head = encodeHeaders({ ":status": 200, "content-type": "application/grpc" });
const trailers = encodeHeaders({ "grpc-status": "0" });

export interface Seen {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  outcome: "open" | "ended" | "cut";
}

export interface EchoServer {
  readonly port: number;
  readonly seen: Seen[];
  readonly connections: Set<ServerConnection>;
  /** What a complete request is answered with; the body itself unless set. */
  answer: (stream: ServerStream, body: Buffer) => void;
  /** Sees a request as soon as its headers are there. */
  opened: (stream: ServerStream) => void;
  /** Resolves once no connection is left. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

export async function startEcho(
  options: { clock?: Clock; maxConcurrentStreams?: number; streamWindowBytes?: number } = {},
): Promise<EchoServer> {
  const seen: Seen[] = [];
  const connections = new Set<ServerConnection>();
  const onEmpty: (() => void)[] = [];
  const answer = (stream: ServerStream, body: Buffer) => stream.reply(head, body, trailers);
  const server: Server = createServer((socket) => {
    const connection = new ServerConnection(
      socket,
      {
        clock: options.clock ?? systemClock,
        maxConcurrentStreams: options.maxConcurrentStreams ?? 100,
        maxHeaderListBytes: 16_384,
        streamWindowBytes: options.streamWindowBytes ?? 1 << 20,
        connectionWindowBytes: 16 << 20,
      },
      {
        stream: (stream) => accept(stream),
        greeted: () => {},
        ping: () => {},
        closed: () => {
          connections.delete(connection);
          if (connections.size === 0) for (const resolve of onEmpty.splice(0)) resolve();
        },
      },
    );
    connections.add(connection);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const echo: EchoServer = {
    port: (server.address() as { port: number }).port,
    seen,
    connections,
    answer,
    opened: () => {},
    empty: () =>
      connections.size === 0 ? Promise.resolve() : new Promise((resolve) => onEmpty.push(resolve)),
    stop: async () => {
      for (const connection of connections) connection.destroy();
      server.close();
      await once(server, "close");
    },
  };
  function accept(stream: ServerStream): void {
    const chunks: Buffer[] = [];
    const index =
      seen.push({ headers: stream.headers, body: Buffer.alloc(0), outcome: "open" }) - 1;
    stream.user = {
      data: (chunk) => void chunks.push(Buffer.from(chunk)),
      end: () => {
        const body = Buffer.concat(chunks);
        seen[index] = { headers: stream.headers, body, outcome: "ended" };
        echo.answer(stream, body);
      },
      closed: () => {
        if (seen[index]!.outcome === "open") seen[index]!.outcome = "cut";
      },
    };
    echo.opened(stream);
  }
  return echo;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const requestBlock = encodeHeaders({
  ":method": "POST",
  ":scheme": "http",
  ":path": "/a/b",
  ":authority": "localhost",
});

export class RawClient {
  readonly frames: Frame[] = [];
  isClosed = false;
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** Connected, with preface and SETTINGS sent unless told otherwise. */
  static async connect(port: number, greet = true): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const client = new RawClient(socket);
    if (greet) client.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), encodeFrame(4, 0, 0));
    return client;
  }

  write(...pieces: Uint8Array[]): void {
    this.#socket.write(Buffer.concat(pieces));
  }

  pause(): void {
    this.#socket.pause();
  }

  /** The first frame that fits, now or later; rejects when the connection ends without it. */
  async frame(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found !== undefined) return found;
      if (this.isClosed) throw new Error("the connection ended without such a frame");
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      if (this.#bytes.length < frameHeaderBytes) break;
      const end = frameHeaderBytes + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) break;
      const payload = this.#bytes.subarray(frameHeaderBytes, end);
      const streamId = uint32At(this.#bytes, 5);
      this.frames.push({ type: this.#bytes[3]!, flags: this.#bytes[4]!, streamId, payload });
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
