/**
 * From a batch to what became of each of its items: split to the destination's ceiling, attempt with a
 * deadline, retry, halve what is too large, bisect what is rejected.
 */
import { type Clock, sleep } from "../clock.ts";
import type { Context, Exporter, Payload, Settings } from "../component.ts";
import type { DeliveryConfig } from "../config/fragments/delivery.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import { halveAtSeams } from "../pdata/concat.ts";
import { split } from "../pdata/split.ts";
import { BackOff } from "./back-off.ts";
import type { Failure } from "./job.ts";

interface SenderOptions {
  readonly exporter: Exporter;
  readonly config: DeliveryConfig;
  readonly settings: Settings;
  readonly random: () => number;
  readonly onSent: (items: number) => void;
}

/** Codes that speak of the data rather than of the destination or the credentials. */
const dataCodes: ReadonlySet<number> = new Set([
  3, // INVALID_ARGUMENT
  6, // ALREADY_EXISTS
  9, // FAILED_PRECONDITION
  11, // OUT_OF_RANGE
  13, // INTERNAL: what collectors answer to data that a later component refuses
  15, // DATA_LOSS
]);

export class Sender {
  readonly #options: SenderOptions;
  readonly #clock: Clock;
  /** Payloads of this size or more were refused as too large; those above are split ahead, until restart. */
  #ceilingBytes = Number.POSITIVE_INFINITY;
  /** Ends retry waits early. */
  #wake = new AbortController();
  /** Ends everything. */
  readonly #abort = new AbortController();
  #surrendering = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#clock = options.settings.clock;
  }

  /** What could not be delivered; empty: everything was. Positions count from `offset`. */
  async send(payload: Payload, context: Context, offset = 0): Promise<Failure[]> {
    if (payload.byteLength > this.#ceilingBytes && payload.itemCount > 1) {
      const pieces = split(payload, { maxBytes: this.#ceilingBytes });
      if (pieces.length > 1) return this.#sendEach(pieces, context, offset);
    }
    return this.#sendOne(payload, context, offset);
  }

  /** Retries whatever waits at once. */
  wake(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /** Cuts running attempts and waits; what they carried is a failure{shutdown}. */
  cut(): void {
    this.#abort.abort();
    this.wake();
  }

  /** From now on nothing is tried again: what an attempt leaves is a failure{shutdown}. */
  surrender(): void {
    this.#surrendering = true;
    this.wake();
  }

  async #sendEach(
    pieces: readonly Payload[],
    context: Context,
    offset: number,
  ): Promise<Failure[]> {
    const failures: Failure[] = [];
    let at = offset;
    for (const piece of pieces) {
      failures.push(...(await this.send(piece, context, at)));
      at += piece.itemCount;
    }
    return failures;
  }

  async #sendOne(payload: Payload, context: Context, offset: number): Promise<Failure[]> {
    const { retry_on_failure: retry } = this.#options.config;
    const backOff = new BackOff(retry, this.#options.random);
    const startMs = this.#clock.monotonicMs();
    const fail = (reason: Failure["reason"], error: TelemetryError): Failure[] => [
      { from: offset, to: offset + payload.itemCount, error, reason },
    ];
    for (;;) {
      if (this.#abort.signal.aborted) return fail("shutdown", stopped());
      const error = await this.#attempt(payload, context);
      if (error === undefined) return [];
      if (error.code === "TOO_LARGE") return this.#halve(payload, context, offset, error);
      if (!error.retryable) return this.#bisect(payload, context, offset, error);
      if (this.#surrendering || this.#abort.signal.aborted) return fail("shutdown", error);
      if (!retry.enabled) return fail("send_failed", error);
      const waitMs = backOff.nextMs(error.retryAfterMs);
      const elapsedMs = this.#clock.monotonicMs() - startMs;
      if (retry.max_elapsed_time > 0 && elapsedMs + waitMs > retry.max_elapsed_time) {
        return fail("retries_exhausted", exhausted(error));
      }
      this.#options.settings.log.info("Exporting failed. Will retry the request after interval.", {
        error: error.message,
        interval: `${(waitMs / 1000).toFixed(3)}s`,
      });
      // A wake-up is no failure: the payload is tried again at once.
      await sleep(this.#clock, waitMs, this.#wake.signal).catch(() => {});
    }
  }

  /** One push with its deadline; the error, or undefined. */
  async #attempt(payload: Payload, context: Context): Promise<TelemetryError | undefined> {
    const { exporter, config, onSent } = this.#options;
    const attempt = new AbortController();
    const cut = () => attempt.abort(stopped());
    this.#abort.signal.addEventListener("abort", cut, { once: true });
    const deadline =
      config.timeout > 0
        ? this.#clock.after(config.timeout, () => attempt.abort(timedOut(config.timeout)))
        : undefined;
    // An exporter that ignores the signal must not hold a consumer for ever.
    const aborted = new Promise<never>((_, reject) => {
      attempt.signal.addEventListener("abort", () => reject(attempt.signal.reason as Error), {
        once: true,
      });
    });
    try {
      const result = await Promise.race([exporter.push(payload, context, attempt.signal), aborted]);
      const rejected = Math.min(result.rejectedItems ?? 0, payload.itemCount);
      onSent(payload.itemCount - rejected);
      if (rejected > 0) this.#notePartialSuccess(rejected, result.message);
      return undefined;
    } catch (error) {
      if (attempt.signal.aborted) return attempt.signal.reason as TelemetryError;
      return asTelemetryError(error);
    } finally {
      deadline?.cancel();
      this.#abort.signal.removeEventListener("abort", cut);
    }
  }

  #notePartialSuccess(rejected: number, message: string | undefined): void {
    const { settings } = this.#options;
    settings.drop("partial_success", rejected);
    settings.log.warn("Partial success response", {
      message: message ?? "",
      dropped_items: rejected,
    });
  }

  /** The backend may take smaller payloads: remembers the size and sends the halves. */
  async #halve(
    payload: Payload,
    context: Context,
    offset: number,
    error: TelemetryError,
  ): Promise<Failure[]> {
    if (payload.itemCount === 1) {
      this.#options.settings.log.error(
        "An item alone is larger than the backend accepts; it is dropped.",
        {
          bytes: payload.byteLength,
          error: error.message,
        },
      );
      return [{ from: offset, to: offset + 1, error, reason: "too_large" }];
    }
    this.#ceilingBytes = Math.min(this.#ceilingBytes, payload.byteLength - 1);
    return this.#sendEach(
      split(payload, { maxItems: Math.ceil(payload.itemCount / 2) }),
      context,
      offset,
    );
  }

  /** A joined payload may hold one poisoned request: the halves are tried alone, along the seams. */
  async #bisect(
    payload: Payload,
    context: Context,
    offset: number,
    error: TelemetryError,
  ): Promise<Failure[]> {
    const halves = isAboutData(error) ? halveAtSeams(payload) : undefined;
    if (halves !== undefined) return this.#sendEach(halves, context, offset);
    this.#options.settings.log.error("Exporting failed. Dropping data.", {
      error: error.message,
      dropped_items: payload.itemCount,
    });
    return [{ from: offset, to: offset + payload.itemCount, error, reason: "rejected" }];
  }
}

const isAboutData = ({ code, status }: TelemetryError) =>
  code === "MALFORMED_DATA" ||
  (code === "BACKEND_REJECTED" && (status === undefined || dataCodes.has(status.code)));

const stopped = () =>
  new TelemetryError("SHUTTING_DOWN", "the exporter is shutting down", { retryable: true });

const timedOut = (ms: number) =>
  new TelemetryError("TIMEOUT", `context deadline exceeded: no answer within ${ms / 1000}s`, {
    retryable: true,
  });

const exhausted = (cause: TelemetryError) =>
  new TelemetryError("RETRIES_EXHAUSTED", `no more retries left: ${cause.message}`, {
    retryable: true,
    status: cause.status,
    cause,
  });
