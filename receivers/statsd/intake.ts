/** From packets and streams to lines, and what is counted on the way. */
import type { Meter, Settings } from "../../src/component.ts";
import type { Aggregator } from "./aggregator.ts";
import { isEvent, type Refusal } from "./line.ts";
import { hints, refusalText } from "./refusal-text.ts";

const lineFeed = 10;
const space = 32;

/** The longest line: what fits into a UDP packet. */
export const maxLineBytes = 65_527;

type Counter = ReturnType<Meter["counter"]>;

export class Intake {
  readonly #aggregator: Aggregator;
  readonly #settings: Settings;
  readonly #lines: Counter;
  readonly #events: Counter;
  /** Also which reasons were explained already. */
  readonly #refused = new Map<Refusal, Counter>();

  constructor(aggregator: Aggregator, settings: Settings) {
    this.#aggregator = aggregator;
    this.#settings = settings;
    const labels = { receiver: settings.id.text };
    this.#lines = settings.meter.counter("rmt_statsd_lines", labels);
    this.#events = settings.meter.counter("rmt_statsd_events", labels);
  }

  /**
   * Takes the lines of a packet, or whole lines of a stream. A bad one does not harm the others. White space
   * around a line is no part of it; a line of nothing else is none.
   */
  takeLines(bytes: Uint8Array, end: number, sender: string): void {
    let lines = 0;
    let start = 0;
    while (start < end) {
      if (bytes[start]! <= space) {
        start++;
        continue;
      }
      let next = start + 1;
      while (next < end && bytes[next] !== lineFeed) next++;
      let last = next;
      while (bytes[last - 1]! <= space) last--;
      this.#takeLine(bytes, start, last, sender);
      lines++;
      start = next + 1;
    }
    this.#lines.add(lines);
  }

  #takeLine(bytes: Uint8Array, start: number, end: number, sender: string): void {
    if (isEvent(bytes, start, end)) {
      this.#events.add(1);
      return;
    }
    if (end - start > maxLineBytes) {
      this.refuse("too_long");
      return;
    }
    const refusal = this.#aggregator.take(bytes, start, end, sender);
    if (refusal !== undefined) this.refuse(refusal);
  }

  /** The beginning of a line of a stream that is not kept. */
  refuseBegun(refusal: "too_long" | "memory_budget"): void {
    this.#lines.add(1);
    this.refuse(refusal);
  }

  /** Counts the last line; the first one of each reason is explained. */
  refuse(refusal: Refusal): void {
    let counter = this.#refused.get(refusal);
    if (counter === undefined) {
      const { meter, id } = this.#settings;
      counter = meter.counter("rmt_statsd_refused_lines", {
        receiver: id.text,
        reason: refusal,
      });
      this.#refused.set(refusal, counter);
      this.#explain(refusal);
    }
    counter.add(1);
  }

  #explain(refusal: Refusal): void {
    // The reason is in the text: the log's sampler would take the lines of several reasons for one.
    this.#settings.log.warn(
      `Refused a StatsD line (${refusal}); further ones for this reason are only counted.`,
      {
        reason: refusal,
        error: refusalText(refusal, this.#aggregator.line),
        hint: hints[refusal],
      },
    );
  }
}
