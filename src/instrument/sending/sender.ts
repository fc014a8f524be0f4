import type { Clock, Timer } from "../../clock.ts";
import { messageOf, type Problems } from "../problems.ts";
import { readRejection } from "./partial-success.ts";
import type { Answer } from "./post.ts";

export interface QueuedRequest {
  readonly body: Uint8Array;
  readonly points: number;
  readonly isGzip: boolean;
}

export interface SenderOptions {
  /** Where to, for messages. */
  readonly service: string;
  readonly post: (body: Uint8Array, isGzip: boolean) => Promise<Answer>;
  readonly maxQueueBytes: number;
  /** Of cumulative points the newest say it all; delta points are never pushed out, their source waits. */
  readonly mayPushOut: boolean;
  readonly clock: Clock;
  readonly problems: Problems;
  /** Within 0 and 1; for the spread of waiting times. */
  readonly random: () => number;
}

const firstBackOffMs = 1000;
const maxBackOffMs = 30_000;
/** Answers after which OTLP/HTTP sends again. */
const retryable = new Set([429, 502, 503, 504]);

/** Requests in order, one at a time; the same bytes again until they arrive or are refused for good. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #queue: QueuedRequest[] = [];
  #queuedBytes = 0;
  #isInFlight = false;
  #waiting: Timer | undefined;
  /** The server named the time: a flush does not come before. */
  #isWaitingForServer = false;
  #failuresInARow = 0;
  #isClosed = false;
  readonly #onChange = new Set<() => void>();
  exported = 0;
  dropped = 0;
  failures = 0;
  lastError: string | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What has not arrived, the one that is under way included: its answer may never be seen. */
  get pending(): readonly QueuedRequest[] {
    return this.#queue;
  }

  enqueue(request: QueuedRequest): void {
    if (this.#isClosed) {
      this.dropped += request.points;
      return;
    }
    this.#queue.push(request);
    this.#queuedBytes += request.body.length;
    if (this.#options.mayPushOut) this.#pushOut();
    this.#send();
  }

  /** Resolves when so many bytes fit, or waiting would not help: nothing is sent for a while. */
  async room(bytes: number): Promise<void> {
    while (!this.#isClosed && !this.isEmpty && !this.#fits(bytes)) {
      if (this.#options.mayPushOut && this.#waiting !== undefined) return;
      await this.#changed();
    }
  }

  /** Ends a pause of our own choice; those to come begin at the shortest. */
  hurry(): void {
    if (this.#waiting === undefined || this.#isWaitingForServer) return;
    this.#failuresInARow = 0;
    this.#resume();
  }

  /** Resolves when all is sent. */
  async drained(): Promise<void> {
    this.hurry();
    while (!this.isEmpty && !this.#isClosed) await this.#changed();
  }

  /** Gives up what waits. */
  close(): void {
    this.#isClosed = true;
    this.#waiting?.cancel();
    for (const { points } of this.#queue) this.dropped += points;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#tellChange();
  }

  #fits(bytes: number): boolean {
    return this.#queuedBytes + bytes <= this.#options.maxQueueBytes;
  }

  #pushOut(): void {
    const oldest = this.#isInFlight ? 1 : 0;
    while (this.#queue.length > oldest + 1 && !this.#fits(0)) {
      const [{ points, body }] = this.#queue.splice(oldest, 1) as [QueuedRequest];
      this.#queuedBytes -= body.length;
      this.dropped += points;
      const message = "the queue is full; the oldest points are dropped (later totals hold them)";
      this.#options.problems.report("queue_full", message);
    }
  }

  #send(): void {
    const [request] = this.#queue;
    if (request === undefined || this.#isInFlight || this.#waiting !== undefined) return;
    this.#isInFlight = true;
    this.#options.post(request.body, request.isGzip).then(
      (answer) => this.#answered(request, answer),
      (error: unknown) => this.#failed(messageOf(error), undefined),
    );
  }

  #answered(request: QueuedRequest, { status, retryAfterMs, body }: Answer): void {
    const isGood = status >= 200 && status < 300;
    if (!isGood && retryable.has(status)) return this.#failed(`HTTP ${status}`, retryAfterMs);
    const rejection = isGood ? readRejection(body) : { points: request.points, message: "" };
    const rejected = Math.min(rejection.points, request.points);
    if (!isGood) this.failures++;
    if (rejected > 0) this.#refused(isGood ? rejection.message : `HTTP ${status}`);
    this.#done(request, rejected);
  }

  #refused(reason: string): void {
    this.lastError = `${this.#options.service} refused points: ${reason}`;
    this.#options.problems.report("points_refused", this.lastError);
  }

  #done(request: QueuedRequest, rejected: number): void {
    this.#isInFlight = false;
    this.#failuresInARow = 0;
    // Closed meanwhile: it was counted as dropped, but has arrived.
    if (this.#isClosed) this.dropped -= request.points;
    else this.#queue.shift();
    if (!this.#isClosed) this.#queuedBytes -= request.body.length;
    this.exported += request.points - rejected;
    this.dropped += rejected;
    this.#tellChange();
    this.#send();
  }

  #failed(reason: string, retryAfter: number | undefined): void {
    this.#isInFlight = false;
    // Its connection was closed by us.
    if (this.#isClosed) return;
    this.failures++;
    this.#failuresInARow++;
    this.lastError = `cannot send metrics to ${this.#options.service}: ${reason}`;
    this.#options.problems.report("export_failed", `${this.lastError}; it is tried again`);
    this.#isWaitingForServer = retryAfter !== undefined;
    const delayMs = retryAfter ?? this.#backOffMs();
    this.#waiting = this.#options.clock.after(delayMs, () => this.#resume());
    if (this.#options.mayPushOut) this.#pushOut();
    this.#tellChange();
  }

  #backOffMs(): number {
    const fullMs = Math.min(firstBackOffMs * 2 ** (this.#failuresInARow - 1), maxBackOffMs);
    return fullMs * (0.5 + this.#options.random() / 2);
  }

  #resume(): void {
    this.#waiting?.cancel();
    this.#waiting = undefined;
    this.#send();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange.add(resolve);
    });
  }

  #tellChange(): void {
    for (const resolve of this.#onChange) resolve();
    this.#onChange.clear();
  }
}
