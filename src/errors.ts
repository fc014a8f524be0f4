/**
 * Every error of the service: one class, one catalogue. `docs/errors.md` is generated from the catalogue.
 *
 * Wording: the Collector's own text where it has one, else "cannot <verb> <object>: <cause>".
 * `retryable` and its opposite, permanent, are properties of an error, not classes.
 */

/** What a code means (for operators) and what to do about it. */
interface CatalogueEntry {
  readonly summary: string;
  readonly remedy: string;
}

export const errorCatalogue = {
  CONFIG_INVALID: {
    summary: "The configuration has mistakes; each is printed with file, line and column.",
    remedy: "Correct the printed lines; `repomind-telemetry validate` checks without starting.",
  },
  ADDRESS_IN_USE: {
    summary: "A port that a component wants to listen on is taken.",
    remedy:
      "Stop the other program, or move the component with its `endpoint` key (the HTTP port: TELEMETRY_PORT).",
  },
  LISTEN_FAILED: {
    summary: "A component could not listen on its endpoint.",
    remedy: "Check that the address belongs to this machine and that the user may bind the port.",
  },
  START_FAILED: {
    summary: "A component could not start.",
    remedy: "The message names the component and the cause; the service does not start half.",
  },
  MALFORMED_DATA: {
    summary:
      "A request or a scraped text is not what its format allows (OTLP, exposition text, a compression); it is refused for good.",
    remedy: "Correct the sender, or the scraped target; the same bytes cannot succeed later.",
  },
  TOO_LARGE: {
    summary: "A request is larger than the receiver accepts, after decompression.",
    remedy: "Send smaller batches, or raise max_recv_msg_size_mib / max_request_body_size.",
  },
  BUDGET_FULL: {
    summary: "The memory budget is used up; new data is refused until some was delivered.",
    remedy:
      "Senders retry by themselves. If it lasts: a backend is slow, or raise --memory-budget.",
  },
  MEMORY_LIMITED: {
    summary: "The memory_limiter refuses data: memory use is above its soft limit.",
    remedy: "Senders retry by themselves. If it lasts, raise limit_mib or send less.",
  },
  QUEUE_FULL: {
    summary: "A sending queue is full.",
    remedy: "Senders retry by themselves. If it lasts, its backend is slower than the input.",
  },
  NOT_READY: {
    summary: "A stage cannot take data at the moment.",
    remedy: "Senders retry by themselves.",
  },
  SHUTTING_DOWN: {
    summary: "The service is stopping and takes no new data.",
    remedy: "Send again when it is back.",
  },
  GROUP_LIMIT: {
    summary: "A receiver keeps as many groups of pushed metrics as its configuration allows.",
    remedy: "Delete groups that are no longer needed, or raise max_groups.",
  },
  SERIES_LIMIT: {
    summary: "A receiver keeps as many series as its configuration allows.",
    remedy: "Delete groups that are no longer needed, or raise max_series.",
  },
  METADATA_LIMIT: {
    summary: "More combinations of metadata values than metadata_cardinality_limit allows.",
    remedy: "Raise metadata_cardinality_limit or choose metadata_keys with fewer values.",
  },
  BACKEND_UNAVAILABLE: {
    summary: "A backend cannot be reached or answered with a retryable status.",
    remedy: "The data is held and sent again; check the backend's address and health.",
  },
  BACKEND_REJECTED: {
    summary: "A backend refused data for good.",
    remedy: "The backend's text says why; sending the same data again cannot succeed.",
  },
  TIMEOUT: {
    summary: "A deadline passed.",
    remedy: "The data is held and sent again; raise `timeout` if the backend is merely slow.",
  },
  RETRIES_EXHAUSTED: {
    summary: "Data was given up after retry_on_failure.max_elapsed_time.",
    remedy: "Repair the backend, or set max_elapsed_time: 0 to keep trying.",
  },
  UNAUTHENTICATED: {
    summary: "A request carries no valid credentials.",
    remedy: "Check the sender's token or password.",
  },
  FILE_WRITE_FAILED: {
    summary: "A file could not be written.",
    remedy: "The message names the file and the cause (disk full, permission).",
  },
  INTERNAL: {
    summary: "A defect of the service (BUG:).",
    remedy: "Please report it with the log line.",
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** A status of a gRPC backend, kept whole so that a receiver can hand it to its client unchanged. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  /** Serialized google.rpc.Status, if the backend sent one. */
  readonly details?: Uint8Array | undefined;
}

interface TelemetryErrorOptions {
  readonly retryable?: boolean;
  /** How long the other side asks to wait. */
  readonly retryAfterMs?: number | undefined;
  readonly status?: RpcStatus | undefined;
  readonly cause?: unknown;
}

export class TelemetryError extends Error {
  override readonly name = "TelemetryError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: RpcStatus | undefined;

  constructor(code: ErrorCode, message: string, options: TelemetryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
  }
}

/** The error as a TelemetryError; what is none is a defect (INTERNAL, permanent). */
export function asTelemetryError(error: unknown): TelemetryError {
  if (error instanceof TelemetryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TelemetryError("INTERNAL", `BUG: ${message}`, { cause: error });
}
