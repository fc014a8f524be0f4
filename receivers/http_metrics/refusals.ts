/** What is not taken: counted by reason, and explained in the log the first time. */
import type { Settings } from "../../src/component.ts";

/** Reasons come from this receiver, never from a client. */
export class Refusals {
  readonly #settings: Pick<Settings, "log" | "meter" | "id">;
  readonly #counters = new Map<string, { add(n: number): void }>();

  constructor(settings: Pick<Settings, "log" | "meter" | "id">) {
    this.#settings = settings;
  }

  /** @param api custom or push */
  count(api: "custom" | "push", reason: string, message: string, items = 1): void {
    const key = `${api} ${reason}`;
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      const { log, meter, id } = this.#settings;
      counter = meter.counter("rmt_http_metrics_refused", { receiver: id.text, api, reason });
      this.#counters.set(key, counter);
      // The reason is in the text: the log's sampler would take the lines of several reasons for one.
      log.warn(
        `Metrics were refused (${reason}); the sender was told. Further ones with this reason are only counted, in rmt_http_metrics_refused.`,
        { api, reason, error: shortened(message) },
      );
    }
    counter.add(items);
  }
}

const maxLogged = 300;
const shortened = (text: string) =>
  text.length > maxLogged ? `${text.slice(0, maxLogged)}…` : text;
