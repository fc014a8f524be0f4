/** One unary call on the server: collects the body within limits, has it handled, answers. */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../clock.ts";
import type { Budget } from "../component.ts";
import { asTelemetryError, type RpcStatus, TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Authenticate, Metadata, UnaryCall, UnaryHandler, UnaryReply } from "../transport.ts";
import { decompress } from "./compression.ts";
import { grpcCode } from "./grpc-code.ts";
import { decodeFrame, encodePrefix, prefixBytes } from "./grpc-frame.ts";
import { metadataOf } from "./metadata.ts";
import { Reservation } from "./reservation.ts";
import { statusOf } from "./rpc-status.ts";

export interface CallEnvironment {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
  readonly maxMessageBytes: number;
  readonly authenticate: Authenticate | undefined;
  /** The call is over, answered or not. */
  readonly onDone: (call: GrpcServerCall) => void;
}

const okHeaders = { ":status": 200, "content-type": "application/grpc" };
const okTrailers = { "grpc-status": "0" };

export class GrpcServerCall implements UnaryCall {
  readonly path: string;
  readonly receivedMs: number;
  readonly deadlineMs: number | undefined;
  body: Uint8Array = empty;
  /** The body is complete: the call is in the handler's hands. */
  isHandled = false;
  readonly #environment: CallEnvironment;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #handler: UnaryHandler;
  readonly #reservation: Reservation;
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #isOver = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    handler: UnaryHandler,
    environment: CallEnvironment,
  ) {
    this.path = headers[":path"]!;
    this.#stream = stream;
    this.#headers = headers;
    this.#handler = handler;
    this.#environment = environment;
    this.#reservation = new Reservation(environment.budget);
    this.#maxBytes = environment.maxMessageBytes + prefixBytes;
    this.receivedMs = environment.clock.monotonicMs();
    const timeoutMs = parseTimeout(headers["grpc-timeout"] as string | undefined);
    this.deadlineMs = timeoutMs === undefined ? undefined : this.receivedMs + timeoutMs;
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
    const stream = this.#stream;
    stream.on("close", () => this.#end());
    // A reset by the client; the close that follows does the work.
    stream.on("error", () => {});
    const { authenticate } = this.#environment;
    if (authenticate === undefined) return this.#collect();
    authenticate(this.metadata).then(
      () => this.#collect(),
      (error: unknown) => this.fail(asTelemetryError(error)),
    );
  }

  /** Answers with an error; what still arrives is thrown away. */
  fail(error: TelemetryError): void {
    this.#respond({ status: statusOf(error), body: empty });
  }

  /** Cuts the call without an answer. */
  destroy(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#end();
  }

  #collect(): void {
    const stream = this.#stream;
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("end", () => this.#complete());
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes)
      return this.fail(messageTooLarge(this.#bytes, this.#environment.maxMessageBytes));
    if (!this.#reservation.tryAdd(chunk.length)) return this.fail(budgetFull());
    this.#chunks.push(chunk);
  }

  #complete(): void {
    if (this.#isOver) return;
    this.isHandled = true;
    const chunks = this.#chunks;
    this.#chunks = [];
    const framed = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    let frame: ReturnType<typeof decodeFrame>;
    try {
      frame = decodeFrame(framed);
    } catch (error) {
      return this.#respond({
        status: { code: grpcCode.INTERNAL, message: asTelemetryError(error).message },
        body: empty,
      });
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
      );
    }
    this.body = await decompress(coding, body, maxMessageBytes);
    if (!this.#reservation.tryAdd(this.body.length - body.length)) throw budgetFull();
  }

  /** grpc-go answers INTERNAL for what it cannot decompress and UNIMPLEMENTED for a coding it does not know. */
  #failDecompression(error: TelemetryError): void {
    if (error.code === "TOO_LARGE")
      return this.fail(messageTooLarge(undefined, this.#environment.maxMessageBytes));
    if (error.code !== "MALFORMED_DATA") return this.fail(error);
    const isUnknown = error.message.startsWith("unsupported");
    const code = isUnknown ? grpcCode.UNIMPLEMENTED : grpcCode.INTERNAL;
    const message = isUnknown
      ? `grpc: Decompressor is not installed for grpc-encoding "${String(this.#headers["grpc-encoding"])}"`
      : `grpc: failed to decompress the received message: ${error.message}`;
    this.#respond({ status: { code, message }, body: empty });
  }

  #handle(): void {
    if (this.#isOver) return;
    this.#handler(this).then(
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
    if (this.#isOver || this.#stream.destroyed) return this.#end();
    this.#isOver = true;
    const stream = this.#stream;
    if (status.code !== 0) {
      stream.respond({ ...okHeaders, ...statusHeaders(status) }, { endStream: true });
      // A client that still sends is told to stop (RFC 9113, 8.1).
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    } else {
      stream.respond(okHeaders, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(okTrailers));
      stream.end(
        body.length === 0 ? emptyMessage : Buffer.concat([encodePrefix(body.length, false), body]),
      );
    }
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#chunks = [];
    this.#reservation.release();
    this.#environment.onDone(this);
  }
}

const empty = new Uint8Array(0);
const emptyMessage = Buffer.from([0, 0, 0, 0, 0]);

export function statusHeaders({ code, message, details }: RpcStatus): Record<string, string> {
  return {
    "grpc-status": String(code),
    ...(message === "" ? {} : { "grpc-message": encodeMessage(message) }),
    ...(details === undefined
      ? {}
      : { "grpc-status-details-bin": Buffer.from(details).toString("base64") }),
  };
}

/** Longest message in a trailer; clients bound their header lists at 8 KB and more. */
const maxMessageLength = 2048;

/** Percent-encoding of grpc-message: everything but printable ASCII, and `%`. */
function encodeMessage(message: string): string {
  const bytes = Buffer.from(message.slice(0, maxMessageLength), "utf8");
  let text = "";
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

const timeoutUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** `grpc-timeout`: up to eight digits and a unit; milliseconds. */
function parseTimeout(text: string | undefined): number | undefined {
  const match = text === undefined ? null : /^(\d{1,8})([HMSmun])$/u.exec(text);
  return match === null ? undefined : Number(match[1]) * timeoutUnitMs[match[2]!]!;
}

const messageTooLarge = (bytes: number | undefined, limit: number) => {
  const message =
    bytes === undefined
      ? `grpc: received message after decompression larger than max ${limit}`
      : `grpc: received message larger than max (${bytes} vs. ${limit})`;
  return new TelemetryError("TOO_LARGE", message, {
    status: { code: grpcCode.RESOURCE_EXHAUSTED, message },
  });
};

export const budgetFull = () =>
  new TelemetryError("BUDGET_FULL", "the memory budget is used up; try again later", {
    retryable: true,
  });
