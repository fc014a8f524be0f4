import type { Place } from "../../src/pdata/rewrite.ts";
import type { RelabelMetric } from "./verdict.ts";

/** The metrics of a payload, listed in their order for a walk that comes to their points afterwards. */
export class MetricList {
  readonly #metrics: RelabelMetric[] = [];
  readonly #parts: Uint8Array[] = [];
  readonly #starts: number[] = [];
  #current = 0;

  clear(): void {
    this.#metrics.length = 0;
    this.#parts.length = 0;
    this.#starts.length = 0;
    this.#current = 0;
  }

  readonly add = (metric: RelabelMetric, part: Uint8Array, at: number): void => {
    this.#metrics.push(metric);
    this.#parts.push(part);
    this.#starts.push(at);
  };

  /** The metric of the place; places come in order, and metrics without points are passed over. */
  at({ bytes, metricStart }: Place): RelabelMetric {
    let i = this.#current;
    while (this.#starts[i] !== metricStart || this.#parts[i] !== bytes) {
      if (++i >= this.#starts.length) throw new Error("BUG: a point has no metric");
    }
    this.#current = i;
    return this.#metrics[i]!;
  }
}
