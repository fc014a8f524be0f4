/**
 * One unary call on the server.
 *
 *     receiving ──whole message──▶ handled ──reply──▶ answered ──client took it──▶ closed
 *         └──limit, deadline, budget, bad framing────────▲
 *
 * The hottest objects of the transport: fixed shape, no closures.
 */
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
import { errorCode } from "./http2/frame.ts";
import { encodeHeaders } from "./http2/hpack.ts";
import type { ServerStream, StreamUser } from "./http2/server-stream.ts";
import { metadataOfStream } from "./metadata.ts";
import { budgetFull, Reservation } from "./reservation.ts";
import type { Route } from "./routes.ts";
import { statusOf } from "./rpc-status.ts";
import type { ServerObserver } from "./server-durations.ts";

/** What the calls of a server have in common. */
export interface CallEnvironment {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
  readonly maxMessageBytes: number;
  readonly authenticate: Authenticate | undefined;
  readonly observer: ServerObserver | undefined;
}

/** The connection a call came on. */
export interface CallOwner {
  /** Something is being sent to the client. */
  answering(): void;
  ended(call: GrpcServerCall): void;
}

export const receiving = 0;
export const handled = 1;
export const answered = 2;
export const closed = 3;
type Phase = 0 | 1 | 2 | 3;

/** What a stream costs beside its body (measured: 6 to 8 KB); counts in the budget, so that empty ones do. */
export const callBytes = 8192;
/** A call must have arrived whole within this, and its answer must have been taken. */
export const stepMs = 30_000;
/** Large messages on slow links get longer: a millisecond for so many bytes that have come. */
const slowestBytesPerMs = 64;

export class GrpcServerCall implements UnaryCall, StreamUser {
  readonly path: string;
  readonly receivedMs: number;
  readonly deadlineMs: number | undefined;
  body: Uint8Array = empty;
  phase: Phase = receiving;
  readonly route: Route<UnaryHandler>;
  readonly #environment: CallEnvironment;
  readonly #owner: CallOwner;
  readonly #stream: ServerStream;
  readonly #reservation: Reservation;
  readonly #buffer: BodyBuffer;
  /** Prefix and message, once the prefix was read. */
  #announcedBytes = 0;
  #answeredMs = 0;
  /** `callBytes` are reserved. */
  #isCounted = false;
  /** Its credentials are good. */
  #isAdmitted = false;
  /** All of the body has come. */
  #isWhole = false;

  constructor(
    stream: ServerStream,
    route: Route<UnaryHandler>,
    owner: CallOwner,
    environment: CallEnvironment,
  ) {
    const { headers } = stream;
    this.path = headers[":path"]!;
    this.route = route;
    this.#stream = stream;
    this.#owner = owner;
    this.#environment = environment;
    this.#reservation = new Reservation(environment.budget);
    this.#buffer = new BodyBuffer(this.#reservation, { chunksStay: false });
    this.receivedMs = environment.clock.monotonicMs();
    const timeoutMs = parseTimeout(headers["grpc-timeout"]);
    this.deadlineMs = timeoutMs === undefined ? undefined : this.receivedMs + timeoutMs;
    route.use.begin();
  }

