/** Backends that fail in every way a real one does, on a port that stays the same. */
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createPayload } from "../../src/pdata/payload.ts";
import { startH2Backend } from "../support/h2-backend.ts";
import { bodiesOf } from "../support/payloads.ts";

/** What arrived and was answered with OK. */
export class Ledger {
  /** How often each record was taken. */
  readonly taken = new Map<string, number>();
  #wake: (() => void) | undefined;

  /** The body of one export request. */
  note(body: Uint8Array): void {
    for (const name of bodiesOf(createPayload("logs", [body], [1]))) {
      this.taken.set(name, (this.taken.get(name) ?? 0) + 1);
    }
    this.#wake?.();
  }

  /** Resolves when all of them were taken. */
  async holds(names: readonly string[]): Promise<void> {
    while (names.some((name) => !this.taken.has(name))) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  get duplicates(): string[] {
    return [...this.taken].filter(([, times]) => times > 1).map(([name]) => name);
  }
}

export interface Backend {
  close(): Promise<void>;
}

/** Failures that were seen, and a promise of a number of them. */
export class Strikes {
  #count = 0;
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  add(): void {
    this.#count++;
    for (const { count, resolve } of this.#waiting) if (this.#count >= count) resolve();
  }

  reached(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#count >= count) resolve();
      else this.#waiting.push({ count, resolve });
    });
  }
}

function listen(server: TcpServer | HttpServer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
}

/** Takes connections, reads so many bytes of each, and hangs up. */
export async function tcpReset(port: number, bytes: number, strikes: Strikes): Promise<Backend> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    let read = 0;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read < bytes || socket.destroyed) return;
      socket.resetAndDestroy();
      strikes.add();
    });
  });
  await listen(server, port);
  return {
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

type HttpScript = (
  body: Buffer,
  response: ServerResponse,
  index: number,
  request: IncomingMessage,
) => void;

/** A node:http server that hands whole requests to the script. */
export async function httpBackend(port: number, script: HttpScript): Promise<Backend> {
  let index = 0;
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("error", () => {});
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => script(Buffer.concat(chunks), response, index++, request));
  });
  await listen(server, port);
  return {
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

type H2Script = (body: Buffer, stream: ServerHttp2Stream, index: number) => void;

/** A node:http2 server that hands whole gRPC messages, uncompressed, to the script. */
export async function h2Backend(port: number, script: H2Script): Promise<Backend> {
  const server = await startH2Backend(
    (stream, index) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        // A client that gave up, or whose connection ended meanwhile, takes no answer.
        if (!stream.destroyed) script(Buffer.concat(chunks).subarray(5), stream, index);
      });
    },
    { port },
  );
  return { close: () => server.kill() };
}
