import type { Budget, Context, Edge, Payload, Signal } from "../../src/component.ts";
import type { TelemetryError } from "../../src/errors.ts";
import { bodiesOf } from "./payloads.ts";

interface Open {
  readonly payload: Payload;
  readonly context: Context;
  settle(error?: TelemetryError): void;
}

/**
 * An edge that answers as the test says. It books in the budget what it is given until it has answered, as whoever
 * holds data does.
 */
export class ScriptedEdge<S extends Signal = Signal> implements Edge<S> {
  readonly assurance = "held";
  /** What was accepted, in order. */
  readonly payloads: Payload[] = [];
  readonly contexts: Context[] = [];
  /** Calls of consume. */
  calls = 0;
  refusal: TelemetryError | undefined;
  /** Answers only when told so by `answer`. */
  isSlow = false;
  readonly #budget: Budget | undefined;
  readonly #open: Open[] = [];
  heldBytes = 0;

  constructor(budget?: Budget) {
    this.#budget = budget;
  }

  /** Bodies of the log records that were accepted. */
  get taken(): string[] {
    return this.payloads.flatMap(bodiesOf);
  }

  get sizes(): number[] {
    return this.payloads.map(({ itemCount }) => itemCount);
  }

  get waiting(): number {
    return this.#open.length;
  }

  ready(): TelemetryError | undefined {
    return this.refusal;
  }

  consume(payload: Payload, context: Context): Promise<void> {
    this.calls++;
    if (this.isSlow) return this.#hold(payload, context);
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    this.#accept(payload, context);
    return Promise.resolve();
  }

  /** Answers the oldest open call; with what `refusal` says then. */
  answer(): void {
    this.#open.shift()?.settle(this.refusal);
  }

  #accept(payload: Payload, context: Context): void {
    this.payloads.push(payload);
    this.contexts.push(context);
  }

  #hold(payload: Payload, context: Context): Promise<void> {
    this.#budget?.reserve(payload.heldBytes);
    this.heldBytes += payload.heldBytes;
    return new Promise((resolve, reject) => {
      const settle = (error?: TelemetryError) => {
        this.#budget?.release(payload.heldBytes);
        this.heldBytes -= payload.heldBytes;
        if (error !== undefined) return reject(error);
        this.#accept(payload, context);
        resolve();
      };
      this.#open.push({ payload, context, settle });
    });
  }
}
