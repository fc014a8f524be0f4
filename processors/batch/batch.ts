/**
 * Joins requests into batches. What it has taken it keeps: a batch that the next component refuses retryably is
 * handed over again, and new input is refused once the outbox is full.
 *
 *     consume -> open batch (one for each combination of metadata values) -> outbox -> next
 */
import { type Clock, sleep, type Timer } from "../../src/clock.ts";
import type {
  Context,
  Edge,
  HeldCounts,
  HeldPayload,
  Metadata,
  Payload,
  Settings,
  Stage,
} from "../../src/component.ts";
import { Fifo } from "../../src/delivery/fifo.ts";
import { MetadataPartition } from "../../src/delivery/metadata-partition.ts";
import { asTelemetryError, TelemetryError } from "../../src/errors.ts";
import { concat } from "../../src/pdata/concat.ts";
import { split } from "../../src/pdata/split.ts";
import type { BatchConfig } from "./config.ts";

/**
 * Full batches that may wait for the next component before new input is refused; as many as a queue's consumers.
 * Small ones (timeout 0) may be more: many requests in one tick are no sign of a slow next component.
 */
const maxOutbox = 10;
const firstRetryMs = 100;
const maxRetryMs = 5000;

interface OpenBatch {
  readonly metadata: Metadata | undefined;
  payloads: Payload[];
  items: number;
  receivedMs: number;
  timer: Timer | undefined;
}

interface BatchOptions {
  readonly config: BatchConfig;
  readonly settings: Settings;
  readonly next: Edge;
}

type Trigger = "size" | "timeout" | "shutdown";

interface Batch extends HeldPayload {
  readonly trigger: Trigger;
}

export class BatchStage implements Stage {
  readonly #config: BatchConfig;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #next: Edge;
  readonly #partition: MetadataPartition;
  /** Without a timer everything goes on at once. */
  readonly #hasTimer: boolean;
  readonly #open = new Map<string, OpenBatch>();
  readonly #outbox = new Fifo<Batch>();
  readonly #metrics: ReturnType<typeof metricsOf>;
  /** The oldest batch: on its way, or waiting to be handed over again. */
  #current: Batch | undefined;
  #isOnItsWay = false;
  /** The loop over the outbox; undefined: it rests. */
  #sending: Promise<void> | undefined;
  /** Ends the wait between two attempts. */
  #wake = new AbortController();
  #isStopping = false;
  /** Nothing is handed over any more. */
  #isEnded = false;
  /** Nobody comes back for what is refused now. */
  #isCut = false;
  #heldItems = 0;
  #heldBytes = 0;
  /** Of those held, the ones in batches that are closed. */
  #postedItems = 0;

