/**
 * What stands between an edge and an exporter, for one signal:
 *
 *     consume -> sending_queue -> batch -> num_consumers x [ cut to the ceiling -> attempt with timeout -> push ]
 *                                                             ^ retry with back-off, halve, bisect
 *
 * - With a queue, consume answers as soon as the payload is booked, or with its result (wait_for_result).
 *   Without one (sending_queue.enabled: false) every caller waits for its own chain.
 * - A payload takes room in the queue, and its heldBytes in the budget, until the last of its items has been
 *   delivered, dropped or handed over; so queue_size bounds what waits and what is on its way together.
 * - A caller that waits for its result gets the error and keeps the data, unless a part was delivered: then the
 *   rest is dropped, since sending all again would deliver that part twice.
 * - Rejected for good: bisected along the seams where the code is about data (sender.ts), so one poisoned request
 *   does not take its neighbours along. Too large: halved, and the size is remembered (size-ceiling.ts).
 * - A timed-out attempt may have arrived: it is sent again. Only there (and at a reload that cuts an attempt) can
 *   a destination see a payload twice.
 * - accepted == sent + held + dropped{reason}, at any quiet moment.
 */
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
import { batchSizerOf, type DeliveryConfig } from "../config/fragments/delivery.ts";
import { TelemetryError } from "../errors.ts";
import { Accounts } from "./accounts.ts";
import { Batcher } from "./batcher.ts";
import { destinationOf } from "./destination.ts";
import { Fifo } from "./fifo.ts";
import type { Batch, FailureReason, Job, Share, Waiter } from "./job.ts";
import { Room } from "./room.ts";
import { Sender } from "./sender.ts";
import { SizeHistograms } from "./size-histograms.ts";

export interface DeliveryOptions {
  readonly exporter: Exporter;
  readonly signal: Signal;
  readonly config: DeliveryConfig;
  readonly settings: Settings;
  /** Evenly distributed in [0, 1), for the jitter of waits. */
  readonly random?: () => number;
}

export interface Delivery extends Stage {
  /** QUEUE_FULL, retryable; TOO_LARGE, permanent; SHUTTING_DOWN, retryable. */
  ready(payload: Payload, context: Context): TelemetryError | undefined;
  held(): HeldCounts;
  surrender(): Promise<readonly HeldPayload[]>;
  shutdown(abort: AbortSignal): Promise<void>;
  /** Monotonic time of the last successful push; 0: none yet. */
  readonly lastSuccessMs: number;
}

/** The chain in front of an exporter, for one signal. The exporter's own start and shutdown are not called. */
export function createDelivery(options: DeliveryOptions): Delivery {
  return new DeliveryStage(options);
}

/** A reload waits so long for running attempts before it hands their payloads over unanswered. */
const surrenderWaitMs = 10_000;

class DeliveryStage implements Delivery {
  readonly #config: DeliveryConfig;
  readonly #settings: Settings;
  readonly #sender: Sender;
  readonly #batcher: Batcher | undefined;
  readonly #room: Room;
  readonly #consumers: number;
  readonly #accounts: Accounts;
  /** Where there is a queue. */
  readonly #sizes: SizeHistograms | undefined;
  /** Batches that no consumer has taken yet, oldest first. */
  readonly #queue = new Fifo<Batch>();
  #inFlight = 0;
  #isStopping = false;
  #isSurrendering = false;
  #onIdle: (() => void)[] = [];

