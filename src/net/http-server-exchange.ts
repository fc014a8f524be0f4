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

/** How long the rest of a request that is refused is read. */
export const drainMs = 1000;

export interface ExchangeEnvironment {
  readonly clock: Clock;
  readonly budget: Budget;
  readonly spec: HttpServerSpec;
  /** Whether another request may follow on the connection. */
  readonly keepsConnection: () => boolean;
}

export class HttpServerExchange implements HttpExchange {
  readonly path: string;
  readonly receivedMs: number;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #environment: ExchangeEnvironment;
  readonly #reservation: Reservation;
  readonly #query: string;
  #headers: Metadata | undefined;
  #aborted: AbortController | undefined;

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
    const url = originForm(request.url ?? "/");
    const query = url.indexOf("?");
    this.path = decodePath(query < 0 ? url : url.slice(0, query));
    this.#query = query < 0 ? "" : url.slice(query);
    response.once("close", () => {
      this.#reservation.release();
      if (!response.writableFinished) this.#aborted?.abort(new Error("the client went away"));
    });
  }

  get method(): string {
    return this.#request.method ?? "GET";
  }
  get query(): URLSearchParams {
    return new URLSearchParams(this.#query);
  }
  get headers(): Metadata {
    this.#headers ??= metadataOf(this.#request.headersDistinct);
    return this.#headers;
  }
  get peerAddress(): string {
    return this.#request.socket.remoteAddress ?? "";
  }
  get aborted(): AbortSignal {
    this.#aborted ??= new AbortController();
    if (this.#isGone) this.#aborted.abort();
    return this.#aborted.signal;
  }

  /** The request has arrived to its end. */
  get isComplete(): boolean {
    return this.#request.complete || !hasBody(this.#request);
  }

  /** The response is on its way. */
  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  get #isGone(): boolean {
    return this.#response.destroyed && !this.#response.writableFinished;
  }

  async body(): Promise<Uint8Array> {
    const { maxBodyBytes, compressionAlgorithms } = this.#environment.spec;
    const coding = codingOf(this.#request);
    if (!compressionAlgorithms.includes(coding)) {
      throw new TelemetryError("MALFORMED_DATA", `unsupported Content-Encoding: ${coding}`);
    }
    const raw = await this.#collect(maxBodyBytes);
    if (coding === "") return raw;
    return decompressReserved(coding, raw, maxBodyBytes, this.#reservation);
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
    this.#reservation.release();
    if (response.headersSent || response.destroyed) return;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    // RFC 9110, 8.6: no length beside a status that has no content.
    const hasContent = status !== 204 && status !== 304;
    response.writeHead(status, {
      ...headers,
      ...(hasContent ? { "content-length": String(length) } : {}),
      ...this.#connectionHeader(),
    });
    const content = this.method === "HEAD" || !hasContent ? undefined : body;
    if (this.isComplete || this.#awaitsContinue) response.end(content);
    else this.#endAfterRequest(content);
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

  /** The client wants to hear first whether it shall send the body. */
  get #awaitsContinue(): boolean {
    const { headers, httpVersionMinor } = this.#request;
    const asks = httpVersionMinor === 1 && headers.expect?.toLowerCase() === "100-continue";
    return asks && !this.#hasContinued;
  }
  #hasContinued = false;

  /**
   * The answer is complete for the client, but the connection lives while the rest of its request arrives, for
   * a moment: closing with unread data would make the other side's TCP throw the answer away.
   */
  #endAfterRequest(content: Uint8Array | string | undefined): void {
    const response = this.#response;
    const request = this.#request;
    if (content === undefined || content.length === 0) response.flushHeaders();
    else response.write(content);
    const end = () => {
      timer.cancel();
      response.end();
    };
    const timer = this.#environment.clock.after(drainMs, end);
    request.once("close", end);
    request.resume();
  }

  /** A request that was not read to its end cannot be followed by another on the same connection. */
  #connectionHeader(): Record<string, string> {
    const keeps = this.isComplete && this.#environment.keepsConnection();
    return keeps ? {} : { connection: "close" };
  }

  #collect(maxBytes: number): Promise<Uint8Array> {
    const request = this.#request;
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced > maxBytes) return Promise.reject(tooLarge());
    if (this.#awaitsContinue) {
      this.#hasContinued = true;
      this.#response.writeContinue();
    }
    return new Promise((resolve, reject) => {
      const buffer = new BodyBuffer(this.#reservation, { chunksStay: true });
      const fail = (error: TelemetryError) => {
        request.off("data", take);
        buffer.clear();
        this.#reservation.release();
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

/** Proxies name the whole URL (RFC 9112, 3.2.2); the server is the one meant in any case. */
function originForm(url: string): string {
  const authority = /^https?:\/\/[^/?#]*/iu.exec(url)?.[0];
  if (authority === undefined) return url;
  const rest = url.slice(authority.length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** As Go's servers match paths; what cannot be decoded matches nothing but itself. */
function decodePath(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function codingOf(request: IncomingMessage): string {
  const coding = (request.headers["content-encoding"] ?? "").trim().toLowerCase();
  return coding === "identity" ? "" : coding;
}

const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
