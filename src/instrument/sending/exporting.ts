import type { Clock } from "../../clock.ts";
import type { Family } from "../metrics/family.ts";
import { messageOf, type Problems } from "../problems.ts";
import type { Settings } from "../settings.ts";
import type { FlushResult } from "../types.ts";
import { postBlocking } from "./blocking-post.ts";
import { type EncodedRequest, Encoder } from "./encoder.ts";
import { nameOf, Poster, type Target } from "./post.ts";
import { type QueuedRequest, Sender } from "./sender.ts";

/** With room for the last point below 1 MiB, a size of the encoder's buffer. */
const maxRequestBytes = 1_000_000;
/** A third of what the event loop may stall: one slice can meet a garbage collection. */
const sliceMs = 5;
/** Of the time to leave, what the end of the process itself takes. */
const exitReserveMs = 40;

type Pass = Generator<EncodedRequest | undefined, void>;

export interface ExportingOptions {
  readonly target: Target;
  readonly settings: Settings;
  readonly families: () => readonly Family[];
  readonly clock: Clock;
  readonly problems: Problems;
}

/** Collects at the interval and sends: the way of the points from the instruments to the service. */
export class Exporting {
  readonly #options: ExportingOptions;
  readonly #encoder: Encoder;
  readonly #poster: Poster;
  readonly #sender: Sender;
  readonly #startMs: number;
  #previousMs: number;
  #pass: Pass | undefined;
  /** A request between the encoder and the queue. */
  #inHand: EncodedRequest | undefined;
  #collecting: Promise<void> | undefined;
  #isOver = false;

  constructor(options: ExportingOptions) {
    const { target, settings, clock, problems } = options;
    this.#options = options;
    this.#encoder = new Encoder({
      resource: settings.resource,
      isDelta: settings.isDelta,
      maxRequestBytes: Math.min(maxRequestBytes, settings.maxQueueBytes / 4),
      sliceMs,
    });
    this.#poster = new Poster(target, settings.timeoutMs, clock);
    this.#sender = new Sender({
      service: nameOf(target),
      post: (body, isGzip) => this.#poster.post(body, isGzip),
      maxQueueBytes: settings.maxQueueBytes,
      mayPushOut: !settings.isDelta,
      clock,
      problems,
      random: Math.random,
    });
    this.#startMs = clock.now();
    this.#previousMs = this.#startMs;
  }

  get counts(): { readonly exported: number; readonly dropped: number; readonly failures: number } {
    return this.#sender;
  }

  /** A collection that is due while one is under way is left out: the next one holds its increments. */
  collectIfIdle(): void {
    if (this.#collecting === undefined) void this.#collect();
  }

  async flush(timeoutMs: number): Promise<FlushResult> {
    if (this.#isOver) return { ok: false, points: 0, dropped: 0, error: "it is shut down" };
    const sender = this.#sender;
    const before = { exported: sender.exported, dropped: sender.dropped };
    const isInTime = await withinTime(this.#collectAndDrain(), timeoutMs);
    const dropped = sender.dropped - before.dropped;
    const ok = isInTime && dropped === 0;
    const error = sender.lastError ?? `not done within ${timeoutMs} ms`;
    const result = { ok, points: sender.exported - before.exported, dropped };
    return ok ? result : { ...result, error };
  }

  /** Sends what is left while the process ends; blocks for at most limitMs. */
  flushBlocking(limitMs: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (limitMs === 0) return;
    const { problems } = this.#options;
    problems.leave();
    try {
      this.#sendBlocking(performance.now() + limitMs - exitReserveMs);
    } catch (error) {
      problems.report("exit_flush_failed", messageOf(error));
    }
  }

  #sendBlocking(deadlineMs: number): void {
    const { target, problems } = this.#options;
    const requests = this.#remaining();
    if (requests.length === 0) return;
    const isInTime = performance.now() < deadlineMs;
    const arrived = isInTime ? postBlocking(target, requests, deadlineMs) : 0;
    if (arrived === requests.length) return;
    const outcome = `${arrived} of ${requests.length} requests arrived in time`;
    problems.report(
      "export_failed",
      `cannot send the last metrics to ${nameOf(target)}: ${outcome}`,
    );
  }

  close(): void {
    this.#isOver = true;
    this.#sender.close();
    this.#poster.close();
  }

  /** Cumulative points as they are now; of delta points also all that have not arrived. */
  #remaining(): QueuedRequest[] {
    const { isDelta } = this.#options.settings;
    const requests = isDelta ? [...this.#sender.pending] : [];
    if (isDelta && this.#inHand !== undefined) requests.push({ ...this.#inHand, isGzip: false });
    if (isDelta && this.#pass !== undefined) requests.push(...complete(this.#pass));
    requests.push(...complete(this.#newPass()));
    return requests;
  }

  async #collectAndDrain(): Promise<void> {
    // First, so that a service that is back makes room: a collection may wait for it, or push out what does not fit.
    this.#sender.hurry();
    // One that is under way may have passed what was recorded last.
    while (this.#collecting !== undefined) await this.#collecting;
    await this.#collect();
    await this.#sender.drained();
  }

  #collect(): Promise<void> {
    const run = this.#runPass().catch((error: unknown) => {
      this.#options.problems.report("collect_failed", messageOf(error));
    });
    this.#collecting = run.finally(() => {
      this.#collecting = undefined;
      this.#pass = undefined;
    });
    return this.#collecting;
  }

  #newPass(): Pass {
    const nowMs = this.#options.clock.now();
    const times = { startMs: this.#startMs, previousMs: this.#previousMs, nowMs };
    this.#previousMs = nowMs;
    return this.#encoder.encode(this.#options.families(), times);
  }

  async #runPass(): Promise<void> {
    const pass = this.#newPass();
    this.#pass = pass;
    for (const request of pass) {
      if (this.#isOver) return;
      if (request === undefined) await nextTurn();
      else await this.#enqueue(request);
    }
  }

  async #enqueue(request: EncodedRequest): Promise<void> {
    this.#inHand = request;
    const queued = this.#options.settings.isGzip
      ? { body: await compressed(request.body), points: request.points, isGzip: true }
      : { ...request, isGzip: false };
    await this.#sender.room(queued.body.length);
    this.#inHand = undefined;
    this.#sender.enqueue(queued);
  }
}

/** The rest of a collection, without pauses. */
function complete(pass: Pass): QueuedRequest[] {
  const requests: QueuedRequest[] = [];
  for (const request of pass) {
    if (request !== undefined) requests.push({ ...request, isGzip: false });
  }
  return requests;
}

const nextTurn = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

/** Level 1, in the thread pool: a quarter of the time of level 6 for 12 % more bytes. */
function compressed(body: Uint8Array): Promise<Uint8Array> {
  const { gzip } = process.getBuiltinModule("node:zlib");
  return new Promise((resolve, reject) => {
    gzip(body, { level: 1 }, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}

/** Longest delay that setTimeout honours; a longer one would fire at once. */
const maxDelayMs = 2 ** 31 - 1;

/** The timer is what keeps the process alive while the application waits for a flush. */
async function withinTime(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), Math.min(timeoutMs, maxDelayMs));
  work.then(
    () => resolve(true),
    () => resolve(false),
  );
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
