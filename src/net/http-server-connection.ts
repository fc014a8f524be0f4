/** One connection of the HTTP server: what runs on it, whether it is stuck, and how it is refused. */
import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import { drainMs, type HttpServerExchange } from "./http-server-exchange.ts";
import type { RouteUse } from "./routes.ts";

export class HttpConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  /** Several when requests are pipelined. */
  readonly #running = new Map<HttpServerExchange, RouteUse | undefined>();
  #unsentBytes = 0;
  #unsentSinceMs = 0;
  /** What came last is no HTTP: nothing more is read. */
  isBroken = false;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  begin(exchange: HttpServerExchange, use: RouteUse | undefined): void {
    this.#running.set(exchange, use);
  }

  /** `isLast`: no further request is wanted on the connection. */
  end(exchange: HttpServerExchange, isLast: boolean): void {
    this.#running.delete(exchange);
    if ((isLast && this.#running.size === 0) || (this.isBroken && !this.isAnswering))
      this.#socket.destroySoon();
  }

  /** Ends the connection if nothing was ever sent on it. */
  endIfUnused(): void {
    if (this.#socket.bytesRead === 0) this.#socket.destroySoon();
  }

  serves(use: RouteUse): boolean {
    for (const other of this.#running.values()) if (other === use) return true;
    return false;
  }

  /** Whether a request that arrived whole waits for its answer. */
  get isAnswering(): boolean {
    for (const exchange of this.#running.keys()) if (exchange.isComplete) return true;
    return false;
  }

  /** How long the other side has taken nothing of what waits to be sent. */
  stalledMs(): number {
    const nowMs = this.#clock.monotonicMs();
    const unsentBytes = this.#socket.writableLength;
    if (unsentBytes === 0 || unsentBytes !== this.#unsentBytes) {
      this.#unsentBytes = unsentBytes;
      this.#unsentSinceMs = nowMs;
    }
    return nowMs - this.#unsentSinceMs;
  }

  /**
   * What came is no HTTP or came too slowly. Requests before it get their answers; the refusal is sent when
   * there is none, and what else arrives is read for a moment, for otherwise the refusal could be lost with it.
   */
  refuse(error: NodeJS.ErrnoException): void {
    const socket = this.#socket;
    if (this.isBroken) return;
    this.isBroken = true;
    if (this.isAnswering) return;
    const hasBegun = [...this.#running.keys()].some((exchange) => exchange.hasBegun);
    if (!socket.writable || hasBegun) {
      socket.destroy();
      return;
    }
    socket.end(refusalOf(error));
    const timer = this.#clock.after(drainMs, () => socket.destroy());
    socket.once("end", () => socket.destroy());
    socket.once("close", () => timer.cancel());
  }
}

function refusalOf(error: NodeJS.ErrnoException): string {
  const text = refusals[error.code ?? ""] ?? "400 Bad Request";
  return [
    `HTTP/1.1 ${text}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${text.length}`,
    "Connection: close",
    "",
    text,
  ].join("\r\n");
}

/** By the code of node:http; everything else is a bad request. */
const refusals: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};
