/** What rules did that their writer may not have meant, explained in the log: each kind once. */
import type { Settings } from "../../src/component.ts";

const texts = {
  empty_name:
    "The rules leave a point without a name: it is dropped, as are all such. With labelkeep, let the regex match __name__ too.",
  label_too_long:
    "A label is too long for a rule, above 16,384 characters: its point is dropped, as are all such.",
  too_many_labels:
    "A point has more than 1,024 labels, with those of its resource: it is dropped, as are all such.",
  output_too_large: "New labels, names and resources make a request too large: points are dropped.",
  collided:
    "Two series became equal: both go on, but most backends refuse the second. Keep a label that tells them apart.",
} as const;

type Event = keyof typeof texts;

/** Names come from senders. */
const longestName = 500;

export class Explainer {
  readonly #log: Settings["log"];
  readonly #told = new Set<Event>();

  constructor({ log }: Pick<Settings, "log">) {
    this.#log = log;
  }

  /** @param metric The first one that it happened to. */
  explain(event: Event, metric?: string): void {
    if (this.#told.has(event)) return;
    this.#told.add(event);
    this.#log.warn(texts[event], { reason: event, metric: metric?.slice(0, longestName) });
  }
}
