import type { Timer } from "../../src/clock.ts";
import { sleep } from "../../src/clock.ts";
import type { Context, Edge, Payload, Settings } from "../../src/component.ts";
import { asTelemetryError } from "../../src/errors.ts";
import type { Aggregator } from "./aggregator.ts";

/** What is refused retryably is offered again this often, unless the refusal names a time. */
const retryMs = 1000;
const longestRetryMs = 5000;

/** Where the lines come from. */
interface FlushSource {
  /** The label of the self-metrics. */
  readonly transport: string;
  /** Reads what was received before a flush, so that it is in it. */
  drain(): void;
}

/**
 * Hands the aggregates over, every interval and at the end. While the pipeline refuses, one payload is held and
 * offered again, and everything else stays in the aggregates: nothing is lost, and nothing piles up.
 */
export class Flusher {
  readonly #aggregator: Aggregator;
  readonly #edge: Edge<"metrics">;
  readonly #settings: Settings;
  readonly #source: FlushSource;
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;

  constructor(
    aggregator: Aggregator,
    edge: Edge<"metrics">,
    settings: Settings,
    source: FlushSource,
  ) {
    this.#aggregator = aggregator;
    this.#edge = edge;
    this.#settings = settings;
    this.#source = source;
  }

  start(intervalMs: number): void {
    this.#timer = this.#settings.clock.every(intervalMs, () => {
      this.flush().catch((error: unknown) =>
        this.#settings.log.error("BUG: cannot flush", { error: String(error) }),
      );
    });
  }

  /** Resolves when all of what was aggregated so far was taken, or lost and counted. */
  flush(): Promise<void> {
    this.#running ??= this.#flush().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #flush(): Promise<void> {
    this.#source.drain();
    this.#aggregator.beginFlush();
    for (;;) {
      const payload = this.#aggregator.nextPayload();
      if (payload === undefined) break;
      await this.#deliver(payload);
      // A slice at a time: lines keep being read in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#aggregator.endFlush();
  }

  async #deliver(payload: Payload<"metrics">): Promise<void> {
    const context: Context = {
      transport: this.#source.transport,
      receivedMs: this.#settings.clock.monotonicMs(),
    };
    for (let attempt = 0; ; attempt++) {
      const delayMs = await this.#offer(payload, context, attempt);
      if (delayMs === undefined) return;
      if (!(await this.#hold(payload, delayMs))) {
        this.#settings.drop("shutdown", payload.itemCount);
        return;
      }
      this.#aggregator.stampNow();
    }
  }

  /** False: the time to stop has passed. */
  async #hold(payload: Payload<"metrics">, delayMs: number): Promise<boolean> {
    const { budget, clock } = this.#settings;
    budget.reserve(payload.heldBytes);
    try {
      await sleep(clock, delayMs, this.#stopping.signal);
      return true;
    } catch {
      return false;
    } finally {
      budget.release(payload.heldBytes);
    }
  }

  /** Undefined: it was taken, or lost for good; else how long to wait before the next time. */
  async #offer(
    payload: Payload<"metrics">,
    context: Context,
    attempt: number,
  ): Promise<number | undefined> {
    try {
      await this.#edge.consume(payload, context);
      return undefined;
    } catch (cause) {
      const error = asTelemetryError(cause);
      const { log } = this.#settings;
      if (!error.retryable) {
        this.#settings.drop("refused", payload.itemCount);
        log.error("cannot hand over aggregated metrics; they are lost", {
          error: error.message,
          dropped_items: payload.itemCount,
        });
        return undefined;
      }
      if (attempt === 0) {
        log.warn("The pipeline refuses metrics; they are aggregated on until it takes them.", {
          error: error.message,
        });
      }
      return Math.min(error.retryAfterMs ?? retryMs, longestRetryMs);
    }
  }

  /** Hands over what is left; what nobody takes before the signal aborts is lost and counted. */
  async shutdown(abort: AbortSignal): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const stop = () => this.#stopping.abort(new Error("the service is stopping"));
    if (abort.aborted) stop();
    else abort.addEventListener("abort", stop, { once: true });
    await this.#running;
    await this.flush();
    abort.removeEventListener("abort", stop);
  }
}
