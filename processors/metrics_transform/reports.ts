import type { Settings } from "../../src/component.ts";
import type { TransformConfig } from "./config.ts";
import type { TransformReporter } from "./transform.ts";

/** How often the same is said of data. */
const silenceMs = 60_000;

/** Says and counts what transforms could not do. Each cause is logged once a minute at most. */
export class Reports implements TransformReporter {
  readonly #settings: Settings;
  readonly #unmerged: { add(n: number): void };
  readonly #saidMs = new Map<string, number>();
  #deletedPoints = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#unmerged = settings.meter.counter("rmt_metrics_transform_unmerged_points", {
      processor: settings.id.text,
    });
  }

  unmerged(metric: string, points: number): void {
    this.#unmerged.add(points);
    this.#warn("Points of equal labels and time could not be merged and were kept apart.", {
      metric: shortened(metric),
      points,
    });
  }

  deleted(points: number): void {
    this.#deletedPoints += points;
  }

  unscaled(metric: string): void {
    this.#warn("experimental_scale_value left a metric as it is: it cannot scale its kind.", {
      metric: shortened(metric),
    });
  }

  notCombined(reason: string): void {
    this.#warn(reason, {});
  }

  /** At the end of each payload. */
  finish(): void {
    if (this.#deletedPoints > 0) this.#settings.drop("delete_label_value", this.#deletedPoints);
    this.#deletedPoints = 0;
  }

  /** At the start. */
  sayMissingAggregations(configs: readonly TransformConfig[]): void {
    for (const config of configs.filter(lacksAggregation)) {
      this.#settings.log.warn("Without aggregation_type number points are kept apart.", {
        include: config.include,
      });
    }
  }

  #warn(text: string, fields: Readonly<Record<string, string | number>>): void {
    const message = shortened(text);
    const nowMs = this.#settings.clock.monotonicMs();
    // Texts of notCombined contain names of metrics: not more than these are told apart.
    if (this.#saidMs.size > 100) this.#saidMs.clear();
    const said = this.#saidMs.get(message);
    if (said !== undefined && nowMs - said < silenceMs) return;
    this.#saidMs.set(message, nowMs);
    this.#settings.log.warn(message, fields);
  }
}

/** Names come from senders. */
const shortened = (text: string) => (text.length > 500 ? `${text.slice(0, 500)}…` : text);

const lacksAggregation = ({ action, aggregation_type, operations }: TransformConfig) =>
  (action === "combine" && aggregation_type === "") ||
  operations.some(
    (operation) => operation.action.startsWith("aggregate_") && operation.aggregation_type === "",
  );
