/**
 * One unary call on one HTTP/2 stream (grpc/doc/PROTOCOL-HTTP2.md):
 *
 *     request   HEADERS  DATA(prefix part part …, END_STREAM)
 *     response  HEADERS  DATA(prefix message)  HEADERS(trailers, END_STREAM)
 *            or HEADERS(trailers-only, END_STREAM)
 *
 * The hot path of the exporters: one object per call, its handlers, and no copies of the message.
 */
import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Clock, Timer } from "../clock.ts";
import { causeText } from "./cause.ts";
import { grpcCode } from "./grpc-code.ts";
import type { GrpcSession } from "./grpc-session.ts";

export interface CallResult {
  readonly code: number;
  readonly message: string;
  /** The headers that carried grpc-status, if the server sent any. */
  readonly trailers?: IncomingHttpHeaders | undefined;
  /** grpc-encoding of the response. */
  readonly encoding?: string | undefined;
  /** The response's length-prefixed message. */
  readonly framed?: Uint8Array | undefined;
  /** The server certainly did not look at the call: it may be sent again at once. */
  readonly unprocessed?: boolean | undefined;
}

export interface CallOptions {
  readonly headers: OutgoingHttpHeaders;
  /** Written one after the other. */
  readonly chunks: readonly Uint8Array[];
  readonly clock: Clock;
  /** Monotonic milliseconds; undefined: none. */
  readonly deadlineMs: number | undefined;
  readonly abort: AbortSignal;
  /** Bound of the response with its prefix. */
  readonly maxResponseBytes: number;
}

/** Resolves with what the server or the transport says; `abort` gives CANCELLED. */
export function runCall(session: GrpcSession, options: CallOptions): Promise<CallResult> {
  return new Promise((resolve) => new GrpcCall(session, options, resolve));
}

class GrpcCall {
  readonly #session: GrpcSession;
  readonly #options: CallOptions;
  readonly #resolve: (result: CallResult) => void;
  readonly #stream: ClientHttp2Stream | undefined;
  readonly #timer: Timer | undefined;
  readonly #startedMs: number;
  #head: IncomingHttpHeaders | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  #first: Uint8Array | undefined;
  #rest: Uint8Array[] | undefined;
  #receivedBytes = 0;
  #readEnded = false;
  #settled = false;

  constructor(session: GrpcSession, options: CallOptions, resolve: (result: CallResult) => void) {
    this.#session = session;
    this.#options = options;
    this.#resolve = resolve;
    this.#startedMs = options.clock.monotonicMs();
    try {
      this.#stream = session.startCall(options.headers);
    } catch (error) {
      // The session ended in this tick: nothing was sent.
      this.#settled = true;
      const message = causeText(error);
      resolve({ code: grpcCode.UNAVAILABLE, message, unprocessed: true });
      return;
    }
    this.#listen(this.#stream);
    options.abort.addEventListener("abort", this.#onAbort, { once: true });
    if (options.deadlineMs !== undefined) {
      this.#timer = options.clock.after(options.deadlineMs - this.#startedMs, this.#onDeadline);
    }
    this.#write(this.#stream);
  }

  /** Written apart, not joined: node:http2 packs them into frames without another copy of ours. */
  #write(stream: ClientHttp2Stream): void {
    const { chunks } = this.#options;
    const last = chunks.length - 1;
    for (let i = 0; i < last; i++) stream.write(chunks[i]);
    stream.end(chunks[last]);
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on("response", (headers) => {
      this.#alive();
      this.#head = headers;
      if (headers["grpc-status"] !== undefined) this.#trailers = headers;
    });
    stream.on("trailers", (headers) => {
      this.#trailers = headers;
      if (this.#readEnded) this.#finish();
    });
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("end", () => {
      this.#readEnded = true;
      if (this.#trailers !== undefined) this.#finish();
    });
    // The cause is told by the session or by the reset's code; `close` follows in any case.
    stream.on("error", () => {});
    stream.on("close", () => this.#finish());
  }

  #alive(): void {
    this.#session.lastReadMs = this.#options.clock.monotonicMs();
  }

  #receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.byteLength;
    if (this.#receivedBytes > this.#options.maxResponseBytes) {
      const message = `the response is larger than ${this.#options.maxResponseBytes} bytes`;
      this.#settle({ code: grpcCode.RESOURCE_EXHAUSTED, message });
      return;
    }
    // Nearly every response is one chunk.
    if (this.#first === undefined) this.#first = chunk;
    else (this.#rest ??= []).push(chunk);
  }

  readonly #onAbort = () => {
    this.#probeIfSilent();
    this.#settle({ code: grpcCode.CANCELLED, message: "context canceled" });
  };

  readonly #onDeadline = () => {
    this.#probeIfSilent();
    this.#settle({ code: grpcCode.DEADLINE_EXCEEDED, message: "context deadline exceeded" });
  };

  #probeIfSilent(): void {
    if (this.#session.lastReadMs <= this.#startedMs) this.#session.probe();
  }

  #finish(): void {
    if (this.#settled) return;
    const trailers = this.#trailers;
    if (trailers === undefined) return this.#settle(this.#failure());
    this.#session.answeredCalls++;
    const status = Number(trailers["grpc-status"]);
    this.#settle({
      code: Number.isInteger(status) && status >= 0 ? status : grpcCode.UNKNOWN,
      message: percentDecode(headerText(trailers["grpc-message"])),
      trailers,
      encoding: headerText(this.#head?.["grpc-encoding"]),
      framed: this.#rest === undefined ? this.#first : Buffer.concat([this.#first!, ...this.#rest]),
    });
  }

