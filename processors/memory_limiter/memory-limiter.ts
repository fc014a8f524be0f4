/** Refuses data, retryably, while the memory watch says so; everything else goes on as it is. */
import type { Context, Edge, Payload, Settings, Signal, Stage } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { itemNames } from "../../src/pdata/payload.ts";
import type { MemoryWatch } from "./memory-watch.ts";

interface MemoryLimiterOptions {
  readonly watch: MemoryWatch;
  readonly signal: Signal;
  readonly settings: Settings;
  readonly next: Edge;
}

type ItemName = "spans" | "metric_points" | "log_records";

const refusalText = "data refused due to high memory usage";

export class MemoryLimiter implements Stage {
  readonly #watch: MemoryWatch;
  readonly #settings: Settings;
  readonly #next: Edge;
  readonly #accepted: { add(n: number): void };
  readonly #refused: { add(n: number): void };

  constructor({ watch, signal, settings, next }: MemoryLimiterOptions) {
    this.#watch = watch;
    this.#settings = settings;
    this.#next = next;
    const item = itemNames[signal] as ItemName;
    const labels = { processor: settings.id.text };
    this.#accepted = settings.meter.counter(
      `otelcol_processor_memory_limiter_accepted_${item}`,
      labels,
    );
    this.#refused = settings.meter.counter(
      `otelcol_processor_memory_limiter_refused_${item}`,
      labels,
    );
  }

  start(): Promise<void> {
    this.#watch.add(this.#onChange);
    return done;
  }

  shutdown(): Promise<void> {
    this.#watch.remove(this.#onChange);
    return done;
  }

  /** Who asks and is refused does not hand over: the refusal is counted here. */
  ready(payload: Payload, context: Context): TelemetryError | undefined {
    return this.#watch.isRefusing ? this.#refuse(payload) : this.#next.ready(payload, context);
  }

  consume(payload: Payload, context: Context): Promise<void> {
    if (this.#watch.isRefusing) return Promise.reject(this.#refuse(payload));
    return this.#next.consume(payload, context).then(() => this.#accepted.add(payload.itemCount));
  }

  readonly #onChange = (isRefusing: boolean): void => {
    this.#settings.report(
      isRefusing ? { state: "recoverable", message: refusalText } : { state: "ok" },
    );
  };

  #refuse(payload: Payload): TelemetryError {
    this.#refused.add(payload.itemCount);
    return new TelemetryError("MEMORY_LIMITED", refusalText, { retryable: true });
  }
}

const done: Promise<void> = Promise.resolve();
