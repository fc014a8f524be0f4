/** What branches lead to: components, seen as targets. */
import type { Clock } from "../clock.ts";
import type {
  Context,
  Exporter,
  Payload,
  Settings,
  Signal,
  Stage,
  Transform,
} from "../component.ts";
import { asTelemetryError, type TelemetryError } from "../errors.ts";
import { itemNames } from "../pdata/payload.ts";
import type { Target } from "./branch.ts";
import type { Junction } from "./junction.ts";

/** Monotonic time of the last successful push behind any of these edges. */
export function lastSuccessBehind(junctions: readonly Junction[]): number {
  let last = 0;
  for (const junction of junctions) {
    for (const branch of junction.branches) last = Math.max(last, branch.target.lastSuccessMs());
  }
  return last;
}

/** What is measured of a processor, per request. */
export interface TransformMeasures {
  readonly incoming: { add(n: number): void };
  readonly outgoing: { add(n: number): void };
  /** Seconds in the processor itself, without what stands behind it. */
  readonly duration: { record(value: number): void };
  readonly clock: Clock;
}

const done: Promise<void> = Promise.resolve();

/** A processor that is a pure function: no queue, no state, the next edge decides. */
export class TransformTarget implements Target {
  readonly #transform: Transform;
  readonly #next: Junction;
  readonly #measures: TransformMeasures;

  constructor(transform: Transform, next: Junction, measures: TransformMeasures) {
    this.#transform = transform;
    this.#next = next;
    this.#measures = measures;
  }

  get assurance(): "held" | "kept" {
    return this.#next.assurance;
  }

  ready(payload: Payload, context: Context): TelemetryError | undefined {
    return this.#next.ready(payload, context);
  }

  lastSuccessMs(): number {
    return lastSuccessBehind([this.#next]);
  }

  consume(payload: Payload, context: Context): Promise<void> {
    const { incoming, outgoing, duration, clock } = this.#measures;
    const startedMs = clock.monotonicMs();
    let result: Payload | undefined;
    try {
      result = this.#transform(payload, context);
    } catch (error) {
      return Promise.reject(asTelemetryError(error));
    }
    duration.record((clock.monotonicMs() - startedMs) / 1000);
    incoming.add(payload.itemCount);
    if (result === undefined || result.itemCount === 0) return done;
    outgoing.add(result.itemCount);
    return this.#next.consume(result, context);
  }
}

/** A processor or connector that holds data or state. */
export class StageTarget implements Target {
  readonly #stage: Stage;
  readonly #next: readonly Junction[];
  readonly #incoming: { add(n: number): void } | undefined;

  constructor(stage: Stage, next: readonly Junction[], incoming?: { add(n: number): void }) {
    this.#stage = stage;
    this.#next = next;
    this.#incoming = incoming;
  }

  // What a stage holds is in memory, whatever stands behind it.
  readonly assurance = "held";

  ready(payload: Payload, context: Context): TelemetryError | undefined {
    if (this.#stage.ready !== undefined) return this.#stage.ready(payload, context);
    for (const junction of this.#next) {
      const error = junction.ready(payload, context);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  lastSuccessMs(): number {
    return lastSuccessBehind(this.#next);
  }

  consume(payload: Payload, context: Context): Promise<void> {
    const taken = this.#stage.consume(payload, context);
    if (this.#incoming === undefined) return taken;
    const incoming = this.#incoming;
    return taken.then(() => incoming.add(payload.itemCount));
  }
}

/**
 * An exporter without delivery keys (prometheus, file, debug): the caller waits for the push, and what it
 * refuses retryably stays with the caller.
 */
export class DirectSink implements Target {
  readonly assurance = "held";
  readonly #exporter: Exporter;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #sent: { add(n: number): void };
  readonly #failed: { add(n: number): void };
  readonly #abort = new AbortController();
  #lastSuccessMs = 0;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  constructor(exporter: Exporter, signal: Signal, settings: Settings) {
    this.#exporter = exporter;
    this.#settings = settings;
    this.#clock = settings.clock;
    const labels = { exporter: settings.id.text };
    const item = itemNames[signal] as "spans" | "metric_points" | "log_records";
    this.#sent = settings.meter.counter(`otelcol_exporter_sent_${item}`, labels);
    this.#failed = settings.meter.counter(`otelcol_exporter_send_failed_${item}`, labels);
  }

  ready(): undefined {
    return undefined;
  }

  lastSuccessMs(): number {
    return this.#lastSuccessMs;
  }

  async consume(payload: Payload, context: Context): Promise<void> {
    const { budget } = this.#settings;
    budget.reserve(payload.heldBytes);
    this.#inFlight++;
    try {
      const { rejectedItems = 0 } = await this.#exporter.push(payload, context, this.#abort.signal);
      // A backend may say anything.
      const rejected = Math.min(Math.max(rejectedItems, 0), payload.itemCount);
      if (rejected > 0) this.#settings.drop("partial_success", rejected);
      this.#sent.add(payload.itemCount - rejected);
      this.#lastSuccessMs = this.#clock.monotonicMs();
    } catch (error) {
      this.#failed.add(payload.itemCount);
      throw asTelemetryError(error);
    } finally {
      budget.release(payload.heldBytes);
      if (--this.#inFlight === 0) this.#idle?.();
    }
  }

  /** Waits for the running pushes; they are aborted with the signal. */
  async shutdown(abort: AbortSignal): Promise<void> {
    if (this.#inFlight === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    const cut = () => this.#abort.abort(abort.reason);
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await idle;
    abort.removeEventListener("abort", cut);
  }
}
