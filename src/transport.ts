/**
 * What components see of the network: two shapes, nothing else. `src/net` implements them; nothing above it
 * imports node:http2 or node:http, so the transport below can be replaced.
 *
 * - a **unary call**: method path, metadata and body in; status, metadata and body out (gRPC, and OTLP/HTTP
 *   exports on the client side);
 * - an **HTTP exchange**: a request, answered with a whole or a streamed response.
 */
import type { RpcStatus, TelemetryError } from "./errors.ts";

/** Header names are lower case. */
export type Metadata = ReadonlyMap<string, readonly string[]>;

/** A call that arrived. The body is complete, decompressed and within the limit. */
export interface UnaryCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly body: Uint8Array;
  readonly peerAddress: string;
  readonly receivedMs: number;
  /** From grpc-timeout; monotonic milliseconds. */
  readonly deadlineMs?: number | undefined;
  /**
   * Ends the transport's share of the memory budget for this body. The handler calls it in the same tick in
   * which somebody else takes the bytes over; the reply ends it in any case.
   */
  releaseBody(): void;
}

/** OK has code 0. On another code the body is not sent. */
export interface UnaryReply {
  readonly status: RpcStatus;
  readonly body: Uint8Array;
}

export type UnaryHandler = (call: UnaryCall) => Promise<UnaryReply>;

/** One HTTP request and its answer. */
export interface HttpExchange {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Metadata;
  readonly peerAddress: string;
  readonly receivedMs: number;
  /** Aborted when the client went away. */
  readonly aborted: AbortSignal;
  /**
   * The whole body, decompressed, within the server's max_request_body_size and the memory budget.
   * Rejects with TelemetryError: TOO_LARGE, BUDGET_FULL (retryable), MALFORMED_DATA, TIMEOUT.
   */
  body(): Promise<Uint8Array>;
  /** As UnaryCall.releaseBody. */
  releaseBody(): void;
  /** Answers with a complete response. */
  respond(
    status: number,
    headers: Readonly<Record<string, string>>,
    body?: Uint8Array | string,
  ): void;
  /** Answers with a response written piece by piece; `write` resolves when the client can take more. */
  stream(status: number, headers: Readonly<Record<string, string>>): HttpBodyWriter;
}

export interface HttpBodyWriter {
  write(chunk: Uint8Array | string): Promise<void>;
  end(): void;
}

export type HttpHandler = (exchange: HttpExchange) => Promise<void> | void;

/** What TLS needs; read by `src/net/tls.ts` from the config fragment of the same shape. */
export interface ServerTls {
  readonly [key: string]: unknown;
}

interface ServerBase {
  /** `host:port`; `localhost` means 127.0.0.1 and ::1, `:0` a free port. With transport unix: a path. */
  readonly endpoint: string;
  readonly transport: "tcp" | "tcp4" | "tcp6" | "unix";
  /** A parsed `tls` section of src/config/fragments, or absent for clear text. */
  readonly tls?: ServerTls | undefined;
}

export interface GrpcServerSpec extends ServerBase {
  readonly kind: "grpc";
  readonly maxMessageBytes: number;
  /** 0: the transport's own safe bound. */
  readonly maxConcurrentStreams: number;
  readonly keepalive: {
    readonly maxConnectionIdleMs: number; // 0: for ever
    readonly maxConnectionAgeMs: number;
    readonly maxConnectionAgeGraceMs: number;
    readonly timeMs: number;
    readonly timeoutMs: number;
    readonly minTimeMs: number;
    readonly permitWithoutStream: boolean;
  };
  /** Checked before a body is read; rejects with UNAUTHENTICATED. */
  readonly authenticate?: Authenticate | undefined;
  readonly methods: ReadonlyMap<string, UnaryHandler>;
}

export interface HttpServerSpec extends ServerBase {
  readonly kind: "http";
  readonly maxBodyBytes: number;
  /** Content codings that are accepted; "" is identity. */
  readonly compressionAlgorithms: readonly string[];
  readonly readTimeoutMs: number; // 0: the transport's own safe bound
  readonly readHeaderTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly keepAlivesEnabled: boolean;
  readonly responseHeaders: ReadonlyMap<string, string>;
  readonly cors?: CorsSpec | undefined;
  readonly authenticate?: Authenticate | undefined;
  /** Answers a request to one of the routes without valid credentials (401); absent: in plain text. */
  readonly refuse?: ((exchange: HttpExchange, error: TelemetryError) => void) | undefined;
  /** Exact paths; one that ends in `/*` stands for all below it. */
  readonly routes: ReadonlyMap<string, HttpHandler>;
}

export interface CorsSpec {
  readonly allowedOrigins: readonly string[];
  readonly allowedHeaders: readonly string[];
  readonly exposedHeaders: readonly string[];
  readonly maxAgeSeconds: number;
}

/** Resolves for valid credentials, rejects with TelemetryError UNAUTHENTICATED otherwise. */
export type Authenticate = (metadata: Metadata) => Promise<void>;

export type ServerSpec = GrpcServerSpec | HttpServerSpec;

export interface Listener {
  /** `host:port` or the socket's path, as bound. */
  readonly addresses: readonly string[];
  /** Takes no new requests, waits for the running ones until aborted, then cuts. */
  close(abort: AbortSignal): Promise<void>;
}
