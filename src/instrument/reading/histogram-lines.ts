/** Histograms in the text format: `_bucket` lines with cumulative counts, `_sum` and `_count`. */
import { ExponentialHistogram } from "../../metrics/exponential-histogram.ts";
import { bucketBound } from "../../metrics/exponential-scale.ts";
import { floatText } from "../../prometheus/number-text.ts";

/** Lines of the series of one name with equal bounds. Most of a page is such lines: their texts are put together once. */
export class BucketLines {
  readonly #name: string;
  /** `le="0.5"} ` of each bound, and of +Inf. */
  readonly #ends: readonly string[];

  constructor(name: string, bounds: Iterable<number>) {
    this.#name = name;
    this.#ends = [...bounds, Infinity].map((bound) => `le="${floatText(bound)}"} `);
  }

  /** @param counts What lies at or below each bound, and the count of all. */
  series(pairs: string, counts: readonly number[], sum: number): string {
    const name = this.#name;
    const open = pairs === "" ? `${name}_bucket{` : `${name}_bucket{${pairs},`;
    let text = "";
    for (let i = 0; i < counts.length; i++)
      text += `${open}${this.#ends[i]}${floatText(counts[i]!)}\n`;
    const labels = pairs === "" ? "" : `{${pairs}}`;
    const count = floatText(counts.at(-1)!);
    return `${text}${name}_sum${labels} ${floatText(sum)}\n${name}_count${labels} ${count}\n`;
  }
}

export function cumulative(counts: Float64Array): number[] {
  let total = 0;
  return Array.from(counts, (count) => (total += count));
}

/** 8 bounds an octave; over 160 bounds 4, and so on: as the service's prometheus exporter. */
const finestScale = 3;
const maxBuckets = 159;

/** The bounds that all exponential series of a name share, otherwise `sum by (le)` would be wrong. */
export class SharedBounds {
  readonly #scale: number;
  readonly #low: number;
  readonly #high: number;
  readonly #hasZero: boolean;

  constructor(sketches: Iterable<ExponentialHistogram>) {
    const all = new ExponentialHistogram({ scale: finestScale, maxSize: maxBuckets });
    for (const sketch of sketches) all.merge(sketch);
    this.#scale = all.scale;
    this.#low = all.positive.low;
    this.#high = all.positive.high;
    this.#hasZero = all.zeroCount > 0;
  }

  bounds(): number[] {
    const bounds = this.#hasZero ? [0] : [];
    this.#eachBound((_, bound) => bounds.push(bound));
    return bounds;
  }

  /** What lies at or below each of the bounds, and the count of all. */
  cumulative(sketch: ExponentialHistogram): number[] {
    const coarse = new ExponentialHistogram({ scale: this.#scale });
    coarse.merge(sketch);
    const counts = this.#hasZero ? [coarse.zeroCount] : [];
    let total = coarse.zeroCount;
    let next = this.#low;
    this.#eachBound((index) => {
      while (next < index) total += coarse.positive.at(next++);
      counts.push(total);
    });
    return [...counts, coarse.count];
  }

  /** With the lower end of the lowest bucket: without it, quantiles would be interpolated from zero. */
  #eachBound(each: (index: number, bound: number) => void): void {
    for (let index = this.#low; index <= this.#high + 1; index++) {
      const bound = bucketBound(index, this.#scale);
      if (bound !== 0 && bound !== Infinity) each(index, bound);
    }
  }
}
