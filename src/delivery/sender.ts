/**
 * From a batch to what became of each of its items: cut to the destination's ceiling, attempt with a deadline,
 * retry, halve what is too large, bisect what is rejected.
 */
import { setMaxListeners } from "node:events";
import { type Clock, sleep } from "../clock.ts";
import type { Context, Exporter, Payload, Settings } from "../component.ts";
import type { DeliveryConfig } from "../config/fragments/delivery.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import { halveAtSeams } from "../pdata/concat.ts";
import { split } from "../pdata/split.ts";
import { BackOff } from "./back-off.ts";
import type { Failure, FailureReason } from "./job.ts";
import { SizeCeiling } from "./size-ceiling.ts";

export interface SenderOptions {
  readonly exporter: Exporter;
  readonly config: DeliveryConfig;
  readonly settings: Settings;
  /** Evenly distributed in [0, 1): the jitter of waits. */
  readonly random: () => number;
  /** The destination took a payload; `rejected` of its items it will not keep (partial success). */
  readonly onTaken: (items: number, rejected: number) => void;
}

/** One batch on its way. */
interface Run {
  readonly context: Context;
  readonly startMs: number;
  /** Monotonic; whoever waits for the result has gone after it. */
  readonly deadlineMs: number | undefined;
  readonly failures: Failure[];
  /** Rejections since the destination last took something. */
  rejections: number;
}

/**
 * So many rejections in a row, and the rest of a batch is no longer halved: a destination that rejects everything
 * is not asked twice for each request. Some 30 rejected requests side by side are told apart from their neighbours.
 */
const maxRejectionsInARow = 64;

/**
 * gRPC codes of rejections that may be about one request of several: bisecting finds it. The others
 * (UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED, NOT_FOUND …) are about the destination or the caller, and
 * would be answered to each half too. HTTP statuses arrive as the codes that exporters map them to.
 */
const dataCodes: ReadonlySet<number> = new Set([
  2, // UNKNOWN: also HTTP 500 and 4xx without a code of their own
  3, // INVALID_ARGUMENT: also HTTP 400
  6, // ALREADY_EXISTS
  9, // FAILED_PRECONDITION
  13, // INTERNAL: what Collectors answer for data that a later component refuses
]);

/** While stopping no wait is longer, unless the server asks: there is little time left. */
const maxStoppingWaitMs = 1000;

