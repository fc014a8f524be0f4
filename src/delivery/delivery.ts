/**
 * What stands between an edge and an exporter:
 *
 *     consume -> sending_queue -> batch -> [num_consumers x] split to the ceiling -> attempt with timeout -> push
 *                                                            ^ retry with back-off, halve, bisect
 *
 * - With a queue, consume answers as soon as the payload is booked (or with the result: wait_for_result).
 *   Without one the caller waits for the chain.
 * - A payload counts against queue_size and the budget until each of its items has been dealt with.
 * - accepted == sent + held + dropped{reason}, at any quiet moment.
 */
import type { Timer } from "../clock.ts";
import type {
  Context,
  Exporter,
  HeldCounts,
  HeldPayload,
  Payload,
  Settings,
  Signal,
  Stage,
} from "../component.ts";
import type { DeliveryConfig } from "../config/fragments/delivery.ts";
import { TelemetryError } from "../errors.ts";
import { itemNames } from "../pdata/payload.ts";
import { Batcher } from "./batcher.ts";
import type { Batch, Failure, Job, Waiter } from "./job.ts";
import { Sender } from "./sender.ts";

export interface DeliveryOptions {
  readonly exporter: Exporter;
  readonly signal: Signal;
  readonly config: DeliveryConfig;
  readonly settings: Settings;
  /** For the jitter of waits. */
  readonly random?: () => number;
}

export interface Delivery extends Stage {
  ready(payload: Payload, context: Context): TelemetryError | undefined;
  held(): HeldCounts;
  surrender(): Promise<readonly HeldPayload[]>;
  shutdown(abort: AbortSignal): Promise<void>;
  /** Monotonic time of the last successful push; 0: none yet. */
  readonly lastSuccessMs: number;
}

/** The chain in front of an exporter, for one signal. */
export function createDelivery(options: DeliveryOptions): Delivery {
  return new DeliveryStage(options);
}

type ItemName = "spans" | "metric_points" | "log_records";

/** A caller that waits for room (block_on_overflow). */
interface Blocked {
  readonly size: number;
  admit(error?: TelemetryError): void;
}

class DeliveryStage implements Delivery {
  readonly #config: DeliveryConfig;
  readonly #settings: Settings;
  readonly #sender: Sender;
  readonly #batcher: Batcher | undefined;
  readonly #counters: ReturnType<typeof countersOf>;
  /** Batches that no consumer has taken yet, oldest first. */
  readonly #waiting: Batch[] = [];
  readonly #jobs = new Set<Job>();
  readonly #blocked: Blocked[] = [];
  #inFlight = 0;
  #queueSize = 0;
  #heldItems = 0;
  #heldBytes = 0;
  #isStopping = false;
  #isSurrendering = false;
  #onIdle: (() => void) | undefined;
  lastSuccessMs = 0;