  constructor({ exporter, signal, config, settings, random = Math.random }: DeliveryOptions) {
    const queue = config.sending_queue;
    this.#config = config;
    this.#settings = settings;
    const destination = destinationOf(exporter, signal);
    const closed = (job: Job) => this.#room.give(job.size);
    this.#accounts = new Accounts({ settings, signal, destination, closed });
    this.#consumers = queue?.num_consumers ?? Number.POSITIVE_INFINITY;
    this.#room = new Room(queue?.queue_size ?? Number.POSITIVE_INFINITY, settings.clock);
    const onTaken = (items: number, rejected: number) => this.#accounts.taken(items, rejected);
    this.#sender = new Sender({ exporter, config, settings, random, onTaken });
    if (queue?.batch !== undefined) {
      this.#batcher = new Batcher({
        config: queue.batch,
        sizer: batchSizerOf(queue),
        clock: settings.clock,
        emit: (batch) => this.#enqueue(batch),
      });
    }
    if (queue !== undefined) {
      const sent = queue.batch === undefined ? undefined : destination;
      this.#sizes = new SizeHistograms(settings, sent);
    }
    this.#registerGauges(signal);
  }

  ready(payload: Payload): TelemetryError | undefined {
    if (this.#isStopping) return stopping();
    const size = this.#sizeOf(payload);
    if (size > this.#room.capacity) return larger(size, this.#room.capacity);
    if (this.#room.fits(size) || this.#config.sending_queue?.block_on_overflow) return undefined;
    return queueFull();
  }

  consume(payload: Payload, context: Context): Promise<void> {
    if (payload.itemCount === 0) return done;
    this.#sizes?.offered(payload);
    const refusal = this.ready(payload);
    if (refusal !== undefined) return Promise.reject(this.#refused(payload, refusal));
    const size = this.#sizeOf(payload);
    this.#settings.budget.reserve(payload.heldBytes);
    if (this.#room.fits(size)) return this.#take(payload, context, size);
    return this.#waitForRoom(payload, context, size);
  }

  held(): HeldCounts {
    return this.#accounts.held();
  }

  get lastSuccessMs(): number {
    return this.#accounts.lastSuccessMs;
  }

  async surrender(): Promise<readonly HeldPayload[]> {
    this.#isStopping = true;
    this.#isSurrendering = true;
    this.#room.refuseWaiting(stopping());
    this.#batcher?.flush();
    const waiting = this.#queue.drain();
    this.#sender.surrender();
    const patience = this.#settings.clock.after(surrenderWaitMs, () => this.#sender.cut());
    await this.#whenIdle();
    patience.cancel();
    for (const batch of waiting) this.#giveUp(batch, "surrendered");
    return this.#accounts.takeSurrendered();
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    this.#isStopping = true;
    this.#room.refuseWaiting(stopping());
    this.#batcher?.flush();
    this.#sender.stop();
    const cut = () => {
      for (const batch of this.#queue.drain()) this.#giveUp(batch, "shutdown");
      this.#sender.cut();
    };
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await this.#whenIdle();
    abort.removeEventListener("abort", cut);
    this.#accounts.logLost();
  }

  #registerGauges(signal: Signal): void {
    const { meter, id } = this.#settings;
    const labels = { exporter: id.text, data_type: signal };
    meter.gauge("otelcol_exporter_in_flight_requests", () => this.#inFlight, labels);
    if (this.#config.sending_queue === undefined) return;
    meter.gauge("otelcol_exporter_queue_size", () => this.#room.used, labels);
    meter.gauge("otelcol_exporter_queue_capacity", () => this.#room.capacity, labels);
  }

  #whenIdle(): Promise<void> {
    if (this.#isIdle()) return done;
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #isIdle(): boolean {
    return this.#inFlight === 0 && this.#queue.length === 0;
  }

  #sizeOf(payload: Payload): number {
    const queue = this.#config.sending_queue;
    if (queue === undefined) return 0;
    if (queue.sizer === "items") return payload.itemCount;
    return queue.sizer === "bytes" ? payload.byteLength : 1;
  }

  #refused(payload: Payload, error: TelemetryError): TelemetryError {
    if (this.#config.sending_queue !== undefined) this.#accounts.refused(payload);
    return error;
  }

  /** The budget counts the payload while it waits: its bytes are kept alive here. */
  #waitForRoom(payload: Payload, context: Context, size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // Takes its room in the same step in which it is let in: nobody can come between.
      this.#room.wait(size, context.deadlineMs, queueFull(), (error) => {
        if (error === undefined) {
          resolve(this.#take(payload, context, size));
          return;
        }
        this.#settings.budget.release(payload.heldBytes);
        reject(this.#refused(payload, error));
      });
    });
  }

  #take(payload: Payload, context: Context, size: number): Promise<void> {
    const queue = this.#config.sending_queue;
    if (queue !== undefined && !queue.wait_for_result) {
      this.#book(payload, context, size);
      return done;
    }
    return new Promise((resolve, reject) => {
      this.#book(payload, context, size, { resolve, reject });
    });
  }

  #book(payload: Payload, context: Context, size: number, waiter?: Waiter): void {
    const job: Job = {
      payload,
      context,
      size,
      waiter,
      openItems: payload.itemCount,
      sentItems: 0,
      failures: [],
    };
    this.#accounts.open(job);
    this.#room.take(size);
    if (this.#batcher !== undefined) this.#batcher.add(job);
    else this.#enqueue({ payload, context, shares: [{ job, from: 0, to: payload.itemCount }] });
  }

  #enqueue(batch: Batch): void {
    this.#queue.push(batch);
    this.#startConsumers();
  }

  #startConsumers(): void {
    while (this.#inFlight < this.#consumers && !this.#isSurrendering) {
      const batch = this.#queue.shift();
      if (batch === undefined) return;
      this.#inFlight++;
      void this.#send(batch);
    }
  }

  async #send(batch: Batch): Promise<void> {
    const { payload, context, shares } = batch;
    this.#sizes?.sent(payload);
    const failures = await this.#sender.send(payload, context, deadlineOf(shares));
    this.#inFlight--;
    this.#accounts.settle(batch, failures);
    this.#startConsumers();
    if (!this.#isIdle()) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Ends a batch that was never sent. */
  #giveUp({ payload, context, shares }: Batch, reason: FailureReason): void {
    const failure = { from: 0, to: payload.itemCount, payload, error: stopping(), reason };
    this.#accounts.settle({ payload, context, shares }, [failure]);
  }
}

const done: Promise<void> = Promise.resolve();

/** When the last of those who wait for the batch's result gives up; undefined: somebody never does. */
function deadlineOf(shares: readonly Share[]): number | undefined {
  let latestMs = 0;
  for (const { job } of shares) {
    const { deadlineMs } = job.context;
    if (job.waiter === undefined || deadlineMs === undefined) return undefined;
    latestMs = Math.max(latestMs, deadlineMs);
  }
  return latestMs;
}

const queueFull = () =>
  new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });

/** It will never fit; whoever sent it may send less at once. */
const larger = (size: number, capacity: number) =>
  new TelemetryError("TOO_LARGE", `element size too large: ${size}, queue_size is ${capacity}`);

const stopping = () =>
  new TelemetryError("SHUTTING_DOWN", "the sending queue is stopped", { retryable: true });
