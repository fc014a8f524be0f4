/** One HTTP request on the server and its answer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import type { Budget } from "../component.ts";
import { TelemetryError } from "../errors.ts";
import type { HttpBodyWriter, HttpExchange, HttpServerSpec, Metadata } from "../transport.ts";
import { BodyBuffer } from "./body-buffer.ts";
import { decompressReserved } from "./compression.ts";
import { metadataOf } from "./metadata.ts";
import { budgetFull, Reservation } from "./reservation.ts";

export interface ExchangeEnvironment {
  readonly clock: Clock;
  readonly budget: Budget;
  readonly spec: HttpServerSpec;
}

export class HttpServerExchange implements HttpExchange {
  readonly path: string;
  readonly receivedMs: number;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #environment: ExchangeEnvironment;
  readonly #reservation: Reservation;
  #aborted: AbortController | undefined;
  /** The body is complete: the exchange is in the handler's hands. */
  isHandled = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    environment: ExchangeEnvironment,
  ) {
    this.#request = request;
    this.#response = response;
    this.#environment = environment;
    this.#reservation = new Reservation(environment.budget);
    this.receivedMs = environment.clock.monotonicMs();
    const url = request.url ?? "/";
    const query = url.indexOf("?");
    this.path = query < 0 ? url : url.slice(0, query);
    response.once("close", () => {
      this.#reservation.release();
      if (!response.writableFinished) this.#aborted?.abort(new Error("the client went away"));
    });
  }

  get method(): string {
    return this.#request.method ?? "GET";
  }
  get query(): URLSearchParams {
    return new URLSearchParams((this.#request.url ?? "").slice(this.path.length));
  }
  get headers(): Metadata {
    return metadataOf(this.#request.headers);
  }
  get peerAddress(): string {
    return this.#request.socket.remoteAddress ?? "";
  }
  get aborted(): AbortSignal {
    this.#aborted ??= new AbortController();
    if (this.#response.destroyed && !this.#response.writableFinished) this.#aborted.abort();
    return this.#aborted.signal;
  }

  async body(): Promise<Uint8Array> {
    const { maxBodyBytes, compressionAlgorithms } = this.#environment.spec;
    const coding = (this.#request.headers["content-encoding"] ?? "").toLowerCase();
    const named = coding === "identity" ? "" : coding;
    if (named !== "" && !compressionAlgorithms.includes(named)) {
      throw new TelemetryError("MALFORMED_DATA", `unsupported Content-Encoding: ${coding}`);
    }
    const raw = await this.#collect(maxBodyBytes);
    this.isHandled = true;
    if (named === "") return raw;
    return decompressReserved(named, raw, maxBodyBytes, this.#reservation);
  }

  releaseBody(): void {
    this.#reservation.release();
  }

  respond(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | string = "",
  ): void {
    const response = this.#response;
    if (response.headersSent || response.destroyed) return;
    this.#reservation.release();
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    response.writeHead(status, {
      ...headers,
      "content-length": String(length),
      ...this.#connectionHeader(),
    });
    response.end(this.method === "HEAD" ? undefined : body);
  }

  stream(status: number, headers: Readonly<Record<string, string>>): HttpBodyWriter {
    const response = this.#response;
    response.writeHead(status, { ...headers, ...this.#connectionHeader() });
    return {
      write: (chunk) => {
        if (response.destroyed)
          return Promise.reject(new TelemetryError("NOT_READY", "the client went away"));
        if (this.method === "HEAD" || response.write(chunk)) return done;
        return new Promise((resolve) => {
          const settle = () => {
            response.off("drain", settle);
            response.off("close", settle);
            resolve();
          };
          response.once("drain", settle);
          response.once("close", settle);
        });
      },
      end: () => void response.end(),
    };
  }

  /** A request that was not read to its end cannot be followed by another on the same connection. */
  #connectionHeader(): Record<string, string> {
    const keeps = this.#environment.spec.keepAlivesEnabled && this.#request.complete;
    return keeps ? {} : { connection: "close" };
  }

  #collect(maxBytes: number): Promise<Uint8Array> {
    const request = this.#request;
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced > maxBytes) return Promise.reject(tooLarge());
    return new Promise((resolve, reject) => {
      const buffer = new BodyBuffer(this.#reservation);
      const fail = (error: TelemetryError) => {
        request.off("data", take);
        buffer.clear();
        request.resume();
        reject(error);
      };
      const take = (chunk: Buffer) => {
        if (buffer.length + chunk.length > maxBytes) return fail(tooLarge());
        if (!buffer.add(chunk, announced)) fail(budgetFull());
      };
      request.on("data", take);
      request.once("end", () => resolve(buffer.take()));
      request.once("close", () => {
        if (!request.complete) fail(incomplete());
      });
    });
  }
}

const done: Promise<void> = Promise.resolve();
const tooLarge = () => new TelemetryError("TOO_LARGE", "http: request body too large");
const incomplete = () =>
  new TelemetryError("MALFORMED_DATA", "the request ended before its body was complete");
