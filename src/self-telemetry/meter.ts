/**
 * Where the service's own numbers live: plain counters and histograms that components add to, and gauges that
 * are read when somebody collects. Nothing here knows OpenTelemetry; the readers (`readers.ts`) translate a
 * snapshot when one is asked for.
 */
import {
  type CatalogueName,
  catalogue,
  type MetricDefinition,
  type MetricLevel,
  notMeasured,
} from "../catalogue.ts";
import type { Labels, Meter } from "../component.ts";

/** `service::telemetry::metrics::level`. */
export type CollectionLevel = "none" | MetricLevel;

export interface NumberPoint {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramPoint {
  readonly labels: Labels;
  readonly count: number;
  readonly sum: number;
  /** NaN while count is 0. */
  readonly min: number;
  readonly max: number;
  /** Per bucket, not cumulative; one more than there are bounds. */
  readonly bucketCounts: readonly number[];
}

interface SnapshotBase {
  readonly name: CatalogueName;
  readonly unit: string;
  readonly help: string;
}

/** One metric with all its series at a moment; copies, so a later `add` does not change it. */
export type MetricSnapshot =
  | (SnapshotBase & {
      readonly type: "counter" | "gauge";
      /** Read at collection (observable) rather than added to. */
      readonly observed: boolean;
      readonly points: readonly NumberPoint[];
    })
  | (SnapshotBase & {
      readonly type: "histogram";
      readonly bounds: readonly number[];
      readonly points: readonly HistogramPoint[];
    });

/** A meter of one component instance; dispose makes its series vanish unless another instance shares them. */
export type InstanceMeter = Meter & { dispose(): void };

/** As the SDK's own default: a series beyond it is counted in one overflow series of the metric. */
const maxSeriesPerMetric = 2000;
const overflowLabels: Labels = { "otel.metric.overflow": "true" };

const levelRank: Readonly<Record<CollectionLevel, number>> = {
  none: 0,
  basic: 1,
  normal: 2,
  detailed: 3,
};

/** One label set of one metric. Holders: meters that asked for it, once each. */
interface Series {
  readonly labels: Labels;
  holders: number;
}

class CounterSeries implements Series {
  readonly labels: Labels;
  holders = 0;
  value = 0;
  constructor(labels: Labels) {
    this.labels = labels;
  }
  add(n: number): void {
    this.value += n;
  }
}

class HistogramSeries implements Series {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  holders = 0;
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** Upper bounds are inclusive, as OTLP's explicit bounds are. */
  record(value: number): void {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= this.#bounds[middle]!) high = middle;
      else low = middle + 1;
    }
    this.#counts[low] = this.#counts[low]! + 1;
    this.#count += 1;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  point(): HistogramPoint {
    const empty = this.#count === 0;
    return {
      labels: this.labels,
      count: this.#count,
      sum: this.#sum,
      min: empty ? Number.NaN : this.#min,
      max: empty ? Number.NaN : this.#max,
      bucketCounts: this.#counts.slice(),
    };
  }
}

/** Several instances may read one series (a processor id used in two pipelines): their values add up. */
class ObservedSeries implements Series {
  readonly labels: Labels;
  holders = 0;
  readonly reads: (() => number)[] = [];
  constructor(labels: Labels) {
    this.labels = labels;
  }
  value(): number {
    let sum = 0;
    for (const read of this.reads) sum += read();
    return sum;
  }
}

type AnySeries = CounterSeries | HistogramSeries | ObservedSeries;

type SeriesClass<T> = new (labels: Labels, bounds: readonly number[]) => T;

/** All series of one metric, by their label set. */
class Metric {
  readonly name: CatalogueName;
  readonly definition: MetricDefinition;
  readonly series = new Map<string, AnySeries>();
  constructor(name: CatalogueName) {
    this.name = name;
    this.definition = catalogue[name];
  }

  get<T extends AnySeries>(labels: Labels, kind: SeriesClass<T>): T {
    const existing = this.series.get(keyOf(labels));
    if (existing !== undefined) return this.#checked(existing, kind);
    const fits = this.series.size < maxSeriesPerMetric;
    return fits ? this.#create(labels, kind) : this.#overflow(kind);
  }

  #overflow<T extends AnySeries>(kind: SeriesClass<T>): T {
    const existing = this.series.get(keyOf(overflowLabels));
    return existing === undefined
      ? this.#create(overflowLabels, kind)
      : this.#checked(existing, kind);
  }

  #create<T extends AnySeries>(labels: Labels, kind: SeriesClass<T>): T {
    const created = new kind(labels, this.definition.bounds ?? []);
    this.series.set(keyOf(labels), created);
    return created;
  }

  #checked<T extends AnySeries>(series: AnySeries, kind: SeriesClass<T>): T {
    if (series instanceof kind) return series;
    throw new Error(`BUG: ${this.name} is both added to and read at collection`);
  }

  release(series: AnySeries): void {
    series.holders -= 1;
    if (series.holders === 0) this.series.delete(keyOf(series.labels));
  }

  snapshot(onError: (error: unknown) => void): MetricSnapshot | undefined {
    if (this.series.size === 0) return undefined;
    const { type, unit, help, bounds } = this.definition;
    const base = { name: this.name, unit, help };
    if (type !== "histogram") {
      const points = this.#numberPoints(onError);
      const [first] = this.series.values();
      return { ...base, type, observed: first instanceof ObservedSeries, points };
    }
    const points: HistogramPoint[] = [];
    for (const one of this.series.values())
      if (one instanceof HistogramSeries) points.push(one.point());
    return { ...base, type, bounds: bounds ?? [], points };
  }

  /** A read that throws loses its own series, not the collection; NaN means "nothing to say now". */
  #numberPoints(onError: (error: unknown) => void): NumberPoint[] {
    const points: NumberPoint[] = [];
    for (const one of this.series.values()) {
      if (one instanceof CounterSeries) points.push({ labels: one.labels, value: one.value });
      if (!(one instanceof ObservedSeries)) continue;
      try {
        const value = one.value();
        if (!Number.isNaN(value)) points.push({ labels: one.labels, value });
      } catch (error) {
        onError(error);
      }
    }
    return points;
  }
}

