import type { CatalogueName } from "../catalogue.ts";
import type { Settings } from "../component.ts";

/** Names come from senders. */
const longestName = 500;

/** What each reason means, for the log. */
export type Explanations<R extends string> = Readonly<Record<R, string>>;

/** What was found in one payload; counted when the payload has gone on. */
export class Findings<R extends string> {
  readonly drops = new Map<R, number>();
  readonly notes = new Map<R, number>();
  /** A metric for each reason. */
  readonly metrics = new Map<R, string>();

  drop(reason: R, metric: string): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
    this.metrics.set(reason, metric);
  }

  /** Something to count about a point that goes on. */
  note(reason: R, metric: string): void {
    this.notes.set(reason, (this.notes.get(reason) ?? 0) + 1);
    this.metrics.set(reason, metric);
  }
}

/** Counts what was found and explains each reason once. */
export class FindingsReport<R extends string> {
  readonly #settings: Settings;
  readonly #explanations: Explanations<R>;
  readonly #counter: CatalogueName;
  readonly #counters = new Map<R, { add(n: number): void }>();
  readonly #explained = new Set<R>();

  /** @param counter Of the notes, by reason. */
  constructor(settings: Settings, explanations: Explanations<R>, counter: CatalogueName) {
    this.#settings = settings;
    this.#explanations = explanations;
    this.#counter = counter;
  }

  count({ drops, notes, metrics }: Findings<R>): void {
    for (const [reason, points] of drops) this.#settings.drop(reason, points);
    for (const [reason, points] of notes) this.#counterOf(reason).add(points);
    for (const [reason, metric] of metrics) this.#explain(reason, metric, drops.has(reason));
  }

  #counterOf(reason: R): { add(n: number): void } {
    let counter = this.#counters.get(reason);
    if (counter === undefined) {
      const labels = { processor: this.#settings.id.text, reason };
      counter = this.#settings.meter.counter(this.#counter, labels);
      this.#counters.set(reason, counter);
    }
    return counter;
  }

  #explain(reason: R, metric: string, isDrop: boolean): void {
    const text = this.#explanations[reason];
    if (text === "" || this.#explained.has(reason)) return;
    this.#explained.add(reason);
    const fields = { reason, metric: metric.slice(0, longestName) };
    if (isDrop) this.#settings.log.warn(text, fields);
    else this.#settings.log.info(text, fields);
  }
}