  constructor({ config, settings, next }: BatchOptions) {
    this.#config = config;
    this.#settings = settings;
    this.#clock = settings.clock;
    this.#next = next;
    this.#partition = new MetadataPartition(config.metadata_keys);
    this.#hasTimer = config.timeout > 0 && config.send_batch_size > 0;
    this.#metrics = metricsOf(settings);
    settings.meter.gauge(
      "otelcol_processor_batch_metadata_cardinality",
      () => (this.#config.metadata_keys.length === 0 ? 1 : this.#open.size),
      { processor: settings.id.text },
    );
  }

  ready(_payload: Payload, context: Context): TelemetryError | undefined {
    return this.#refusalOf(this.#partition.keyOf(context));
  }

  consume(payload: Payload, context: Context): Promise<void> {
    const key = this.#partition.keyOf(context);
    const refusal = this.#refusalOf(key);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#settings.budget.reserve(payload.heldBytes);
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
    this.#add(this.#open.get(key) ?? this.#begin(key, context), payload, context);
    return done;
  }

  held(): HeldCounts {
    return { items: this.#heldItems, bytes: this.#heldBytes };
  }

  async surrender(): Promise<readonly HeldPayload[]> {
    this.#isStopping = true;
    this.#isEnded = true;
    this.#wake.abort();
    await this.#sending;
    const given: HeldPayload[] = this.#takeWaiting();
    for (const open of this.#open.values()) given.push(...takeOpen(open));
    for (const { payload } of given) {
      this.#settings.budget.release(payload.heldBytes);
      this.#forget(payload);
    }
    this.#postedItems = 0;
    return given;
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    this.#isStopping = true;
    for (const open of this.#open.values()) this.#close(open, "shutdown");
    this.#wake.abort();
    await this.#untilSent(abort);
    this.#isEnded = true;
    this.#isCut = true;
    this.#wake.abort();
    for (const { payload } of this.#takeWaiting()) {
      this.#settings.budget.release(payload.heldBytes);
      this.#forgetBatch(payload);
      this.#settings.drop("shutdown", payload.itemCount);
    }
  }

  /** What is on its way when the time is up is answered by those behind, which are stopped next. */
  #untilSent(abort: AbortSignal): Promise<void> {
    if (this.#sending === undefined || abort.aborted) return done;
    const sending = this.#sending;
    return new Promise((resolve) => {
      const end = () => {
        abort.removeEventListener("abort", end);
        resolve();
      };
      abort.addEventListener("abort", end);
      void sending.then(end);
    });
  }

  #refusalOf(key: string): TelemetryError | undefined {
    if (this.#isStopping) return stopping();
    if (this.#isFull()) return full();
    const { metadata_cardinality_limit: limit, metadata_keys } = this.#config;
    if (limit === 0 || metadata_keys.length === 0) return undefined;
    return this.#open.has(key) || this.#open.size < limit ? undefined : tooManyCombinations();
  }

  #isFull(): boolean {
    const batches = this.#outbox.length + (this.#current === undefined ? 0 : 1);
    return batches >= maxOutbox && this.#postedItems >= maxOutbox * this.#config.send_batch_size;
  }

  #begin(key: string, context: Context): OpenBatch {
    const metadata = this.#partition.commonMetadata(context);
    const open = { metadata, payloads: [], items: 0, receivedMs: 0, timer: undefined };
    this.#open.set(key, open);
    return open;
  }

  #add(open: OpenBatch, payload: Payload, context: Context): void {
    if (open.payloads.length === 0) open.receivedMs = context.receivedMs;
    open.payloads.push(payload);
    open.items += payload.itemCount;
    if (!this.#hasTimer || open.items >= this.#config.send_batch_size) this.#close(open, "size");
    else this.#startTimer(open);
  }

  #startTimer(open: OpenBatch): void {
    open.timer ??= this.#clock.after(this.#config.timeout, () => this.#close(open, "timeout"));
  }

  /** Moves an open batch to the outbox; after a size trigger a rest below send_batch_size stays open. */
  #close(open: OpenBatch, trigger: Trigger): void {
    open.timer?.cancel();
    open.timer = undefined;
    if (open.payloads.length === 0) return;
    const pieces = this.#cut(concat(open.payloads));
    // Pieces share buffers and have headers of their own: what they hold is not what was booked.
    this.#rebook(heldBytesOf(pieces) - heldBytesOf(open.payloads));
    open.payloads = [];
    open.items = 0;
    const rest = trigger === "size" ? this.#restOf(pieces) : undefined;
    if (rest !== undefined) {
      pieces.pop();
      open.payloads.push(rest);
      open.items = rest.itemCount;
      this.#startTimer(open);
    }
    const context: Context = { receivedMs: open.receivedMs, metadata: open.metadata };
    for (const payload of pieces) {
      this.#outbox.push({ payload, context, trigger });
      this.#postedItems += payload.itemCount;
    }
    this.#startSending();
  }

  /** The last piece, if it waits for more. */
  #restOf(pieces: readonly Payload[]): Payload | undefined {
    const last = pieces.at(-1)!;
    const isRest = pieces.length > 1 && last.itemCount < this.#config.send_batch_size;
    return this.#hasTimer && isRest ? last : undefined;
  }

