import { sleep } from "../../src/clock.ts";
import type { Context, Edge, Payload, Settings, Stage } from "../../src/component.ts";
import { asTelemetryError, TelemetryError } from "../../src/errors.ts";

/** Waits between attempts at an edge that refused what others took. */
const firstRetryMs = 100;
const longestRetryMs = 5000;

/**
 * Hands every payload on to all pipelines. What one refuses after another took it is held here and handed to
 * that one alone again, so that no pipeline sees a request twice; while anything is held, new data is refused
 * retryably, which bounds what can be held to what was under way.
 */
export class Forward implements Stage {
  readonly #edges: readonly Edge[];
  readonly #settings: Settings;
  readonly #stopping = new AbortController();
  readonly #held = new Set<Promise<void>>();

  constructor(next: ReadonlyMap<string, Edge>, settings: Settings) {
    this.#edges = [...next.values()];
    this.#settings = settings;
  }

  ready(payload: Payload, context: Context): TelemetryError | undefined {
    if (this.#held.size > 0) return this.#notReady();
    for (const edge of this.#edges) {
      const error = edge.ready(payload, context);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  async consume(payload: Payload, context: Context): Promise<void> {
    const [only] = this.#edges;
    // What a single pipeline refuses, the caller still has.
    if (only !== undefined && this.#edges.length === 1) return only.consume(payload, context);
    const refusal = this.ready(payload, context);
    if (refusal !== undefined) throw refusal;
    const results = this.#edges.map((edge) => edge.consume(payload, context));
    const outcomes = await Promise.allSettled(results);
    const errors = outcomes.map((outcome) =>
      outcome.status === "rejected" ? asTelemetryError(outcome.reason) : undefined,
    );
    const refusals = errors.filter((error) => error !== undefined);
    if (refusals.length > 0 && refusals.length === errors.length) {
      throw refusals.find((error) => error.retryable) ?? refusals[0]!;
    }
    errors.forEach((error, i) => {
      if (error !== undefined) this.#keep(this.#edges[i]!, payload, context, error);
    });
  }

  /** Tries on until the signal aborts; what is left then is lost, and counted. */
  async shutdown(abort: AbortSignal): Promise<void> {
    const stop = () => this.#stopping.abort();
    if (abort.aborted) stop();
    else abort.addEventListener("abort", stop, { once: true });
    await Promise.all(this.#held);
    abort.removeEventListener("abort", stop);
  }

  #keep(edge: Edge, payload: Payload, context: Context, error: TelemetryError): void {
    if (!error.retryable) {
      this.#settings.drop("rejected", payload.itemCount);
      return;
    }
    this.#settings.budget.reserve(payload.heldBytes);
    const held = this.#retry(edge, payload, context).finally(() => {
      this.#settings.budget.release(payload.heldBytes);
      this.#held.delete(held);
    });
    this.#held.add(held);
  }

  async #retry(edge: Edge, payload: Payload, context: Context): Promise<void> {
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
      try {
        await sleep(this.#settings.clock, waitMs, this.#stopping.signal);
      } catch {
        // Aborted: the only way in which this wait ends early.
        this.#settings.drop("shutdown", payload.itemCount);
        return;
      }
      try {
        return await edge.consume(payload, context);
      } catch (error) {
        if (asTelemetryError(error).retryable) continue;
        this.#settings.drop("rejected", payload.itemCount);
        return;
      }
    }
  }

  #notReady(): TelemetryError {
    const message = `${this.#settings.id.text} holds data that a pipeline did not take yet`;
    return new TelemetryError("NOT_READY", message, { retryable: true });
  }
}