/** Every series of the service up to a level; what is above it is not measured at all. */
export class MeterRegistry {
  readonly #metrics = new Map<CatalogueName, Metric>();
  readonly level: CollectionLevel;

  constructor(level: CollectionLevel = "detailed") {
    this.level = level;
  }

  /** Whether a metric is within the level; what is above it need not be measured. */
  measures(name: CatalogueName): boolean {
    return levelRank[catalogue[name].level] <= levelRank[this.level];
  }

  /** A meter whose series all carry these labels (such as receiver="otlp"). */
  meterFor(labels: Labels): InstanceMeter {
    return new RegistryMeter(this, (name) => this.#metric(name), labels);
  }

  /**
   * All metrics up to a level, by name. Gauges are read now; what a read throws goes to onError and costs that
   * one series. Empty at level none.
   */
  snapshot(level: CollectionLevel, onError: (error: unknown) => void): readonly MetricSnapshot[] {
    const found: MetricSnapshot[] = [];
    for (const metric of this.#metrics.values()) {
      if (levelRank[metric.definition.level] > levelRank[level]) continue;
      const snapshot = metric.snapshot(onError);
      if (snapshot !== undefined) found.push(snapshot);
    }
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  #metric(name: CatalogueName): Metric {
    let metric = this.#metrics.get(name);
    if (metric === undefined) this.#metrics.set(name, (metric = new Metric(name)));
    return metric;
  }
}

class RegistryMeter implements InstanceMeter {
  readonly #metric: (name: CatalogueName) => Metric;
  readonly #labels: Labels;
  readonly #registry: MeterRegistry;
  readonly #held = new Map<AnySeries, Metric>();
  readonly #reads: { series: ObservedSeries; read: () => number }[] = [];

  constructor(registry: MeterRegistry, metric: (name: CatalogueName) => Metric, labels: Labels) {
    this.#registry = registry;
    this.#metric = metric;
    this.#labels = labels;
  }

  counter(name: CatalogueName, labels?: Labels): { add(n: number): void } {
    this.#expect(name, "counter");
    if (!this.#registry.measures(name)) return notMeasured;
    return this.#hold(name, CounterSeries, labels);
  }

  histogram(name: CatalogueName, labels?: Labels): { record(value: number): void } {
    this.#expect(name, "histogram");
    if (!this.#registry.measures(name)) return notMeasured;
    return this.#hold(name, HistogramSeries, labels);
  }

  /** Also for counters whose total is kept elsewhere (the edges, the process): read at collection. */
  gauge(name: CatalogueName, read: () => number, labels?: Labels): void {
    if (catalogue[name].type === "histogram") this.#expect(name, "gauge");
    if (!this.#registry.measures(name)) return;
    const series = this.#hold(name, ObservedSeries, labels);
    series.reads.push(read);
    this.#reads.push({ series, read });
  }

  dispose(): void {
    for (const { series, read } of this.#reads) {
      const index = series.reads.indexOf(read);
      if (index >= 0) series.reads.splice(index, 1);
    }
    this.#reads.length = 0;
    for (const [series, metric] of this.#held) metric.release(series);
    this.#held.clear();
  }

  #hold<T extends AnySeries>(
    name: CatalogueName,
    kind: SeriesClass<T>,
    labels: Labels | undefined,
  ): T {
    const metric = this.#metric(name);
    const series = metric.get(this.#visible(metric, { ...this.#labels, ...labels }), kind);
    if (!this.#held.has(series)) {
      this.#held.set(series, metric);
      series.holders += 1;
    }
    return series;
  }

  /** Below detailed, series that differ only in detailed labels are one. */
  #visible({ definition }: Metric, labels: Labels): Labels {
    const { detailedLabels = [] } = definition;
    if (this.#registry.level === "detailed" || detailedLabels.length === 0) return labels;
    return Object.fromEntries(
      Object.entries(labels).filter(([name]) => !detailedLabels.includes(name)),
    );
  }

  #expect(name: CatalogueName, type: MetricDefinition["type"]): void {
    const actual = catalogue[name].type;
    if (actual !== type) throw new Error(`BUG: ${name} is a ${actual}, not a ${type}`);
  }
}

/** Canonical: the same labels in any order are one series. */
function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
