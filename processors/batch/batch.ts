/**
 * Joins requests into batches. What it has taken it keeps: a batch that the next component refuses retryably
 * waits in the outbox and is handed over again, and new input is refused once the outbox is full.
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
import { asTelemetryError, TelemetryError } from "../../src/errors.ts";
import { concat } from "../../src/pdata/concat.ts";
import { split } from "../../src/pdata/split.ts";
import type { BatchConfig } from "./config.ts";

/** Batches that may wait for the next component before new input is refused; as many as a queue's consumers. */
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

export class BatchStage implements Stage {
  readonly #config: BatchConfig;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #next: Edge;
  readonly #keys: readonly string[];
  readonly #open = new Map<string, OpenBatch>();
  readonly #outbox: HeldPayload[] = [];
  readonly #metrics: ReturnType<typeof metricsOf>;
  #sending: Promise<void> | undefined;
  #isSending = false;
  /** Ends the wait between two attempts. */
  #wake = new AbortController();
  #isStopping = false;
  #isSurrendering = false;
  #abort: AbortSignal | undefined;
  #heldItems = 0;
  #heldBytes = 0;

  constructor({ config, settings, next }: BatchOptions) {
    this.#config = config;
    this.#settings = settings;
    this.#clock = settings.clock;
    this.#next = next;
    this.#keys = config.metadata_keys.map((key) => key.toLowerCase()).toSorted();
    this.#metrics = metricsOf(settings);
    settings.meter.gauge("otelcol_processor_batch_metadata_cardinality", () => this.#open.size, {
      processor: settings.id.text,
    });
  }

  ready(): TelemetryError | undefined {
    if (this.#isStopping) return stopping();
    if (this.#outbox.length < maxOutbox) return undefined;
    return new TelemetryError(
      "NOT_READY",
      "the batch processor is full: the next component does not take its batches",
      { retryable: true },
    );
  }

  consume(payload: Payload, context: Context): Promise<void> {
    const key = this.#keyOf(context);
    const refusal = this.ready() ?? this.#cardinalityRefusal(key);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#settings.budget.reserve(payload.heldBytes);
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
    this.#add(key, payload, context);
    return done;
  }

  held(): HeldCounts {
    return { items: this.#heldItems, bytes: this.#heldBytes };
  }

  async surrender(): Promise<readonly HeldPayload[]> {
    this.#isStopping = true;
    this.#isSurrendering = true;
    this.#wake.abort();
    await this.#sending;
    for (const key of this.#open.keys()) this.#close(key, "shutdown");
    await this.#sending;
    const given = this.#outbox.splice(0);
    for (const { payload } of given) this.#forget(payload);
    return given;
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    this.#isStopping = true;
    this.#abort = abort;
    for (const key of this.#open.keys()) this.#close(key, "shutdown");
    const wake = () => this.#wake.abort();
    wake();
    abort.addEventListener("abort", wake, { once: true });
    await this.#sending;
    abort.removeEventListener("abort", wake);
    for (const { payload } of this.#outbox.splice(0)) {
      this.#forget(payload);
      this.#settings.drop("shutdown", payload.itemCount);
    }
  }

  #keyOf(context: Context): string {
    if (this.#keys.length === 0) return "";
    return JSON.stringify(this.#keys.map((key) => context.metadata?.get(key) ?? []));
  }

  #cardinalityRefusal(key: string): TelemetryError | undefined {
    const limit = this.#config.metadata_cardinality_limit;
    if (limit === 0 || this.#keys.length === 0 || this.#open.has(key) || this.#open.size < limit)
      return undefined;
    return new TelemetryError("METADATA_LIMIT", "too many batcher metadata-value combinations");
  }

  #add(key: string, payload: Payload, context: Context): void {
    let open = this.#open.get(key);
    if (open === undefined) {
      open = {
        metadata: this.#metadataOf(context),
        payloads: [],
        items: 0,
        receivedMs: context.receivedMs,
        timer: undefined,
      };
      this.#open.set(key, open);
    }
    if (open.payloads.length === 0) open.receivedMs = context.receivedMs;
    open.payloads.push(payload);
    open.items += payload.itemCount;
    if (this.#config.timeout === 0) return this.#close(key, "timeout");
    if (open.items >= this.#config.send_batch_size) return this.#close(key, "size");
    open.timer ??= this.#clock.after(this.#config.timeout, () => this.#close(key, "timeout"));
  }

  /** Only the keys that all requests of the batch share. */
  #metadataOf(context: Context): Metadata | undefined {
    if (this.#keys.length === 0) return undefined;
    return new Map(
      this.#keys.flatMap((key) => {
        const values = context.metadata?.get(key);
        return values === undefined ? [] : [[key, values] as const];
      }),
    );
  }

  /** Moves an open batch to the outbox; after a size trigger a rest below send_batch_size stays open. */
  #close(key: string, trigger: Trigger): void {
    const open = this.#open.get(key)!;
    open.timer?.cancel();
    open.timer = undefined;
    if (open.payloads.length === 0) return;
    const pieces = this.#cut(concat(open.payloads));
    // Pieces share buffers and have headers of their own: what they hold is not what was booked.
    this.#rebook(heldBytesOf(pieces) - heldBytesOf(open.payloads));
    open.payloads = [];
    open.items = 0;
    const { send_batch_size, timeout } = this.#config;
    const rest = pieces.at(-1)!;
    if (trigger === "size" && pieces.length > 1 && rest.itemCount < send_batch_size) {
      pieces.pop();
      open.payloads = [rest];
      open.items = rest.itemCount;
      open.timer = this.#clock.after(timeout, () => this.#close(key, "timeout"));
    }
    const context: Context = { receivedMs: open.receivedMs, metadata: open.metadata };
    for (const payload of pieces) this.#post(payload, context, trigger);
    this.#startSending();
  }

  #startSending(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sending = this.#send().finally(() => {
      this.#isSending = false;
      // Posted between the end of the loop and here.
      if (this.#outbox.length > 0 && !this.#isStopping) this.#startSending();
    });
  }

  #rebook(bytes: number): void {
    if (bytes > 0) this.#settings.budget.reserve(bytes);
    else this.#settings.budget.release(-bytes);
    this.#heldBytes += bytes;
  }

  /** Pieces of at most send_batch_max_size. */
  #cut(joined: Payload): Payload[] {
    const { send_batch_max_size } = this.#config;
    if (send_batch_max_size === 0 || joined.itemCount <= send_batch_max_size) return [joined];
    return split(joined, { maxItems: send_batch_max_size });
  }

  #post(payload: Payload, context: Context, trigger: Trigger): void {
    this.#outbox.push({ payload, context });
    this.#metrics.sendSize.record(payload.itemCount);
    this.#metrics.sendSizeBytes.record(payload.byteLength);
    if (trigger === "size") this.#metrics.sizeTrigger.add(1);
    if (trigger === "timeout") this.#metrics.timeoutTrigger.add(1);
  }

  /** Hands the outbox over, oldest first; keeps what is refused retryably. */
  async #send(): Promise<void> {
    let delayMs = firstRetryMs;
    for (;;) {
      const first = this.#outbox[0];
      if (first === undefined || this.#abort?.aborted) return;
      const error = await this.#handOver(first);
      if (error === undefined) {
        delayMs = firstRetryMs;
        continue;
      }
      if (this.#isSurrendering) return;
      this.#settings.log.warn(
        "The next component refused a batch; it is kept and handed over again.",
        {
          error: error.message,
          items: first.payload.itemCount,
        },
      );
      this.#wake = new AbortController();
      if (this.#abort?.aborted) return;
      // A wake-up is no failure: the batch is tried again at once.
      await sleep(this.#clock, Math.max(delayMs, error.retryAfterMs ?? 0), this.#wake.signal).catch(
        () => {},
      );
      delayMs = Math.min(delayMs * 2, maxRetryMs);
    }
  }

  /** Undefined: the batch has left the outbox, delivered or dropped. */
  async #handOver({ payload, context }: HeldPayload): Promise<TelemetryError | undefined> {
    try {
      await this.#next.consume(payload, context);
    } catch (error) {
      const cause = asTelemetryError(error);
      if (cause.retryable) return cause;
      this.#settings.drop("rejected", payload.itemCount);
      this.#settings.log.error("The next component refused a batch for good; it is dropped.", {
        error: cause.message,
        items: payload.itemCount,
      });
    }
    this.#outbox.shift();
    this.#forget(payload);
    return undefined;
  }

  #forget(payload: Payload): void {
    this.#settings.budget.release(payload.heldBytes);
    this.#heldItems -= payload.itemCount;
    this.#heldBytes -= payload.heldBytes;
  }
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