  /** The stream is over without grpc-status. */
  #failure(): CallResult {
    const head = this.#head;
    if (head !== undefined && !isGrpc(head)) return notGrpc(head);
    const stream = this.#stream!;
    const loss = this.#session.lossCause;
    const reset = stream.rstCode ?? 0;
    const unsent = stream.id === undefined || reset === constants.NGHTTP2_REFUSED_STREAM;
    if (loss !== "" || unsent) {
      const message =
        loss === "" ? "stream refused by the server" : `transport is closing: ${loss}`;
      return { code: grpcCode.UNAVAILABLE, message, unprocessed: unsent };
    }
    if (reset === constants.NGHTTP2_NO_ERROR) {
      const message = "server closed the stream without sending trailers";
      return { code: grpcCode.INTERNAL, message };
    }
    const message = `stream terminated by RST_STREAM with error code: ${reset}`;
    return { code: codeOfReset(reset), message };
  }

  #settle(result: CallResult): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#timer?.cancel();
    this.#options.abort.removeEventListener("abort", this.#onAbort);
    const stream = this.#stream!;
    // A server may answer before it read the request, or never stop sending: the rest is of no use.
    if (!stream.destroyed && !(this.#readEnded && stream.writableFinished)) {
      stream.close(constants.NGHTTP2_CANCEL);
    }
    this.#session.endCall();
    this.#resolve(result);
  }
}

function headerText(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(", ") : (value ?? "");
}

function isGrpc(head: IncomingHttpHeaders): boolean {
  return headerText(head["content-type"]).startsWith("application/grpc");
}

/** grpc/doc/http-grpc-status-mapping.md, for proxies that answer in the server's place. */
function notGrpc(head: IncomingHttpHeaders): CallResult {
  const status = Number(head[":status"] ?? 0);
  const type = headerText(head["content-type"]);
  const message = `unexpected HTTP status code received from server: ${status}; transport: received unexpected content-type ${JSON.stringify(type)}`;
  return { code: codeOfHttpStatus(status), message };
}

function codeOfHttpStatus(status: number): number {
  switch (status) {
    case 400:
      return grpcCode.INTERNAL;
    case 401:
      return grpcCode.UNAUTHENTICATED;
    case 403:
      return grpcCode.PERMISSION_DENIED;
    case 404:
      return grpcCode.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return grpcCode.UNAVAILABLE;
    default:
      return grpcCode.UNKNOWN;
  }
}

/**
 * As grpc-go maps resets, except that a server which asks for calm or trips over flow control is UNAVAILABLE:
 * RESOURCE_EXHAUSTED without RetryInfo would mean that the data is dropped.
 */
function codeOfReset(code: number): number {
  switch (code) {
    case constants.NGHTTP2_CANCEL:
      return grpcCode.CANCELLED;
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
      return grpcCode.UNAVAILABLE;
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return grpcCode.PERMISSION_DENIED;
    default:
      return grpcCode.INTERNAL;
  }
}

/** grpc-message is percent-encoded; what is not decodable stays as it is. */
function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = text.replace(/(?:%[\da-f]{2})+/giu, (run) =>
    Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"),
  );
  return bytes;
}
