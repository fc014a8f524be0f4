/** What branches lead to: components, seen as targets. */
import type { Clock } from "../clock.ts";
import type {
  Context,
  Edge,
  Exporter,
  Payload,
  Settings,
  Signal,
  Stage,
  Transform,
} from "../component.ts";
import { SendFailed } from "../delivery/send-failed.ts";
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
export interface ProcessorMeasures {
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
  readonly #measures: ProcessorMeasures;

  constructor(transform: Transform, next: Junction, measures: ProcessorMeasures) {
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

/** What a stage sends on: a stage may split or join, so its output is not its input. */
export class StageOutput implements Edge {
  readonly #next: Junction;
  readonly #measures: ProcessorMeasures;
  /** How long calls of what stands behind have taken, of this tick and of all before. */
  behindMs = 0;

  constructor(next: Junction, measures: ProcessorMeasures) {
    this.#next = next;
    this.#measures = measures;
  }

  get assurance(): "held" | "kept" {
    return this.#next.assurance;
  }

  ready(payload: Payload, context: Context): TelemetryError | undefined {
    return this.#next.ready(payload, context);
  }

  consume(payload: Payload, context: Context): Promise<void> {
    const { outgoing, clock } = this.#measures;
    const startedMs = clock.monotonicMs();
    const taken = this.#next.consume(payload, context);
    this.behindMs += clock.monotonicMs() - startedMs;
    return taken.then(() => outgoing.add(payload.itemCount));
  }
}

/** A processor or connector that holds data or state. */
export class StageTarget implements Target {
  readonly #stage: Stage;
  readonly #next: readonly Junction[];

  constructor(stage: Stage, next: readonly Junction[]) {
    this.#stage = stage;
    this.#next = next;
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
    return this.#stage.consume(payload, context);
  }
}

/** A processor that is a stage, with its measures. */
export class MeasuredStage extends StageTarget {
  readonly #output: StageOutput;
  readonly #measures: ProcessorMeasures;

  constructor(stage: Stage, next: Junction, output: StageOutput, measures: ProcessorMeasures) {
    super(stage, [next]);
    this.#output = output;
    this.#measures = measures;
  }

  /**
   * Its duration is that of the call itself, without what it calls behind it: what a stage does later, on a timer
   * or for many requests at once, belongs to no request.
   */
  override consume(payload: Payload, context: Context): Promise<void> {
    const { incoming, duration, clock } = this.#measures;
    const startedMs = clock.monotonicMs();
    const behindMs = this.#output.behindMs;
    const taken = super.consume(payload, context);
    const ownMs = clock.monotonicMs() - startedMs - (this.#output.behindMs - behindMs);
    duration.record(ownMs / 1000);
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
  readonly #failed: SendFailed;
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
    const failed = `otelcol_exporter_send_failed_${item}` as const;
    this.#failed = new SendFailed(settings.meter, failed, labels);
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
      const cause = asTelemetryError(error);
      this.#failed.add(payload.itemCount, cause);
      throw cause;
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