  get metadata(): Metadata {
    return metadataOfStream(this.#stream.headers);
  }

  get peerAddress(): string {
    return this.#stream.remoteAddress;
  }

  releaseBody(): void {
    this.#reservation.release();
  }

  start(): void {
    this.#stream.user = this;
    const { budget, authenticate } = this.#environment;
    if (!budget.tryReserve(callBytes)) return this.fail(budgetFull());
    this.#isCounted = true;
    if (Number.isNaN(this.deadlineMs)) return this.#failInternal("malformed grpc-timeout");
    if (authenticate === undefined) this.#isAdmitted = true;
    else void this.#authenticate(authenticate);
  }

  async #authenticate(authenticate: Authenticate): Promise<void> {
    try {
      await authenticate(this.metadata);
      this.#isAdmitted = true;
      if (this.#isWhole) this.#complete();
    } catch (error) {
      this.fail(asTelemetryError(error));
    }
  }

  /** Ends what takes too long: a body that does not come, an answer that is not taken. */
  sweep(nowMs: number): void {
    if (this.phase === answered) return this.#sweepAnswered(nowMs);
    if (this.#isLate(nowMs)) return this.fail(deadlinePassed());
    if (this.phase !== receiving) return;
    const allowedMs = stepMs + this.#buffer.length / slowestBytesPerMs;
    if (nowMs - this.receivedMs >= allowedMs) this.fail(tooSlow());
  }

  /** The client gives no window for the answer. */
  #sweepAnswered(nowMs: number): void {
    if (nowMs - this.#answeredMs >= stepMs) this.destroy();
  }

  /** The client has given up. */
  #isLate(nowMs: number): boolean {
    return this.deadlineMs !== undefined && nowMs >= this.deadlineMs;
  }

  /** Answers with an error; what still arrives is thrown away. */
  fail(error: TelemetryError): void {
    this.#respond({ status: statusOf(error), body: empty });
  }

  /** Cuts the call without an answer. */
  destroy(): void {
    this.#stream.reset(errorCode.cancel);
  }

  data(chunk: Buffer): void {
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

  end(): void {
    this.#isWhole = true;
    if (this.#isAdmitted) this.#complete();
  }

  #complete(): void {
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
    const coding = this.#stream.headers["grpc-encoding"];
    if (coding === undefined || coding === "" || coding === "identity") {
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

  /** grpc-go answers INTERNAL for what it cannot decompress. */
  #failDecompression(error: TelemetryError): void {
    const { code, message, status } = error;
    if (code === "TOO_LARGE")
      return this.fail(messageTooLarge(undefined, this.#environment.maxMessageBytes));
    if (code !== "MALFORMED_DATA" || status !== undefined) return this.fail(error);
    this.#failInternal(`grpc: failed to decompress the received message: ${message}`);
  }

  #failInternal(message: string): void {
    this.#respond({ status: { code: grpcCode.INTERNAL, message }, body: empty });
  }

  #handle(): void {
    if (this.phase !== handled) return;
    // Handed over now it would be sent again: the client has given up.
    if (this.deadlineMs !== undefined && this.#isLate(this.#environment.clock.monotonicMs())) {
      return this.fail(deadlinePassed());
    }
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
    if (this.#stream.isClosed) return;
    this.phase = answered;
    this.#answeredMs = this.#environment.clock.monotonicMs();
    this.#observe(status.code);
    this.#letGo();
    this.#owner.answering();
    if (status.code !== 0) {
      this.#stream.respond(encodeHeaders({ ...okHeaders, ...statusHeaders(status) }));
    } else if (body.length === 0) this.#stream.reply(okBlock, emptyMessage, okTrailersBlock);
    else {
      const message = Buffer.concat([encodePrefix(body.length, false), body]);
      this.#stream.reply(okBlock, message, okTrailersBlock);
    }
  }

  /** The body and its share of the budget. */
  #letGo(): void {
    this.#buffer.clear();
    this.body = empty;
    this.#reservation.release();
  }

  #observe(code: number): void {
    const { observer, clock } = this.#environment;
    observer?.rpc(this.path, code, clock.monotonicMs() - this.receivedMs);
  }

  closed(): void {
    if (this.phase < answered) this.#observe(grpcCode.CANCELLED);
    this.phase = closed;
    this.#letGo();
    if (this.#isCounted) this.#environment.budget.release(callBytes);
    this.route.use.end();
    this.#owner.ended(this);
  }
}

const empty = new Uint8Array(0);
const emptyMessage = Buffer.from([0, 0, 0, 0, 0]);
const okBlock = encodeHeaders(okHeaders);
const okTrailersBlock = encodeHeaders(okTrailers);
const noCoding = "grpc: compressed flag set with identity or empty encoding";

const deadlineExceeded = (message: string) =>
  new TelemetryError("TIMEOUT", message, {
    retryable: true,
    status: { code: grpcCode.DEADLINE_EXCEEDED, message },
  });
const tooSlow = () => deadlineExceeded(`the request did not arrive within ${stepMs / 1000}s`);
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
