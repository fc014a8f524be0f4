import type { Writer } from "../../src/pdata/wire.ts";
import { ExplicitSeries, ExponentialSeries, SummarySeries } from "./distributions.ts";
import type { AggregateMemory } from "./memory.ts";
import type { CounterType, HistogramObserver, Observer } from "./observers.ts";
import { type FlushTimes, ownTime } from "./point-writer.ts";
import {
  CounterSeries,
  GaugeSeries,
  PointsSeries,
  type Series,
  SetSeries,
  type SinglePoint,
} from "./series.ts";
import { type Attribute, encodeAttributes } from "./tags.ts";

/** What holds for all metrics of a receiver. */
export interface MetricOptions {
  readonly isMonotonic: boolean;
  readonly counterType: CounterType;
}

/** How much still fits into a payload. */
export interface WriteQuota {
  points: number;
  /** Size of the payload from which on nothing is added. */
  readonly bytes: number;
  readonly nowMs: number;
}

/**
 * What a kind of aggregation is in OTLP:
 *
 *     Metric = 1: name  5: Gauge | 7: Sum | 9: Histogram | 10: ExponentialHistogram | 11: Summary
 *     Sum, Histogram, ExponentialHistogram = 1: points  2: aggregation_temporality      Sum = 3: is_monotonic
 */
interface Form {
  readonly field: number;
  /** Of the attributes in a point. */
  readonly attributes: number;
  readonly isDelta: boolean;
  create(metric: Metric, attributes: Uint8Array, key: string, isOverflow: boolean): Series;
}

const deltaTemporality = 1;

const gaugeForm = { field: 5, attributes: 7, isDelta: false };

const numberForms: Readonly<Record<"counter" | "gauge" | "points" | "set", Form>> = {
  counter: { field: 7, attributes: 7, isDelta: true, create: (...a) => new CounterSeries(...a) },
  gauge: { ...gaugeForm, create: (...a) => new GaugeSeries(...a) },
  points: { ...gaugeForm, create: (...a) => new PointsSeries(...a) },
  set: { ...gaugeForm, create: (...a) => new SetSeries(...a) },
};

function formOf(name: string, observer: Observer): Form {
  if (observer.kind === "histogram") return histogramForm(name, observer);
  if (observer.kind !== "summary") return numberForms[observer.kind];
  const { percentiles } = observer;
  return {
    field: 11,
    attributes: 7,
    isDelta: false,
    create: (...a) => new SummarySeries(...a, percentiles),
  };
}

function histogramForm(name: string, { shape, explicit }: HistogramObserver): Form {
  const bounds = explicit.find(({ pattern }) => pattern.test(name))?.bounds;
  return bounds === undefined
    ? {
        field: 10,
        attributes: 1,
        isDelta: true,
        create: (...a) => new ExponentialSeries(...a, shape),
      }
    : {
        field: 9,
        attributes: 9,
        isDelta: true,
        create: (...a) => new ExplicitSeries(...a, bounds),
      };
}

/** Bytes of a metric without its series, about. */
export const metricBytes = 800;

/** The series of one name and kind of aggregation, of one source. */
export class Metric {
  readonly name: string;
  readonly options: MetricOptions;
  readonly #form: Form;
  readonly #onDirty: (metric: Metric) => void;
  readonly series = new Map<string, Series>();
  overflow: Series | undefined;
  /** Series with something to send, and points that are sent as they came. */
  dirty: Series[] = [];
  singles: SinglePoint[] = [];
  #isDirty = false;
  /** What the running flush still has to write. */
  #flushing: Series[] = [];
  #flushingSingles: SinglePoint[] = [];

  constructor(
    name: string,
    observer: Observer,
    options: MetricOptions,
    onDirty: (metric: Metric) => void,
  ) {
    this.name = name;
    this.options = options;
    this.#form = formOf(name, observer);
    this.#onDirty = onDirty;
  }

  createSeries(attributes: readonly Attribute[], key: string, isOverflow: boolean): Series {
    const encoded = encodeAttributes(this.#form.attributes, attributes);
    return this.#form.create(this, encoded, key, isOverflow);
  }

  markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#onDirty(this);
  }

  /** Nothing waits to be sent. */
  get isIdle(): boolean {
    return !this.#isDirty && this.pendingPoints === 0;
  }

  /** From now on, what comes is for the flush after this one. */
  beginFlush(): void {
    this.#flushing = this.dirty;
    this.#flushingSingles = this.singles;
    this.dirty = [];
    this.singles = [];
    this.#isDirty = false;
  }

  /** Points that the running flush still has to write. */
  get pendingPoints(): number {
    return this.#flushing.length + this.#flushingSingles.length;
  }

  /** Writes the metric with what is pending, as far as the quota goes: at least one point. */
  write(out: Writer, times: FlushTimes, quota: WriteQuota, memory: AggregateMemory): void {
    const metric = out.begin(2, 2);
    out.string(1, this.name);
    const data = out.begin(this.#form.field, 2);
    this.#writeSeries(out, times, quota, memory);
    this.#writeSingles(out, times, quota, memory);
    this.#writeProperties(out);
    out.end(data);
    out.end(metric);
  }

  #writeSeries(out: Writer, times: FlushTimes, quota: WriteQuota, memory: AggregateMemory): void {
    const series = this.#flushing;
    let i = 0;
    while (i < series.length && hasRoom(quota, out)) {
      const one = series[i++]!;
      one.isDirty = false;
      one.sentMs = quota.nowMs;
      one.write(out, times, memory);
      quota.points--;
    }
    this.#flushing = series.slice(i);
  }

  #writeSingles(out: Writer, times: FlushTimes, quota: WriteQuota, memory: AggregateMemory): void {
    const points = this.#flushingSingles;
    let i = 0;
    while (i < points.length && hasRoom(quota, out)) {
      const point = points[i++]!;
      point.series.sentMs = quota.nowMs;
      const timeFields = point.seconds === 0 ? times.time : ownTime(point.seconds);
      point.series.writeSingle(out, point, timeFields, memory);
      quota.points--;
    }
    this.#flushingSingles = points.slice(i);
  }

  #writeProperties(out: Writer): void {
    const { field, isDelta } = this.#form;
    if (!isDelta) return;
    out.tag(2, 0);
    out.varint(deltaTemporality);
    if (field !== sumField || !this.options.isMonotonic) return;
    out.tag(3, 0);
    out.varint(1);
  }
}

const sumField = 7;
const hasRoom = (quota: WriteQuota, out: Writer) => quota.points > 0 && out.position < quota.bytes;
