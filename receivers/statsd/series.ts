/** What is kept of one series between two flushes; one class a kind of aggregation. */
import type { Writer } from "../../src/pdata/wire.ts";
import type { Line, Refusal } from "./line.ts";
import type { AggregateMemory } from "./memory.ts";
import type { Metric } from "./metric.ts";
import { type FlushTimes, writeNumberPoint } from "./point-writer.ts";

/** Bytes of the objects of a series, with what recognises it, about. */
const baseBytes = 600;
/** Bytes of a point that is kept by itself. */
const singlePointBytes = 64;

/** A point that is sent as it came: of the gauge observer, or with a time of its own. */
export interface SinglePoint {
  readonly series: Series;
  readonly value: number;
  /** Unix seconds; 0: the flush's. */
  readonly seconds: number;
}

export abstract class Series {
  readonly metric: Metric;
  /** The encoded attributes. */
  readonly attributes: Uint8Array;
  /** Its text among the series of its metric. */
  readonly key: string;
  readonly isOverflow: boolean;
  /** It stands in its metric's list for the next flush. */
  isDirty = false;
  /** Monotonic time of the last flush that sent it. */
  sentMs = 0;

  constructor(metric: Metric, attributes: Uint8Array, key: string, isOverflow: boolean) {
    this.metric = metric;
    this.attributes = attributes;
    this.key = key;
    this.isOverflow = isOverflow;
  }

  get heldBytes(): number {
    return baseBytes + this.attributes.length + 2 * this.key.length;
  }

  /** Takes the values of a line; a refusal of one ends the line. */
  abstract take(line: Line, memory: AggregateMemory): Refusal | undefined;

  /** Writes what came since the last flush; returns how many points. */
  abstract write(out: Writer, times: FlushTimes, memory: AggregateMemory): number;

  /** Releases what it holds beside its base. */
  close(_memory: AggregateMemory): void {}

  /** There is something to send beside the single points. */
  protected markDirty(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    this.metric.dirty.push(this);
    this.metric.markDirty();
  }

  protected keepSingle(
    value: number,
    seconds: number,
    memory: AggregateMemory,
  ): Refusal | undefined {
    if (!memory.tryTake(singlePointBytes)) return "memory_budget";
    this.metric.singles.push({ series: this, value, seconds });
    this.metric.markDirty();
    return undefined;
  }

  /** Writes one of its single points; its memory ends. */
  writeSingle(
    out: Writer,
    point: SinglePoint,
    timeFields: Uint8Array,
    memory: AggregateMemory,
  ): void {
    writeNumberPoint(out, timeFields, point.value, this.hasIntPoints, this.attributes);
    memory.give(singlePointBytes);
  }

  protected get hasIntPoints(): boolean {
    return false;
  }
}

/** Beyond it, an int64 cannot hold the sum. */
const largestInt = 2 ** 63 - 2 ** 10;

/** A delta sum. The fraction of an int is carried on to the next flush. */
export class CounterSeries extends Series {
  #sum = 0;

  override take(line: Line, memory: AggregateMemory): Refusal | undefined {
    const { values, valueCount, rate } = line;
    const isStamped = line.timestamp > 0;
    let sum = this.#sum;
    for (let i = 0; i < valueCount; i++) {
      const value = values[i]! / rate;
      if (value < 0 && this.metric.options.isMonotonic) return "negative_counter";
      sum += value;
      if (!this.#fits(isStamped ? value : sum)) return "overflow";
    }
    if (isStamped) return this.#takeStamped(line, memory);
    this.#sum = sum;
    this.markDirty();
    return undefined;
  }

  #takeStamped(line: Line, memory: AggregateMemory): Refusal | undefined {
    for (let i = 0; i < line.valueCount; i++) {
      const value = line.values[i]! / line.rate;
      const sent = this.#rounded(value);
      const refusal = this.keepSingle(sent, line.timestamp, memory);
      if (refusal !== undefined) return refusal;
      this.#sum += this.#remainder(value, sent);
    }
    return undefined;
  }

  #fits(value: number): boolean {
    return Math.abs(value) <= (this.hasIntPoints ? largestInt : Number.MAX_VALUE);
  }

  override write(out: Writer, times: FlushTimes): number {
    const sent = this.#rounded(this.#sum);
    this.#sum = this.#remainder(this.#sum, sent);
    writeNumberPoint(out, times.startAndTime, sent, this.hasIntPoints, this.attributes);
    return 1;
  }

  #rounded(value: number): number {
    const { counterType } = this.metric.options;
    if (counterType === "float") return value;
    if (counterType === "int") return truncated(value);
    const below = Math.floor(value);
    return below + (Math.random() < value - below ? 1 : 0);
  }

  #remainder(value: number, sent: number): number {
    return this.metric.options.counterType === "int" ? value - sent : 0;
  }

  protected override get hasIntPoints(): boolean {
    return this.metric.options.counterType !== "float";
  }
}

/** Ten times 0.1 is 0.9999999999999999, and one is meant. */
const slack = 1e-9;

export function truncated(value: number): number {
  const nearest = Math.round(value);
  return Math.abs(value - nearest) <= slack * Math.max(1, Math.abs(value))
    ? nearest
    : Math.trunc(value);
}

/** The last value; it stays the base of relative values after it was sent. */
export class GaugeSeries extends Series {
  #value = 0;

  override take(line: Line, memory: AggregateMemory): Refusal | undefined {
    for (let i = 0; i < line.valueCount; i++) {
      const value = line.values[i]!;
      const next = line.areSigned[i]! ? this.#value + value : value;
      if (next - next !== 0) return "overflow";
      if (line.timestamp > 0) {
        const refusal = this.keepSingle(next, line.timestamp, memory);
        if (refusal !== undefined) return refusal;
      } else this.#value = next;
    }
    if (line.timestamp === 0) this.markDirty();
    return undefined;
  }

  override write(out: Writer, times: FlushTimes): number {
    writeNumberPoint(out, times.time, this.#value, false, this.attributes);
    return 1;
  }
}

/** The gauge observer: a point a value. */
export class PointsSeries extends Series {
  override take(line: Line, memory: AggregateMemory): Refusal | undefined {
    for (let i = 0; i < line.valueCount; i++) {
      const refusal = this.keepSingle(line.values[i]!, 0, memory);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  override write(): number {
    return 0;
  }
}

/** Distinct values of an interval. */
const maxSetValues = 10_000;
const setValueBytes = 80;

export class SetSeries extends Series {
  #values = new Set<string>();
  #bytes = 0;

  override take(line: Line, memory: AggregateMemory): Refusal | undefined {
    const { bytes, valueStart, valueEnd } = line;
    const length = valueEnd - valueStart;
    const value = Buffer.from(bytes.buffer, bytes.byteOffset + valueStart, length).toString(
      "latin1",
    );
    if (this.#values.has(value)) return undefined;
    if (this.#values.size >= maxSetValues) return "set_limit";
    if (!memory.tryTake(setValueBytes + length)) return "memory_budget";
    this.#bytes += setValueBytes + length;
    this.#values.add(value);
    this.markDirty();
    return undefined;
  }

  override write(out: Writer, times: FlushTimes, memory: AggregateMemory): number {
    writeNumberPoint(out, times.time, this.#values.size, true, this.attributes);
    this.close(memory);
    return 1;
  }

  override close(memory: AggregateMemory): void {
    memory.give(this.#bytes);
    this.#bytes = 0;
    this.#values = new Set();
  }
}
