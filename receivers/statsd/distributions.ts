/** Series of timers, histograms and distributions. */
import { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import { writeExponentialFields } from "../../src/metrics/exponential-histogram-otlp.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import type { Line, Refusal } from "./line.ts";
import type { AggregateMemory } from "./memory.ts";
import type { Metric } from "./metric.ts";
import { beginPoint, type FlushTimes, writeDouble, writeInt } from "./point-writer.ts";
import { Series, truncated } from "./series.ts";

/** A value at a rate stands for 1 / rate values; the fraction is carried to the next one, or the next interval. */
abstract class CountedSeries extends Series {
  #carry = 0;

  protected weightOf(rate: number): number {
    return rate === 1 ? 1 : this.wholeOf(1 / rate);
  }

  protected wholeOf(weight: number): number {
    const exact = weight + this.#carry;
    const whole = truncated(exact);
    this.#carry = exact - whole;
    return whole;
  }
}

export interface ExponentialShape {
  readonly scale: number;
  readonly maxSize: number;
}

export class ExponentialSeries extends CountedSeries {
  readonly #shape: ExponentialShape;
  #histogram: ExponentialHistogram;
  #bytes = 0;

  constructor(
    metric: Metric,
    attributes: Uint8Array,
    key: string,
    isOverflow: boolean,
    shape: ExponentialShape,
  ) {
    super(metric, attributes, key, isOverflow);
    this.#shape = shape;
    this.#histogram = new ExponentialHistogram(shape);
  }

  override take(line: Line, memory: AggregateMemory): Refusal | undefined {
    const histogram = this.#histogram;
    for (let i = 0; i < line.valueCount; i++) {
      const value = line.values[i]!;
      if (memory.isFull && !histogram.covers(value)) return "memory_budget";
      const weight = this.weightOf(line.rate);
      const sum = histogram.sum + value * weight;
      if (sum - sum !== 0) return "overflow";
      histogram.add(value, weight);
    }
    const { heldBytes } = histogram;
    if (heldBytes !== this.#bytes) {
      memory.take(heldBytes - this.#bytes);
      this.#bytes = heldBytes;
    }
    this.markDirty();
    return undefined;
  }

  override write(out: Writer, times: FlushTimes, memory: AggregateMemory): number {
    const point = beginPoint(out);
    out.raw(this.attributes);
    out.raw(times.startAndTime);
    writeExponentialFields(out, this.#histogram);
    out.end(point);
    if (memory.isFull) this.close(memory);
    else this.#histogram.reset();
    return 1;
  }

  /** A histogram keeps its buckets from one interval to the next, unless memory is short. */
  override close(memory: AggregateMemory): void {
    this.#histogram = new ExponentialHistogram(this.#shape);
    memory.give(this.#bytes);
    this.#bytes = 0;
  }
}

/**
 *     HistogramDataPoint = 4: count fixed64  5: sum double  6: bucket_counts packed fixed64
 *                          7: explicit_bounds packed double  9: attributes  11: min  12: max
 */
export class ExplicitSeries extends CountedSeries {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(
    metric: Metric,
    attributes: Uint8Array,
    key: string,
    isOverflow: boolean,
    bounds: readonly number[],
  ) {
    super(metric, attributes, key, isOverflow);
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  override get heldBytes(): number {
    return super.heldBytes + 8 * this.#counts.length;
  }

  override take(line: Line): Refusal | undefined {
    for (let i = 0; i < line.valueCount; i++) {
      const value = line.values[i]!;
      const weight = this.weightOf(line.rate);
      const sum = this.#sum + value * weight;
      if (sum - sum !== 0) return "overflow";
      this.#sum = sum;
      this.#count += weight;
      this.#min = Math.min(this.#min, value);
      this.#max = Math.max(this.#max, value);
      const bucket = this.#bounds.findIndex((bound) => value <= bound);
      this.#counts[bucket < 0 ? this.#bounds.length : bucket]! += weight;
    }
    this.markDirty();
    return undefined;
  }

  override write(out: Writer, times: FlushTimes): number {
    const point = beginPoint(out);
    out.raw(times.startAndTime);
    writeInt(out, 4, this.#count);
    writeDouble(out, 5, this.#sum);
    const counts = out.begin(6, 2);
    for (const count of this.#counts) out.fixed64(BigInt(count));
    out.end(counts);
    const bounds = out.begin(7, 2);
    for (const bound of this.#bounds) out.double(bound);
    out.end(bounds);
    out.raw(this.attributes);
    writeDouble(out, 11, this.#min);
    writeDouble(out, 12, this.#max);
    out.end(point);
    this.#reset();
    return 1;
  }

  #reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sum = 0;
    this.#min = Infinity;
    this.#max = -Infinity;
  }
}

/** Samples are booked in blocks: a block is cheaper to ask for than a sample. */
const blockSamples = 64;
const blockBytes = blockSamples * 16;

/**
 *     SummaryDataPoint = 4: count fixed64  5: sum double  6: quantile_values { 1: quantile  2: value }
 *                        7: attributes
 */
export class SummarySeries extends CountedSeries {
  readonly #percentiles: readonly number[];
  #values: number[] = [];
  #weights: number[] = [];
  #bytes = 0;

  constructor(
    metric: Metric,
    attributes: Uint8Array,
    key: string,
    isOverflow: boolean,
    percentiles: readonly number[],
  ) {
    super(metric, attributes, key, isOverflow);
    this.#percentiles = percentiles;
  }

  override take(line: Line, memory: AggregateMemory): Refusal | undefined {
    for (let i = 0; i < line.valueCount; i++) {
      if (this.#values.length % blockSamples === 0) {
        if (!memory.tryTake(blockBytes)) return "memory_budget";
        this.#bytes += blockBytes;
      }
      this.#values.push(line.values[i]!);
      this.#weights.push(1 / line.rate);
      this.markDirty();
    }
    return undefined;
  }

  override write(out: Writer, times: FlushTimes, memory: AggregateMemory): number {
    const { count, sum, values } = summarise(this.#values, this.#weights, this.#percentiles);
    const point = beginPoint(out);
    out.raw(times.startAndTime);
    writeInt(out, 4, this.wholeOf(count));
    writeDouble(out, 5, sum);
    for (const [i, percentile] of this.#percentiles.entries()) {
      const quantile = out.begin(6, 1);
      writeDouble(out, 1, percentile / 100);
      writeDouble(out, 2, values[i]!);
      out.end(quantile);
    }
    out.raw(this.attributes);
    out.end(point);
    this.close(memory);
    return 1;
  }

  override close(memory: AggregateMemory): void {
    memory.give(this.#bytes);
    this.#bytes = 0;
    this.#values = [];
    this.#weights = [];
  }
}

interface Summary {
  /** Of all weights. */
  readonly count: number;
  readonly sum: number;
  /** One a percentile. */
  readonly values: readonly number[];
}

/** Empirical quantiles: the smallest value whose cumulated weight reaches the share. */
export function summarise(
  samples: readonly number[],
  weights: readonly number[],
  percentiles: readonly number[],
): Summary {
  const order = samples.map((_, i) => i).toSorted((a, b) => samples[a]! - samples[b]!);
  let count = 0;
  let sum = 0;
  for (const i of order) {
    count += weights[i]!;
    sum += samples[i]! * weights[i]!;
  }
  const values = percentiles.map((percentile) => {
    const share = (percentile / 100) * count;
    let cumulated = 0;
    const at = order.find((i) => (cumulated += weights[i]!) >= share);
    return samples[at ?? order.at(-1)!]!;
  });
  return { count, sum, values };
}
