/**
 * One unary call on the server.
 *
 *     receiving ──whole message──▶ handled ──reply──▶ answered ──client took it──▶ closed
 *         └──limit, deadline, budget, bad framing────────▲
 *
 * The hottest objects of the transport: fixed shape, listeners without closures.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../clock.ts";
import type { Budget } from "../component.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Authenticate, Metadata, UnaryCall, UnaryHandler, UnaryReply } from "../transport.ts";
import { BodyBuffer } from "./body-buffer.ts";
import { codingOfGrpc } from "./client-compression.ts";
import { decompressReserved } from "./compression.ts";
import { grpcCode } from "./grpc-code.ts";
import { decodeFrame, encodePrefix, messageLength, prefixBytes } from "./grpc-frame.ts";
import { okHeaders, okTrailers, parseTimeout, statusHeaders } from "./grpc-headers.ts";
import { metadataOf } from "./metadata.ts";
import { budgetFull, Reservation } from "./reservation.ts";
import type { Route } from "./routes.ts";
import { statusOf } from "./rpc-status.ts";

/** What the calls of a server have in common. */
export interface CallEnvironment {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
  readonly maxMessageBytes: number;
  readonly authenticate: Authenticate | undefined;
}

/** The connection a call came on. */
export interface CallOwner {
  /** Something is being sent to the client. */
  answering(): void;
  closed(call: GrpcServerCall): void;
}

export const receiving = 0;
export const handled = 1;
export const answered = 2;
export const closed = 3;
type Phase = 0 | 1 | 2 | 3;

/** What a stream costs beside its body (measured: 3 to 5 KB); counts in the budget, so that empty ones do. */
const callBytes = 4096;
/** A call must have arrived whole, and its answer must have been taken, within this. */
const stepMs = 30_000;

const callOf = Symbol("call");
type CallStream = ServerHttp2Stream & { [callOf]: GrpcServerCall };