  constructor({ exporter, signal, config, settings, random = Math.random }: DeliveryOptions) {
    this.#config = config;
    this.#settings = settings;
    this.#counters = countersOf(settings, itemNames[signal] as ItemName);
    this.#sender = new Sender({
      exporter,
      config,
      settings,
      random,
      onSent: (items) => this.#countSent(items),
    });
    const queue = config.sending_queue;
    if (queue === undefined) return;
    if (queue.batch !== undefined) {
      const inBytes = (queue.batch.sizer ?? queue.sizer) === "bytes";
      this.#batcher = new Batcher(queue.batch, inBytes, settings.clock, (batch) =>
        this.#enqueue(batch),
      );
    }
    const labels = { exporter: settings.id.text, data_type: signal };
    settings.meter.gauge("otelcol_exporter_queue_size", () => this.#queueSize, labels);
    settings.meter.gauge("otelcol_exporter_queue_capacity", () => queue.queue_size, labels);
    settings.meter.gauge("otelcol_exporter_in_flight_requests", () => this.#inFlight, labels);
  }

  ready(payload: Payload): TelemetryError | undefined {
    if (this.#isStopping) return stopping();
    const queue = this.#config.sending_queue;
    if (queue === undefined || queue.block_on_overflow) return undefined;
    return this.#fits(this.#sizeOf(payload)) ? undefined : queueFull();
  }

  consume(payload: Payload, context: Context): Promise<void> {
    if (this.#isStopping) return Promise.reject(stopping());
    const queue = this.#config.sending_queue;
    if (queue === undefined) return this.#takeWaiting(payload, context);
    const size = this.#sizeOf(payload);
    if (size > queue.queue_size)
      return this.#refuse(payload, new TelemetryError("TOO_LARGE", "element size too large"));
    if (this.#blocked.length === 0 && this.#fits(size)) return this.#take(payload, context, size);
    if (!queue.block_on_overflow) return this.#refuse(payload, queueFull());
    return this.#waitForRoom(payload, context, size);
  }

  held(): HeldCounts {
    return { items: this.#heldItems, bytes: this.#heldBytes };
  }

  async surrender(): Promise<readonly HeldPayload[]> {
    this.#isStopping = true;
    this.#isSurrendering = true;
    for (const blocked of this.#blocked.splice(0)) blocked.admit(stopping());
    const unsent = new Set([
      ...(this.#batcher?.takeAll() ?? []),
      ...this.#waiting.splice(0).flatMap(({ shares }) => shares.map(({ job }) => job)),
    ]);
    this.#sender.surrender();
    await this.#whenIdle();
    // What was cut into pieces and partly sent is handed over whole: a duplicate, never a loss.
    const given: HeldPayload[] = [];
    for (const job of [...this.#jobs].filter(
      (candidate) => unsent.has(candidate) || candidate.error !== undefined,
    )) {
      this.#forget(job);
      if (job.waiter !== undefined) job.waiter.reject(stopping());
      else given.push({ payload: job.payload, context: job.context });
    }
    return given;
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    this.#isStopping = true;
    for (const blocked of this.#blocked.splice(0)) blocked.admit(stopping());
    this.#batcher?.flushAll();
    this.#sender.wake();
    const cut = () => this.#cut();
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await this.#whenIdle();
    abort.removeEventListener("abort", cut);
  }

  /** The time is up: what waits is dropped, what is on its way is cut. */
  #cut(): void {
    for (const batch of this.#waiting.splice(0)) {
      this.#finish(batch, [
        { from: 0, to: batch.payload.itemCount, error: stopping(), reason: "shutdown" },
      ]);
    }
    this.#sender.cut();
  }

  #whenIdle(): Promise<void> {
    if (this.#inFlight === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #sizeOf(payload: Payload): number {
    const sizer = this.#config.sending_queue?.sizer;
    if (sizer === "items") return payload.itemCount;
    return sizer === "bytes" ? payload.byteLength : 1;
  }

  #fits(size: number): boolean {
    return this.#queueSize + size <= this.#config.sending_queue!.queue_size;
  }

  #refuse(payload: Payload, error: TelemetryError): Promise<never> {
    this.#counters.enqueueFailed.add(payload.itemCount);
    return Promise.reject(error);
  }

  #waitForRoom(payload: Payload, context: Context, size: number): Promise<void> {
    const { clock } = this.#settings;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const blocked: Blocked = {
        size,
        admit: (error) => {
          timer?.cancel();
          if (error !== undefined) reject(error);
          else this.#take(payload, context, size).then(resolve, reject);
        },
      };
      this.#blocked.push(blocked);
      if (context.deadlineMs === undefined) return;
      timer = clock.after(context.deadlineMs - clock.monotonicMs(), () => {
        this.#blocked.splice(this.#blocked.indexOf(blocked), 1);
        this.#refuse(payload, queueFull()).catch(reject);
      });
    });
  }

  #take(payload: Payload, context: Context, size: number): Promise<void> {
    if (this.#config.sending_queue!.wait_for_result)
      return this.#takeWaiting(payload, context, size);
    this.#book({ payload, context, size, waiter: undefined, open: 0, error: undefined });
    return done;
  }

  #takeWaiting(payload: Payload, context: Context, size = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      this.#book({ payload, context, size, waiter, open: 0, error: undefined });
    });
  }

  #book(job: Job): void {
    const { payload } = job;
    this.#settings.budget.reserve(payload.heldBytes);
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
    this.#queueSize += job.size;
    this.#jobs.add(job);
    if (this.#batcher !== undefined) return this.#batcher.add(job);
    job.open++;
    this.#enqueue({
      payload,
      context: job.context,
      shares: [{ job, from: 0, to: payload.itemCount }],
    });
  }

  #forget(job: Job): void {
    const { payload } = job;
    this.#jobs.delete(job);
    this.#settings.budget.release(payload.heldBytes);
    this.#heldItems -= payload.itemCount;
    this.#heldBytes -= payload.heldBytes;
    this.#queueSize -= job.size;
  }

  #enqueue(batch: Batch): void {
    this.#waiting.push(batch);
    this.#pump();
  }

  #pump(): void {
    const consumers = this.#config.sending_queue?.num_consumers ?? Number.POSITIVE_INFINITY;
    while (this.#inFlight < consumers) {
      const batch = this.#waiting.shift();
      if (batch === undefined) break;
      this.#inFlight++;
      void this.#sender.send(batch.payload, batch.context).then((failures) => {
        this.#inFlight--;
        this.#finish(batch, failures);
        this.#pump();
      });
    }
    if (this.#inFlight === 0 && this.#waiting.length === 0) this.#onIdle?.();
  }

  #finish(batch: Batch, failures: readonly Failure[]): void {
    for (const failure of failures) this.#attribute(batch, failure);
    for (const { job } of batch.shares) {
      if (--job.open > 0 || (this.#isSurrendering && job.error !== undefined)) continue;
      this.#forget(job);
      if (job.error === undefined) job.waiter?.resolve();
      else job.waiter?.reject(job.error);
    }
    this.#admitBlocked();
  }

  /** Whoever waits for the result gets the error and keeps the data; for the others the items are lost. */
  #attribute(batch: Batch, { from, to, error, reason }: Failure): void {
    for (const share of batch.shares) {
      const items = Math.min(to, share.to) - Math.max(from, share.from);
      if (items <= 0) continue;
      const isHandedOver = this.#isSurrendering && reason === "shutdown";
      share.job.error ??= error;
      if (isHandedOver) continue;
      this.#counters.sendFailed.add(items);
      if (share.job.waiter === undefined) this.#settings.drop(reason, items);
    }
  }

  #admitBlocked(): void {
    for (;;) {
      const first = this.#blocked[0];
      if (first === undefined || !this.#fits(first.size)) return;
      this.#blocked.shift();
      first.admit();
    }
  }

  #countSent(items: number): void {
    this.#counters.sent.add(items);
    this.lastSuccessMs = this.#settings.clock.monotonicMs();
  }
}

const done: Promise<void> = Promise.resolve();

function countersOf({ meter, id }: Settings, item: ItemName) {
  const labels = { exporter: id.text };
  return {
    sent: meter.counter(`otelcol_exporter_sent_${item}`, labels),
    sendFailed: meter.counter(`otelcol_exporter_send_failed_${item}`, labels),
    enqueueFailed: meter.counter(`otelcol_exporter_enqueue_failed_${item}`, labels),
  };
}

const queueFull = () =>
  new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });

const stopping = () =>
  new TelemetryError("SHUTTING_DOWN", "the sending queue is stopped", { retryable: true });
