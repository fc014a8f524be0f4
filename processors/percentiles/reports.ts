/** What was not sampled: counted by reason, explained once each in the log. */
import type { Settings } from "../../src/component.ts";

const texts = {
  late: "Data points are stamped more than 5 minutes before they came; they go on but are not sampled. Check the senders' clocks and queues.",
  out_of_order:
    "Cumulative points are not newer than the one before of their series; they go on but are not sampled. Two senders may write the same series.",
  unsupported_type:
    "Percentiles cannot be taken of monotonic cumulative sums, summaries and data without a temporality; they go on but are not sampled. Put cumulative_to_delta before this processor to sample the increments of a sum.",
  not_finite: "Values that are NaN or infinite go on but are not sampled.",
  malformed:
    "Histogram points whose buckets and bounds do not fit together go on but are not sampled.",
  no_buckets: "Histogram points without buckets say nothing of percentiles; they are not sampled.",
  incompatible_bounds:
    "Explicit histograms of one group have no bucket bound in common; the later ones are not sampled. Give their senders the same bounds.",
  mixed_types:
    "Explicit and exponential histograms of one group cannot be merged; the later type is not sampled. Let the senders agree on one.",
  too_long:
    "Series with more than 16 KiB of attributes, or of name, description and unit, go on but are not sampled. Remove the attribute with the long values.",
  series_limit:
    "There is no room for more series, cumulative ones or overflow series; their points are not sampled. Raise max_series, or find the attribute with too many values.",
  state_limit:
    "The state is full (256 MiB, or the memory budget); points are not sampled. Sample fewer series, or a coarser slide.",
  internal: "BUG: cannot sample a payload; it went on.",
} as const;

export type Ignored = keyof typeof texts;

export class Reports {
  readonly #settings: Settings;
  readonly #sampled: { add(n: number): void };
  readonly #counters = new Map<Ignored, { add(n: number): void }>();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#sampled = settings.meter.counter("rmt_percentiles_sampled_points", this.#labels());
  }

  #labels(reason?: Ignored) {
    const processor = this.#settings.id.text;
    return reason === undefined ? { processor } : { processor, reason };
  }

  sampled(points: number): void {
    if (points > 0) this.#sampled.add(points);
  }

  /** `detail`: the metric, or what else helps to find the cause. */
  ignore(reason: Ignored, detail: string): void {
    let counter = this.#counters.get(reason);
    if (counter === undefined) {
      const { log, meter } = this.#settings;
      counter = meter.counter("rmt_percentiles_ignored_points", this.#labels(reason));
      this.#counters.set(reason, counter);
      const level = reason === "internal" ? "error" : "warn";
      log[level](texts[reason], { reason, detail: detail.slice(0, 200) });
    }
    counter.add(1);
  }
}
