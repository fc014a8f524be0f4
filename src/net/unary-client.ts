/**
 * A unary call as exporters see it: path, metadata and body parts go out; status, message and body come back.
 * Over gRPC (`grpc-client.ts`) `code` is a gRPC status code, over HTTP (`http-client.ts`) the HTTP status.
 */
import { TelemetryError } from "../errors.ts";

export interface UnaryRequest {
  /** gRPC: `/package.Service/Method`. HTTP: the whole URL. */
  readonly path: string;
  /** Headers of this call beside the client's own; names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The message is their concatenation. They are only read, and not kept once the call is over. */
  readonly parts: readonly Uint8Array[];
  /** The sum of the parts' lengths. */
  readonly byteLength: number;
  /** The other side is told this deadline, and the call ends with it; 0: none. */
  readonly timeoutMs: number;
  /** Ends the call at once. */
  readonly abort: AbortSignal;
}

export interface UnaryResponse {
  readonly code: number;
  readonly message: string;
  /** Serialized google.rpc.Status (gRPC), where the server sent one. */
  readonly details?: Uint8Array;
  readonly body: Uint8Array;
  /** How long the server asks to wait (RetryInfo, Retry-After). */
  readonly retryAfterMs?: number;
}

export interface UnaryClient {
  /**
   * Resolves with whatever was answered, refusals too. A connection that cannot be had or is lost is a
   * status as well over gRPC (UNAVAILABLE), over HTTP a TelemetryError BACKEND_UNAVAILABLE. Rejects with
   * TelemetryError TIMEOUT (retryable) when `abort` fires first.
   */
  call(request: UnaryRequest): Promise<UnaryResponse>;
  /** Takes no new calls, waits for the running ones until aborted, then cuts them. Works twice. */
  close(abort: AbortSignal): Promise<void>;
}

/** Rejects a call whose caller gave up: with the caller's own TelemetryError, else TIMEOUT. */
export function throwIfAborted(abort: AbortSignal): void {
  if (!abort.aborted) return;
  const reason: unknown = abort.reason;
  if (reason instanceof TelemetryError) throw reason;
  throw new TelemetryError("TIMEOUT", "context canceled", { retryable: true, cause: reason });
}
