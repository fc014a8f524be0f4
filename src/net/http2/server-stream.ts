/**
 * One request on a connection.
 *
 *     open ──END_STREAM──▶ half-closed ──reply──▶ closed
 *       └──reply: the client is told to stop, what it still sends is thrown away──▲
 */
import { errorCode } from "./frame.ts";
import type { RequestHeaders } from "./request-headers.ts";

/** Whoever takes the body of a request. */
export interface StreamUser {
  /** The bytes are valid until the call returns. */
  data(chunk: Buffer): void;
  end(): void;
  /** Comes once, whatever ended the stream. */
  closed(): void;
}

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly remoteAddress: string | undefined;
  sendHeaders(stream: ServerStream, block: Uint8Array, endStream: boolean): void;
  /** Sends what the windows allow; the rest follows by itself. */
  sendBody(stream: ServerStream): void;
  sendReset(stream: ServerStream, code: number): void;
  removed(stream: ServerStream): void;
}

/** A message and the trailers behind it, on their way out. */
export interface PendingBody {
  readonly bytes: Uint8Array;
  at: number;
  readonly trailers: Uint8Array;
}

export class ServerStream {
  readonly id: number;
  readonly headers: RequestHeaders;
  readonly #owner: StreamOwner;
  user: StreamUser | undefined;
  /** END_STREAM came. */
  isRemoteEnded = false;
  isClosed = false;
  /** Bytes that may be sent, and that may still come. */
  sendWindow: number;
  receiveWindow: number;
  /** As content-length announced; undefined: it did not. */
  expectedBytes: number | undefined;
  pending: PendingBody | undefined;

  constructor(
    id: number,
    headers: RequestHeaders,
    owner: StreamOwner,
    windows: { readonly send: number; readonly receive: number },
  ) {
    this.id = id;
    this.headers = headers;
    this.#owner = owner;
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
    const length = headers["content-length"];
    this.expectedBytes = length === undefined ? undefined : Number(length);
  }

  get remoteAddress(): string {
    return this.#owner.remoteAddress ?? "";
  }

  /** Answers with headers alone. Blocks are HPACK (`encodeHeaders`). */
  respond(block: Uint8Array): void {
    if (this.isClosed) return;
    this.#owner.sendHeaders(this, block, true);
    this.sent();
  }

  /** Answers with headers, a body and trailers. */
  reply(head: Uint8Array, bytes: Uint8Array, trailers: Uint8Array): void {
    if (this.isClosed) return;
    this.#owner.sendHeaders(this, head, false);
    this.pending = { bytes, at: 0, trailers };
    this.#owner.sendBody(this);
  }

  /** Ends the stream without an answer. */
  reset(code: number): void {
    if (this.isClosed) return;
    this.#owner.sendReset(this, code);
    this.close();
  }

  /** All of the answer was sent: a client that still sends is told to stop (RFC 9113 section 8.1). */
  sent(): void {
    if (!this.isRemoteEnded) this.#owner.sendReset(this, errorCode.noError);
    this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.pending = undefined;
    this.#owner.removed(this);
    this.user?.closed();
  }
}