export class Sender {
  readonly #options: SenderOptions;
  readonly #clock: Clock;
  readonly #ceiling = new SizeCeiling();
  /** Ends the waits between attempts. */
  #wake = controllerForMany();
  /** Ends attempts. */
  readonly #cut = controllerForMany();
  #isStopping = false;
  #isSurrendering = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#clock = options.settings.clock;
  }

  /** Resolves with what could not be delivered, in order; never rejects. */
  async send(
    payload: Payload,
    context: Context,
    deadlineMs: number | undefined,
  ): Promise<readonly Failure[]> {
    const run: Run = {
      context,
      startMs: this.#clock.monotonicMs(),
      deadlineMs,
      failures: [],
      rejections: 0,
    };
    const ceilingBytes = this.#ceiling.bytes(run.startMs);
    if (payload.byteLength > ceilingBytes && payload.itemCount > 1) {
      await this.#sendEach(split(payload, { maxBytes: ceilingBytes }), 0, run);
    } else {
      await this.#sendOne(payload, 0, run);
    }
    return run.failures;
  }

  /** The service stops: whatever waits is tried at once, and later waits are short. */
  stop(): void {
    this.#isStopping = true;
    this.#wakeAll();
  }

  /** Nothing is tried again: what the running attempts leave is a failure{surrendered}. */
  surrender(): void {
    this.#isSurrendering = true;
    this.#wakeAll();
  }

  /** Ends running attempts and waits; what they carried is a failure{shutdown}, or {surrendered}. */
  cut(): void {
    this.#cut.abort();
    this.#wakeAll();
  }

  #wakeAll(): void {
    this.#wake.abort();
    this.#wake = controllerForMany();
  }

  async #sendEach(pieces: readonly Payload[], from: number, run: Run): Promise<void> {
    let at = from;
    for (const piece of pieces) {
      // Containers without items, cut off from their neighbours, say nothing.
      if (piece.itemCount > 0) await this.#sendOne(piece, at, run);
      at += piece.itemCount;
    }
  }

  /** `from`: index in the batch of the payload's first item. */
  async #sendOne(payload: Payload, from: number, run: Run): Promise<void> {
    const backOff = new BackOff(this.#options.config.retry_on_failure, this.#options.random);
    const fail = ([reason, error]: Ending): void => {
      run.failures.push({ from, to: from + payload.itemCount, payload, error, reason });
    };
    for (;;) {
      const ending = this.#endingBefore(run);
      if (ending !== undefined) return fail(ending);
      const error = await this.#attempt(payload, run.context);
      if (error === undefined) {
        run.rejections = 0;
        return;
      }
      if (error.code === "TOO_LARGE") {
        this.#ceiling.refused(payload.byteLength, this.#clock.monotonicMs());
        const halves = halvesOf(payload);
        return halves === undefined
          ? fail(["too_large", error])
          : this.#sendEach(halves, from, run);
      }
      if (!error.retryable) {
        const halves = this.#suspects(payload, error, run);
        return halves === undefined ? fail(["rejected", error]) : this.#sendEach(halves, from, run);
      }
      const end = await this.#waitToRetry(error, backOff, run);
      if (end !== undefined) return fail(end);
    }
  }

  /** Why there is no point in an attempt. */
  #endingBefore({ deadlineMs }: Run): Ending | undefined {
    if (this.#isSurrendering) return ["surrendered", stopped()];
    if (this.#cut.signal.aborted) return ["shutdown", stopped()];
    if (deadlineMs !== undefined && this.#clock.monotonicMs() >= deadlineMs) {
      return ["send_failed", expired()];
    }
    return undefined;
  }

  /** Waits for the next attempt; or says why there will be none. */
  async #waitToRetry(
    error: TelemetryError,
    backOff: BackOff,
    { startMs, deadlineMs }: Run,
  ): Promise<Ending | undefined> {
    const { retry_on_failure: retry } = this.#options.config;
    if (this.#isSurrendering) return ["surrendered", error];
    if (this.#cut.signal.aborted) return ["shutdown", error];
    if (!retry.enabled) return ["send_failed", error];
    const nowMs = this.#clock.monotonicMs();
    const ownMs = backOff.nextMs();
    const waitMs = Math.max(
      this.#isStopping ? Math.min(ownMs, maxStoppingWaitMs) : ownMs,
      error.retryAfterMs ?? 0,
    );
    if (retry.max_elapsed_time > 0 && nowMs + waitMs > startMs + retry.max_elapsed_time) {
      return ["retries_exhausted", exhausted(error)];
    }
    if (deadlineMs !== undefined && nowMs + waitMs > deadlineMs) {
      return ["send_failed", tooLate(error)];
    }
    this.#options.settings.log.info("Exporting failed. Will retry the request after interval.", {
      error: error.message,
      interval: `${(waitMs / 1000).toFixed(3)}s`,
    });
    try {
      await sleep(this.#clock, waitMs, this.#wake.signal);
    } catch {
      // Woken early is no failure: the payload is tried again at once.
    }
    return undefined;
  }

  /** One push with its deadline; the error, or undefined. */
  async #attempt(payload: Payload, context: Context): Promise<TelemetryError | undefined> {
    const { exporter, config } = this.#options;
    const attempt = new AbortController();
    const cut = () => attempt.abort(stopped());
    this.#cut.signal.addEventListener("abort", cut, { once: true });
    const deadline =
      config.timeout > 0
        ? this.#clock.after(config.timeout, () => attempt.abort(timedOut()))
        : undefined;
    // An exporter that ignores the signal must not hold a consumer for ever.
    const ended = new Promise<never>((_, reject) => {
      attempt.signal.addEventListener("abort", () => reject(attempt.signal.reason as Error), {
        once: true,
      });
    });
    try {
      const result = await Promise.race([exporter.push(payload, context, attempt.signal), ended]);
      this.#noteTaken(payload, result.rejectedItems ?? 0, result.message);
      return undefined;
    } catch (error) {
      return asTelemetryError(error);
    } finally {
      deadline?.cancel();
      this.#cut.signal.removeEventListener("abort", cut);
    }
  }

  #noteTaken(payload: Payload, rejectedItems: number, message: string | undefined): void {
    const rejected = Math.min(Math.max(rejectedItems, 0), payload.itemCount);
    this.#ceiling.taken(payload.byteLength);
    this.#options.onTaken(payload.itemCount, rejected);
    if (rejected === 0 && message === undefined) return;
    this.#options.settings.log.warn("Partial success response", {
      message: message ?? "",
      dropped_items: rejected,
    });
  }

  /** The halves of a rejected payload, if one request in it may be to blame. */
  #suspects(payload: Payload, error: TelemetryError, run: Run): readonly Payload[] | undefined {
    run.rejections++;
    if (run.rejections > maxRejectionsInARow || !isAboutData(error)) return undefined;
    return halveAtSeams(payload);
  }
}

/** Every attempt and every wait listens to it: more than the ten at which Node 22 suspects a leak. */
function controllerForMany(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

type Ending = readonly [FailureReason, TelemetryError];

/** Along a seam where there is one: no bytes are copied then. Undefined: a single item. */
function halvesOf(payload: Payload): readonly Payload[] | undefined {
  if (payload.itemCount < 2) return undefined;
  return halveAtSeams(payload) ?? split(payload, { maxItems: Math.ceil(payload.itemCount / 2) });
}

const isAboutData = ({ code, status }: TelemetryError) =>
  code === "MALFORMED_DATA" ||
  (code === "BACKEND_REJECTED" && (status === undefined || dataCodes.has(status.code)));

const stopped = () =>
  new TelemetryError("SHUTTING_DOWN", "the exporter is shutting down", { retryable: true });

const timedOut = () =>
  new TelemetryError("TIMEOUT", "context deadline exceeded", { retryable: true });

const expired = () =>
  new TelemetryError("TIMEOUT", "request is cancelled or timed out: context deadline exceeded", {
    retryable: true,
  });

const tooLate = (cause: TelemetryError) =>
  new TelemetryError("TIMEOUT", `request will be cancelled before next retry: ${cause.message}`, {
    retryable: true,
    cause,
  });

const exhausted = (cause: TelemetryError) =>
  new TelemetryError("RETRIES_EXHAUSTED", `no more retries left: ${cause.message}`, {
    retryable: true,
    status: cause.status,
    cause,
  });
