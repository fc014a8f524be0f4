/** Hands results over; keeps what is refused retryably, within a bound, and offers it again. */
import { sleep } from "../../src/clock.ts";
import type { Edge, HeldCounts, HeldPayload, Payload, Settings } from "../../src/component.ts";
import { Fifo } from "../../src/delivery/fifo.ts";
import { asTelemetryError, type TelemetryError } from "../../src/errors.ts";

/** Beyond this the oldest results give way to the newest. */
const maxHeldBytes = 16 * 1024 * 1024;
const firstRetryMs = 100;
const maxRetryMs = 5000;

export class Outbox {
  readonly #next: Edge<"metrics">;
  readonly #settings: Settings;
  readonly #waiting = new Fifo<HeldPayload<"metrics">>();
  /** The oldest: on its way, or waiting to be handed over again. */
  #current: HeldPayload<"metrics"> | undefined;
  #isOnItsWay = false;
  /** The next component's answer to what is on its way. */
  #answer: Promise<unknown> = Promise.resolve();
  #heldItems = 0;
  #heldBytes = 0;
  #sending: Promise<void> | undefined;
  /** Ends the wait between two attempts. */
  #wake = new AbortController();
  /** Nothing is handed over any more. */
  #isEnded = false;
  /** Nobody comes back for what is refused now. */
  #isCut = false;
  #hasOverflowed = false;

  constructor(next: Edge<"metrics">, settings: Settings) {
    this.#next = next;
    this.#settings = settings;
  }

  held(): HeldCounts {
    return { items: this.#heldItems, bytes: this.#heldBytes };
  }

  post(payload: Payload<"metrics">): void {
    const { budget, clock } = this.#settings;
    budget.reserve(payload.heldBytes);
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
    this.#waiting.push({ payload, context: { receivedMs: clock.monotonicMs() } });
    this.#makeRoom();
    if (!this.#isEnded) this.#sending ??= this.#send();
  }

  /** Resolves once half of the room is free. What is refused may last: it is not waited for. */
  async room(abort: AbortSignal): Promise<void> {
    while (this.#heldBytes > maxHeldBytes / 2 && this.#isOnItsWay && !abort.aborted) {
      await unlessAborted(this.#answer, abort);
    }
  }

  #makeRoom(): void {
    while (this.#heldBytes > maxHeldBytes && this.#waiting.length > 1) {
      this.#lose(this.#waiting.shift()!.payload, "queue_full");
      if (this.#hasOverflowed) continue;
      this.#hasOverflowed = true;
      this.#settings.log.error(
        "The next component has not taken percentiles for so long that the oldest are dropped.",
      );
    }
  }

  /** Hands over in order until nothing waits. */
  async #send(): Promise<void> {
    let delayMs = firstRetryMs;
    while (!this.#isEnded) {
      this.#current ??= this.#waiting.shift();
      if (this.#current === undefined) break;
      const error = await this.#handOver(this.#current);
      if (error === undefined) {
        delayMs = firstRetryMs;
        this.#hasOverflowed = false;
        continue;
      }
      if (this.#isEnded) break;
      await this.#pause(Math.max(delayMs, error.retryAfterMs ?? 0));
      delayMs = Math.min(delayMs * 2, maxRetryMs);
    }
    // In the same step as the decision to rest: what is posted from now on starts it again.
    this.#sending = undefined;
  }

  /** Woken early is no failure: it is tried again at once. */
  async #pause(delayMs: number): Promise<void> {
    this.#wake = new AbortController();
    await sleep(this.#settings.clock, delayMs, this.#wake.signal).catch(() => {});
  }

  /** Undefined: it was taken, or dropped. */
  async #handOver({
    payload,
    context,
  }: HeldPayload<"metrics">): Promise<TelemetryError | undefined> {
    const { budget } = this.#settings;
    this.#isOnItsWay = true;
    // Whoever takes it has booked it when the call returns.
    budget.release(payload.heldBytes);
    const answer = this.#next.consume(payload, context).then(() => undefined, asTelemetryError);
    this.#answer = answer;
    const error = await answer;
    // From here on in one step: others look at what is held in between.
    this.#isOnItsWay = false;
    budget.reserve(payload.heldBytes);
    if (error !== undefined) this.#explain(error, payload);
    if (error?.retryable === true && !this.#isCut) return error;
    this.#current = undefined;
    if (error === undefined) this.#forget(payload);
    else this.#lose(payload, error.retryable ? "shutdown" : "rejected");
    return undefined;
  }

  #explain(error: TelemetryError, { itemCount: items }: Payload): void {
    const { log } = this.#settings;
    const fields = { error: error.message, items };
    if (error.retryable) log.warn("The next component refused percentiles.", fields);
    else log.error("The next component refused percentiles for good; they are dropped.", fields);
  }

  #lose(payload: Payload, reason: string): void {
    this.#forget(payload);
    this.#settings.drop(reason, payload.itemCount);
  }

  #forget(payload: Payload): void {
    this.#settings.budget.release(payload.heldBytes);
    this.#heldItems -= payload.itemCount;
    this.#heldBytes -= payload.heldBytes;
  }

  /** Hands over nothing more: everything is for a successor. */
  hold(): void {
    this.#isEnded = true;
    this.#wake.abort();
  }

  /** Gives what waits, oldest first, once what is on its way was answered. */
  async surrender(): Promise<readonly HeldPayload<"metrics">[]> {
    this.hold();
    await this.#sending;
    const given = this.#takeWaiting();
    for (const { payload } of given) this.#forget(payload);
    return given;
  }

  /** Delivers what it can until the signal aborts; the rest is lost and counted. */
  async shutdown(abort: AbortSignal): Promise<void> {
    this.#wake.abort();
    await unlessAborted(this.#sending, abort);
    this.#isEnded = true;
    this.#isCut = true;
    this.#wake.abort();
    for (const { payload } of this.#takeWaiting()) this.#lose(payload, "shutdown");
  }

  /** All but what is on its way, oldest first. */
  #takeWaiting(): HeldPayload<"metrics">[] {
    const waiting = this.#waiting.drain();
    if (this.#current === undefined || this.#isOnItsWay) return waiting;
    waiting.unshift(this.#current);
    this.#current = undefined;
    return waiting;
  }
}

/** Resolves with the work or the signal, whichever comes first. */
export function unlessAborted(
  work: Promise<unknown> | undefined,
  abort: AbortSignal,
): Promise<void> {
  if (work === undefined || abort.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      abort.removeEventListener("abort", end);
      resolve();
    };
    abort.addEventListener("abort", end);
    void work.then(end, end);
  });
}