  /** Pieces of at most send_batch_max_size. */
  #cut(joined: Payload): Payload[] {
    const { send_batch_max_size } = this.#config;
    if (send_batch_max_size === 0 || joined.itemCount <= send_batch_max_size) return [joined];
    return split(joined, { maxItems: send_batch_max_size });
  }

  #rebook(bytes: number): void {
    if (bytes > 0) this.#settings.budget.reserve(bytes);
    else this.#settings.budget.release(-bytes);
    this.#heldBytes += bytes;
  }

  #startSending(): void {
    if (this.#sending !== undefined || this.#isEnded) return;
    this.#sending = this.#send();
  }

  /** Hands the outbox over, oldest first; keeps what is refused retryably. */
  async #send(): Promise<void> {
    let delayMs = firstRetryMs;
    while (!this.#isEnded) {
      this.#current ??= this.#outbox.shift();
      if (this.#current === undefined) break;
      const error = await this.#handOver(this.#current);
      if (error === undefined) {
        delayMs = firstRetryMs;
        continue;
      }
      if (this.#isEnded) break;
      this.#settings.log.warn(
        "The next component refused a batch; it is kept and handed over again.",
        { error: error.message, items: this.#current.payload.itemCount },
      );
      await this.#pause(Math.max(delayMs, error.retryAfterMs ?? 0));
      delayMs = Math.min(delayMs * 2, maxRetryMs);
    }
    // In the same step as the decision to rest: what is posted from now on starts it again.
    this.#sending = undefined;
  }

  /** Woken early is no failure: the batch is tried again at once. */
  async #pause(delayMs: number): Promise<void> {
    this.#wake = new AbortController();
    await sleep(this.#clock, delayMs, this.#wake.signal).catch(() => {});
  }

  /** Undefined: the batch was taken, or dropped. */
  async #handOver(batch: Batch): Promise<TelemetryError | undefined> {
    const { payload, context } = batch;
    this.#isOnItsWay = true;
    // Whoever takes it has booked it when the call returns.
    this.#settings.budget.release(payload.heldBytes);
    const error = await this.#next
      .consume(payload, context)
      .then(() => undefined, asTelemetryError);
    // From here on in one step: others look at what is held in between.
    this.#isOnItsWay = false;
    if (error?.retryable === true && !this.#isCut) {
      this.#settings.budget.reserve(payload.heldBytes);
      return error;
    }
    this.#current = undefined;
    this.#forgetBatch(payload);
    if (error === undefined) this.#noteSent(batch);
    else this.#lose(batch, error);
    return undefined;
  }

  #noteSent({ payload, trigger }: Batch): void {
    this.#metrics.sendSize.record(payload.itemCount);
    this.#metrics.sendSizeBytes.record(payload.byteLength);
    if (trigger === "size") this.#metrics.sizeTrigger.add(1);
    if (trigger === "timeout") this.#metrics.timeoutTrigger.add(1);
  }

  #lose({ payload }: Batch, cause: TelemetryError): void {
    this.#settings.drop(cause.retryable ? "shutdown" : "rejected", payload.itemCount);
    this.#settings.log.error("The next component refused a batch for good; it is dropped.", {
      error: cause.message,
      items: payload.itemCount,
    });
  }

  /** Takes what is not on its way, oldest first. */
  #takeWaiting(): Batch[] {
    const waiting = this.#outbox.drain();
    if (this.#current === undefined || this.#isOnItsWay) return waiting;
    waiting.unshift(this.#current);
    this.#current = undefined;
    return waiting;
  }

  #forgetBatch(payload: Payload): void {
    this.#postedItems -= payload.itemCount;
    this.#forget(payload);
  }

  #forget(payload: Payload): void {
    this.#heldItems -= payload.itemCount;
    this.#heldBytes -= payload.heldBytes;
  }
}

function takeOpen(open: OpenBatch): HeldPayload[] {
  open.timer?.cancel();
  open.timer = undefined;
  const { receivedMs, metadata } = open;
  const given = open.payloads.map((payload) => ({ payload, context: { receivedMs, metadata } }));
  open.payloads = [];
  open.items = 0;
  return given;
}

const heldBytesOf = (payloads: readonly Payload[]) =>
  payloads.reduce((sum, { heldBytes }) => sum + heldBytes, 0);

const done: Promise<void> = Promise.resolve();

function metricsOf({ meter, id }: Settings) {
  const labels = { processor: id.text };
  return {
    sendSize: meter.histogram("otelcol_processor_batch_batch_send_size", labels),
    sendSizeBytes: meter.histogram("otelcol_processor_batch_batch_send_size_bytes", labels),
    sizeTrigger: meter.counter("otelcol_processor_batch_batch_size_trigger_send", labels),
    timeoutTrigger: meter.counter("otelcol_processor_batch_timeout_trigger_send", labels),
  };
}

const stopping = () =>
  new TelemetryError("SHUTTING_DOWN", "the batch processor is stopped", { retryable: true });

const full = () =>
  new TelemetryError(
    "NOT_READY",
    "the batch processor is full: the next component does not take its batches",
    { retryable: true },
  );

/** The text that the Collector's clients see (consumererror.NewPermanent puts its words before). */
const tooManyCombinations = () =>
  new TelemetryError(
    "METADATA_LIMIT",
    "Permanent error: too many batcher metadata-value combinations",
  );
