/** What HttpClientMetrics counts, and when the requests of undici have ended. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { HttpClientMetrics } from "../../src/instrument/http-client/http-client.ts";
import { type Attributes, Bench, type Point } from "./instrument-points.ts";

const endChannels = ["undici:request:trailers", "undici:request:error"];

export class ClientBench extends Bench {
  readonly #metrics = new HttpClientMetrics(this.meter, {}, this.problems);
  readonly #ended = new WeakSet<object>();
  #ends = 0;
  readonly #waiting = new Set<() => void>();
  readonly #onEnd = (message: unknown) => {
    const request = (message as { request?: object | null } | null)?.request;
    if (typeof request !== "object" || request === null) return;
    if (!this.#ended.has(request)) this.#ends++;
    this.#ended.add(request);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  };

  constructor() {
    super();
    // Behind the subscriptions of what is tested: told of an end after it.
    for (const channel of endChannels) subscribe(channel, this.#onEnd);
  }

  /** Resolves when so many requests of fetch and undici have ended. */
  async undiciEnded(count: number): Promise<void> {
    while (this.#ends < count) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  durations(): Point[] {
    return this.collect().filter(({ metric }) => metric === "http.client.request.duration");
  }

  /** Method, status and error type, with their count. */
  counts(): [method: unknown, status: unknown, errorType: unknown, count: unknown][] {
    return this.durations().map(({ attributes, count }) => [
      attributes["http.request.method"],
      attributes["http.response.status_code"],
      attributes["error.type"],
      count,
    ]);
  }

  attributes(): Attributes[] {
    return this.durations().map(({ attributes }) => attributes);
  }

  stop(): void {
    this.#metrics[Symbol.dispose]();
  }

  close(): void {
    this.stop();
    for (const channel of endChannels) unsubscribe(channel, this.#onEnd);
  }

  /** Nothing went wrong meanwhile. */
  closeInSilence(): void {
    this.close();
    if (this.said.length > 0) throw new Error(JSON.stringify(this.said));
  }
}
