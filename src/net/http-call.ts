/** One HTTP request on the wire: from its start to the response that was read, or what went wrong. */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Clock, Timer } from "../clock.ts";
import { TelemetryError } from "../errors.ts";
import type { UnaryRequest } from "./unary-client.ts";

/** What is read of a response. */
export const maxResponseBytes = 64 * 1024;

export interface HttpFailure {
  readonly error: TelemetryError;
  /** The connection had served before and broke without an answer. */
  readonly reusedSocket: boolean;
}

/** A response whose body was read, or cut off at the limit. */
export class HttpResult {
  readonly message: IncomingMessage;
  readonly body: Uint8Array;
  readonly truncated: boolean;
  constructor(message: IncomingMessage, body: Uint8Array, truncated: boolean) {
    this.message = message;
    this.body = body;
    this.truncated = truncated;
  }
}

/** One request on the wire. */
export class HttpCall {
  readonly #request: ClientRequest;
  readonly #clock: Clock;
  readonly #options: UnaryRequest;
  #settle: ((result: HttpResult | HttpFailure) => void) | undefined;
  #timer: Timer | undefined;
  #answered = false;

  constructor(request: ClientRequest, clock: Clock, options: UnaryRequest) {
    this.#request = request;
    this.#clock = clock;
    this.#options = options;
  }

  run(parts: readonly Uint8Array[]): Promise<HttpResult | HttpFailure> {
    const { abort, timeoutMs } = this.#options;
    const request = this.#request;
    return new Promise((resolve) => {
      const onAbort = () => this.cancel(unavailable("context canceled"));
      this.#settle = (result) => {
        this.#settle = undefined;
        this.#timer?.cancel();
        abort.removeEventListener("abort", onAbort);
        resolve(result);
      };
      abort.addEventListener("abort", onAbort, { once: true });
      if (timeoutMs > 0) this.#timer = this.#clock.after(timeoutMs, () => this.#expire());
      request.on("response", (message) => this.#read(message));
      request.on("error", (error) => this.#fail(error));
      request.on("close", () => this.#closed());
      const last = parts.length - 1;
      for (let i = 0; i < last; i++) request.write(parts[i]);
      request.end(parts[last]);
    });
  }

  cancel(error: TelemetryError): void {
    this.#settle?.({ error, reusedSocket: false });
    this.#request.destroy();
  }

  #expire(): void {
    const message = `failed to make an HTTP request: ${this.#options.path}: context deadline exceeded`;
    this.cancel(new TelemetryError("TIMEOUT", message, { retryable: true }));
  }

  /** Errors are costly to make: only where there was no response. */
  #closed(): void {
    if (!this.#answered) this.#fail(new Error("connection closed without a response"));
  }

  #fail(error: Error): void {
    if (this.#answered) return;
    this.#settle?.({
      error: unavailable(`failed to make an HTTP request: ${error.message}`, error),
      reusedSocket: this.#request.reusedSocket && isReset(error),
    });
  }

  /** A status that was received stands, even where its body breaks off. */
  #read(message: IncomingMessage): void {
    this.#answered = true;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const done = (truncated: boolean) => {
      this.#settle?.(new HttpResult(message, Buffer.concat(chunks), truncated));
    };
    message.on("data", (chunk: Buffer) => {
      const room = maxResponseBytes - bytes;
      bytes += chunk.byteLength;
      chunks.push(chunk.byteLength > room ? chunk.subarray(0, Math.max(room, 0)) : chunk);
      if (bytes <= maxResponseBytes) return;
      done(true);
      this.#request.destroy();
    });
    message.on("end", () => {
      done(false);
      // The server answered before it had read the request: the rest is of no use to it.
      if (!this.#request.writableFinished) this.#request.destroy();
    });
    message.on("error", () => done(true));
    message.on("close", () => done(true));
  }
}

/** No answer: the data may be sent again. */
export function unavailable(message: string, cause?: unknown): TelemetryError {
  return new TelemetryError("BACKEND_UNAVAILABLE", message, { retryable: true, cause });
}

/** How the end of a connection that the server closed while it was idle shows. */
function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code === "ECONNRESET" || error.code === "EPIPE";
}
