/** The registry as a source of the OpenTelemetry SDK's metric readers. */
import type {
  CollectionResult,
  DataPoint,
  Histogram,
  MetricData,
  MetricDescriptor,
  MetricProducer,
} from "@opentelemetry/sdk-metrics";
import type { Clock } from "../clock.ts";
import type { Labels } from "../component.ts";
import type { TemporalityPreference } from "./config.ts";
import type { HistogramPoint, MetricSnapshot, NumberPoint } from "./meter.ts";
import type { SdkModules } from "./sdk.ts";

export interface ProducerOptions {
  readonly collect: (onError: (error: unknown) => void) => readonly MetricSnapshot[];
  readonly clock: Clock;
  /** Since when the registry counts; wall clock, milliseconds. */
  readonly startedMs: number;
  readonly scope: { readonly name: string; readonly version: string };
  readonly temporality: TemporalityPreference;
}

type HrTime = DataPoint<number>["startTime"];
type HistogramState = Pick<HistogramPoint, "count" | "sum" | "bucketCounts">;

/** OTLP carries whole numbers as such; only seconds have fractions. ValueType of the API: INT 0, DOUBLE 1. */
const valueTypeOf = (unit: string): MetricDescriptor["valueType"] => (unit === "s" ? 1 : 0);

/**
 * A metric producer rather than observable instruments: the SDK keeps reporting a series that is no longer
 * observed, has no observable histogram, and would copy every number twice.
 */
export function createProducer(sdk: SdkModules, options: ProducerOptions): MetricProducer {
  const translator = new Translator(sdk, options);
  return { collect: () => Promise.resolve(translator.collect()) };
}

class Translator {
  readonly #sdk: SdkModules;
  readonly #options: ProducerOptions;
  readonly #start: HrTime;
  readonly #numbers = new DeltaStates<number>();
  readonly #histograms = new DeltaStates<HistogramState>();
  #previousEnd: HrTime;

  constructor(sdk: SdkModules, options: ProducerOptions) {
    this.#sdk = sdk;
    this.#options = options;
    this.#start = hrTime(options.startedMs);
    this.#previousEnd = this.#start;
  }

  collect(): CollectionResult {
    const errors: unknown[] = [];
    const end = hrTime(this.#options.clock.now());
    const metrics = this.#options
      .collect((error) => errors.push(error))
      .map((snapshot) => this.#metricData(snapshot, end));
    this.#previousEnd = end;
    this.#numbers.sweep();
    this.#histograms.sweep();
    return {
      // Readers take the resource of the SDK and ignore a producer's.
      resourceMetrics: {
        resource: this.#sdk.resources.emptyResource(),
        scopeMetrics: [{ scope: this.#options.scope, metrics }],
      },
      errors,
    };
  }

  #metricData(snapshot: MetricSnapshot, end: HrTime): MetricData {
    const { AggregationTemporality, DataPointType } = this.#sdk.metrics;
    const { name, help, unit } = snapshot;
    const delta = this.#isDelta(snapshot);
    const start = delta ? this.#previousEnd : this.#start;
    const base = {
      descriptor: { name, description: help, unit, valueType: valueTypeOf(unit) },
      aggregationTemporality: delta
        ? AggregationTemporality.DELTA
        : AggregationTemporality.CUMULATIVE,
    };
    if (snapshot.type === "histogram") {
      const dataPoints = snapshot.points.map((p) =>
        point(p.labels, this.#histogram(name, p, snapshot.bounds, delta), start, end),
      );
      return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
    }
    const dataPoints = snapshot.points.map((p) =>
      point(p.labels, delta ? this.#numberDelta(name, p) : p.value, start, end),
    );
    return snapshot.type === "gauge"
      ? { ...base, dataPointType: DataPointType.GAUGE, dataPoints }
      : { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
  }

  /** Low memory: only what is added to, since for what is read the previous value would have to be kept. */
  #isDelta(snapshot: MetricSnapshot): boolean {
    const { temporality } = this.#options;
    if (temporality === "cumulative" || snapshot.type === "gauge") return false;
    return temporality === "delta" || snapshot.type === "histogram" || !snapshot.observed;
  }

  /** A total that went back began anew: all of it is new. */
  #numberDelta(name: string, { labels, value }: NumberPoint): number {
    const previous = this.#numbers.exchange(name, labels, value) ?? 0;
    return value >= previous ? value - previous : value;
  }

  #histogram(
    name: string,
    now: HistogramPoint,
    bounds: readonly number[],
    delta: boolean,
  ): Histogram {
    const boundaries = [...bounds];
    if (!delta) {
      const extremes = now.count === 0 ? {} : { min: now.min, max: now.max };
      const buckets = { boundaries, counts: [...now.bucketCounts] };
      return { buckets, count: now.count, sum: now.sum, ...extremes };
    }
    const { count, sum, bucketCounts } = now;
    const found = this.#histograms.exchange(name, now.labels, { count, sum, bucketCounts });
    const previous = found !== undefined && found.count <= count ? found : undefined;
    const counts = bucketCounts.map((n, i) => n - (previous?.bucketCounts[i] ?? 0));
    return {
      buckets: { boundaries, counts },
      count: count - (previous?.count ?? 0),
      sum: sum - (previous?.sum ?? 0),
    };
  }
}

/** The values of the previous collection; series that were not asked for again are forgotten. */
class DeltaStates<T> {
  #previous = new Map<string, T>();
  #current = new Map<string, T>();

  /** Keeps the value and returns the previous one. */
  exchange(name: string, labels: Labels, value: T): T | undefined {
    const key = `${name}${JSON.stringify(labels)}`;
    this.#current.set(key, value);
    return this.#previous.get(key);
  }

  sweep(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }
}

function point<T>(attributes: Labels, value: T, startTime: HrTime, endTime: HrTime): DataPoint<T> {
  return { attributes, value, startTime, endTime };
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
