/** A server that answers by the path, well and badly; what has to happen at a certain moment the test does itself. */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** More than the buffers between two processes hold. */
export const bigBytes = 8 * 1024 * 1024;

const answers: Record<string, (response: ServerResponse, rest: string) => void> = {
  ok: (response) => response.end("ok"),
  status: (response, status) => response.writeHead(Number(status)).end("status"),
  redirect: (response) => response.writeHead(302, { location: "/ok" }).end(),
  big: (response) => response.end(Buffer.alloc(bigBytes)),
  hints: (response) => {
    response.writeEarlyHints({ link: "</a.css>; rel=preload" });
    response.writeProcessing();
    response.end("ok");
  },
  /** The head and a part of the body. */
  begin: (response) => response.writeHead(200, { "content-length": "100000" }).write("x"),
  hang: () => {},
};

export class OddServer {
  readonly #server;
  readonly #scheme: string;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();
  requests = 0;

  private constructor(tls: ServerOptions | undefined) {
    const answer: RequestListener = (request, response) => this.#answer(request, response);
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.#scheme = tls === undefined ? "http" : "https";
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    const takeOver = (status: string) => (_: IncomingMessage, socket: Socket) => {
      socket.on("error", () => {});
      socket.end(`HTTP/1.1 ${status}\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n`);
    };
    this.#server.on("upgrade", takeOver("101 Switching Protocols"));
    this.#server.on("connect", takeOver("200 OK"));
  }

  static async start(tls?: ServerOptions): Promise<OddServer> {
    const server = new OddServer(tls);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path = ""): string {
    return `${this.#scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Resolves when so many requests have come. */
  async took(count: number): Promise<void> {
    while (this.requests < count) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  resetConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  endConnections(): void {
    for (const socket of this.#sockets) socket.destroySoon();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const [, kind = "", rest = ""] = request.url!.split("/");
    answers[kind]!(response, rest);
    this.requests++;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** A port of 127.0.0.1 that refuses connections. */
export async function closedPort(): Promise<number> {
  const server = await OddServer.start();
  const { port } = server;
  await server.close();
  return port;
}

/** As `lookup` of a client: no name is known. */
export function lookupFailure(
  _host: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException, address: string) => void,
): void {
  done(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }), "");
}