export class GrpcServerCall implements UnaryCall {
  readonly path: string;
  readonly receivedMs: number;
  readonly deadlineMs: number | undefined;
  body: Uint8Array = empty;
  phase: Phase = receiving;
  readonly route: Route<UnaryHandler>;
  readonly #environment: CallEnvironment;
  readonly #owner: CallOwner;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #reservation: Reservation;
  readonly #buffer: BodyBuffer;
  /** Prefix and message, once the prefix was read. */
  #announcedBytes = 0;
  #answeredMs = 0;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    route: Route<UnaryHandler>,
    owner: CallOwner,
    environment: CallEnvironment,
  ) {
    this.path = headers[":path"]!;
    this.route = route;
    this.#stream = stream;
    this.#headers = headers;
    this.#owner = owner;
    this.#environment = environment;
    this.#reservation = new Reservation(environment.budget);
    this.#buffer = new BodyBuffer(this.#reservation);
    this.receivedMs = environment.clock.monotonicMs();
    const timeoutMs = parseTimeout(headers["grpc-timeout"] as string | undefined);
    this.deadlineMs = timeoutMs === undefined ? undefined : this.receivedMs + timeoutMs;
    route.use.begin();
  }

  get metadata(): Metadata {
    return metadataOf(this.#headers);
  }

  get peerAddress(): string {
    return this.#stream.session?.socket.remoteAddress ?? "";
  }

  releaseBody(): void {
    this.#reservation.release();
  }

  start(): void {
    const stream = this.#stream as CallStream;
    stream[callOf] = this;
    stream.on("close", onClose);
    stream.on("error", ignore);
    if (!this.#reservation.tryAdd(callBytes)) return this.fail(budgetFull());
    const { authenticate } = this.#environment;
    if (authenticate === undefined) return this.#collect();
    authenticate(this.metadata).then(
      () => this.#collect(),
      (error: unknown) => this.fail(asTelemetryError(error)),
    );
  }

  /** Ends what takes too long: a body that does not come, an answer that is not taken. */
  sweep(nowMs: number): void {
    if (this.phase === answered) {
      if (nowMs - this.#answeredMs >= stepMs) this.destroy();
      return;
    }
    if (this.phase !== receiving) return;
    if (nowMs - this.receivedMs >= stepMs) return this.fail(incomplete());
    if (this.deadlineMs !== undefined && nowMs >= this.deadlineMs) this.fail(deadlinePassed());
  }

  /** Answers with an error; what still arrives is thrown away. */
  fail(error: TelemetryError): void {
    this.#respond({ status: statusOf(error), body: empty });
  }

  /** Cuts the call without an answer. */
  destroy(): void {
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_CANCEL);
    this.end();
  }

  #collect(): void {
    if (this.phase !== receiving) return;
    this.#stream.on("data", onData);
    this.#stream.on("end", onEnd);
  }

  take(chunk: Buffer): void {
    if (this.phase !== receiving) return;
    const buffer = this.#buffer;
    if (this.#announcedBytes === 0 && !this.#readPrefix(chunk)) return;
    const bytes = buffer.length + chunk.length;
    if (this.#announcedBytes > 0 && bytes > this.#announcedBytes) {
      return this.#failInternal("cannot read gRPC message: more than one message in a unary call");
    }
    if (!buffer.add(chunk, this.#announcedBytes)) this.fail(budgetFull());
  }

  /** Learns the announced length from the first bytes; false: it is refused. */
  #readPrefix(chunk: Buffer): boolean {
    const { length } = this.#buffer;
    if (length + chunk.length < prefixBytes) return true;
    // A prefix in pieces is rare; what came before it is at most four bytes.
    const head = length === 0 ? chunk : Buffer.concat([this.#buffer.take(), chunk]);
    if (length > 0 && !this.#buffer.add(head.subarray(0, length), 0)) {
      this.fail(budgetFull());
      return false;
    }
    const { maxMessageBytes } = this.#environment;
    const bytes = messageLength(head);
    this.#announcedBytes = bytes + prefixBytes;
    if (bytes <= maxMessageBytes) return true;
    this.fail(messageTooLarge(bytes, maxMessageBytes));
    return false;
  }

  complete(): void {
    if (this.phase !== receiving) return;
    this.phase = handled;
    const framed = this.#buffer.take();
    let frame: ReturnType<typeof decodeFrame>;
    try {
      frame = decodeFrame(framed);
    } catch (error) {
      return this.#failInternal(asTelemetryError(error).message);
    }
    if (!frame.compressed) {
      this.body = frame.body;
      return this.#handle();
    }
    this.#decompress(frame.body).then(
      () => this.#handle(),
      (error: unknown) => this.#failDecompression(asTelemetryError(error)),
    );
  }

  async #decompress(body: Uint8Array): Promise<void> {
    const { maxMessageBytes } = this.#environment;
    const coding = this.#headers["grpc-encoding"] as string | undefined;
    if (coding === undefined || coding === "identity") {
      throw new TelemetryError(
        "MALFORMED_DATA",
        "grpc: compressed flag set with identity or empty encoding",
        { status: { code: grpcCode.INTERNAL, message: noCoding } },
      );
    }
    this.body = await decompressReserved(
      codingOfGrpc(coding),
      body,
      maxMessageBytes,
      this.#reservation,
    );
  }

  /** grpc-go answers INTERNAL for what it cannot decompress and UNIMPLEMENTED for a coding it does not know. */
  #failDecompression(error: TelemetryError): void {
    if (error.code === "TOO_LARGE")
      return this.fail(messageTooLarge(undefined, this.#environment.maxMessageBytes));
    if (error.code !== "MALFORMED_DATA" || error.status !== undefined) return this.fail(error);
    if (!error.message.startsWith("unsupported")) {
      return this.#failInternal(
        `grpc: failed to decompress the received message: ${error.message}`,
      );
    }
    const coding = JSON.stringify(this.#headers["grpc-encoding"]);
    const message = `grpc: Decompressor is not installed for grpc-encoding ${coding}`;
    this.#respond({ status: { code: grpcCode.UNIMPLEMENTED, message }, body: empty });
  }

  #failInternal(message: string): void {
    this.#respond({ status: { code: grpcCode.INTERNAL, message }, body: empty });
  }

  #handle(): void {
    if (this.phase !== handled) return;
    this.route.handler(this).then(
      (reply) => this.#respond(reply),
      (error: unknown) => {
        this.#environment.log.error("BUG: a gRPC handler threw.", {
          path: this.path,
          error: String(error),
        });
        this.fail(asTelemetryError(error));
      },
    );
  }

  #respond({ status, body }: UnaryReply): void {
    if (this.phase >= answered) return;
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return this.end();
    this.phase = answered;
    this.#answeredMs = this.#environment.clock.monotonicMs();
    this.#letGo();
    this.#owner.answering();
    if (status.code !== 0) {
      stream.respond({ ...okHeaders, ...statusHeaders(status) }, { endStream: true });
      // A client that still sends is told to stop (RFC 9113, 8.1); what is on its way is thrown away.
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
      return void stream.resume();
    }
    stream.respond(okHeaders, waitForTrailers);
    stream.on("wantTrailers", sendOkTrailers);
    stream.end(
      body.length === 0 ? emptyMessage : Buffer.concat([encodePrefix(body.length, false), body]),
    );
  }

  /** The body and its share of the budget. */
  #letGo(): void {
    this.#buffer.clear();
    this.body = empty;
    this.#reservation.release();
  }

  end(): void {
    if (this.phase === closed) return;
    this.phase = closed;
    this.#letGo();
    this.route.use.end();
    this.#owner.closed(this);
  }
}

const empty = new Uint8Array(0);
const emptyMessage = Buffer.from([0, 0, 0, 0, 0]);
const waitForTrailers = { waitForTrailers: true, sendDate: false };
const noCoding = "grpc: compressed flag set with identity or empty encoding";

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  (this as CallStream)[callOf].take(chunk);
}
function onEnd(this: ServerHttp2Stream): void {
  (this as CallStream)[callOf].complete();
}
function onClose(this: ServerHttp2Stream): void {
  (this as CallStream)[callOf].end();
}
function sendOkTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(okTrailers);
}
/** A reset by the client; the close that follows does the work. */
function ignore(): void {}

const deadlineExceeded = (message: string) =>
  new TelemetryError("TIMEOUT", message, {
    retryable: true,
    status: { code: grpcCode.DEADLINE_EXCEEDED, message },
  });
const incomplete = () => deadlineExceeded(`the request did not arrive within ${stepMs / 1000}s`);
const deadlinePassed = () => deadlineExceeded("context deadline exceeded");

const messageTooLarge = (bytes: number | undefined, limit: number) => {
  const message =
    bytes === undefined
      ? `grpc: received message after decompression larger than max ${limit}`
      : `grpc: received message larger than max (${bytes} vs. ${limit})`;
  return new TelemetryError("TOO_LARGE", message, {
    status: { code: grpcCode.RESOURCE_EXHAUSTED, message },
  });
};
