/**
 * Bounds the series that a stateful component keeps. One mechanism for all of them: up to `limit` series are
 * kept for themselves; what comes beyond joins one overflow series a metric, which carries the attribute
 * `otel.metric.overflow=true` (OpenTelemetry SDK specification, cardinality limits), is counted, and explained
 * once in the log. Which metrics have the most series stands in the self-metrics and in `report`.
 *
 *     if (known series)                  book it
 *     else if (guard.admit(metric))      make a series of its own
 *     else if (guard.admitOverflow())    make the metric's overflow series (unless it has one), book it there
 *     else                               refuse the point
 *     in both of the last cases          guard.countOverflow(metric)
 *
 * A component whose points cannot be merged refuses them at the limit, says so itself and calls countRefused.
 */
import type { Timer } from "../clock.ts";
import type { Settings } from "../component.ts";

/** The attribute of an overflow series; its value is the boolean true. */
export const overflowKey = "otel.metric.overflow";

const longestName = 200;

/** What is kept and shown of a metric's name, which comes from a sender: of a long one the beginning. */
export function shortName(metric: string): string {
  // A copy: a slice would keep the whole text alive.
  return metric.length <= longestName
    ? metric
    : Buffer.from(metric.slice(0, longestName)).toString();
}

/** Overflow series are bounded too: metric names can be as many as attribute values. */
const maxOverflowSeries = 1000;
/** Metrics without a series of their own whose overflowing points are still told apart. */
const maxForeignMetrics = 1000;
/** Self-metrics by metric name, over the guard's life. */
const maxNamedGauges = 20;
const topSize = 5;
/** Finding out who has the most series takes a walk over all metrics. */
const refreshMs = 60_000;

export interface MetricCardinality {
  readonly metric: string;
  readonly series: number;
  /** Points that joined the overflow series or were refused. */
  readonly overflowPoints: number;
}

/** What zpages shows of a guard. */
export interface CardinalityReport {
  readonly component: string;
  readonly limit: number;
  readonly series: number;
  readonly overflowSeries: number;
  readonly overflowPoints: number;
  /** The metrics with the most series, descending. */
  readonly top: readonly MetricCardinality[];
}

interface Entry {
  series: number;
  overflowPoints: number;
}

const liveGuards = new Set<CardinalityGuard>();

/** Of all guards of this process that hold or held series, until they are closed. */
export function cardinalityReports(): CardinalityReport[] {
  return [...liveGuards].map((guard) => guard.report());
}

export class CardinalityGuard {
  readonly #limit: number;
  readonly #key: string;
  readonly #settings: Pick<Settings, "id" | "log" | "meter" | "clock">;
  readonly #byMetric = new Map<string, Entry>();
  readonly #named = new Set<string>();
  readonly #overflowCounter: { add(n: number): void };
  #series = 0;
  #overflowSeries = 0;
  #overflowPoints = 0;
  #foreignMetrics = 0;
  #refresh: Timer | undefined;
  #hasWarned = false;

  /** @param key The configuration key that sets the limit, for the log. */
  constructor(
    settings: Pick<Settings, "id" | "log" | "meter" | "clock">,
    limit: number,
    key = "max_series",
  ) {
    this.#settings = settings;
    this.#limit = limit;
    this.#key = key;
    const labels = { component: settings.id.text };
    settings.meter.gauge("rmt_series", () => this.#series, labels);
    settings.meter.gauge("rmt_series_limit", () => limit, labels);
    this.#overflowCounter = settings.meter.counter("rmt_series_overflow_points", labels);
  }

  get series(): number {
    return this.#series;
  }

  /** Takes one more series of a metric in; false: the limit is reached. */
  admit(metric: string): boolean {
    if (this.#series >= this.#limit) return false;
    this.grow(metric, 1);
    return true;
  }

  /** Takes series in for a component that keeps to the limit itself. */
  grow(metric: string, series: number): void {
    if (series === 0) return;
    liveGuards.add(this);
    this.#series += series;
    const name = shortName(metric);
    const entry = this.#byMetric.get(name);
    if (entry === undefined) this.#byMetric.set(name, { series, overflowPoints: 0 });
    else entry.series += series;
  }

  /** Series that were taken in are gone. */
  forget(metric: string, series = 1): void {
    if (series === 0) return;
    this.#series -= series;
    const name = shortName(metric);
    const entry = this.#byMetric.get(name)!;
    entry.series -= series;
    if (entry.series === 0) this.#byMetric.delete(name);
  }

  /** Takes one more overflow series in; false: there are too many of them. */
  admitOverflow(): boolean {
    if (this.#overflowSeries >= maxOverflowSeries) return false;
    this.#overflowSeries++;
    return true;
  }

  forgetOverflow(): void {
    this.#overflowSeries--;
  }

  /** Counts points of a metric that found no room; to say so is the component's. */
  countRefused(metric: string, points = 1): void {
    liveGuards.add(this);
    this.#overflowPoints += points;
    this.#overflowCounter.add(points);
    const name = shortName(metric);
    const entry = this.#byMetric.get(name) ?? this.#foreignEntry(name);
    if (entry !== undefined) entry.overflowPoints += points;
    this.showTop();
  }

  /** Counts points of a metric that joined its overflow series. */
  countOverflow(metric: string, points = 1): void {
    this.countRefused(metric, points);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const isAtLimit = this.#series >= this.#limit;
    const cause = isAtLimit ? "Reached" : "There is no memory for more than";
    const remedy = isAtLimit ? `, or raise ${this.#key}` : "";
    const top = this.#top(1)[0];
    this.#settings.log.warn(
      `${cause} ${this.#series} series; points of further ones join one series a metric with ${overflowKey}="true". Find the attribute with too many values and remove it${remedy}.`,
      {
        metric: shortName(metric),
        largest_metric: top?.metric,
        largest_metric_series: top?.series,
      },
    );
  }

  #foreignEntry(metric: string): Entry | undefined {
    if (this.#foreignMetrics >= maxForeignMetrics) return undefined;
    this.#foreignMetrics++;
    const entry = { series: 0, overflowPoints: 0 };
    this.#byMetric.set(metric, entry);
    return entry;
  }

  /** Gives the metrics with the most series a self-metric each. */
  showTop(): void {
    if (this.#refresh !== undefined || this.#named.size >= maxNamedGauges) return;
    const { meter, clock, id } = this.#settings;
    this.#refresh = clock.after(refreshMs, () => {
      this.#refresh = undefined;
    });
    for (const { metric } of this.#top(topSize)) {
      if (this.#named.has(metric) || this.#named.size >= maxNamedGauges) continue;
      this.#named.add(metric);
      const read = () => this.#byMetric.get(metric)?.series ?? 0;
      meter.gauge("rmt_series_of_metric", read, { component: id.text, metric });
    }
  }

  #top(size: number): MetricCardinality[] {
    const top: MetricCardinality[] = [];
    for (const [metric, { series, overflowPoints }] of this.#byMetric) {
      if (top.length === size && series <= top[size - 1]!.series) continue;
      const at = top.findIndex((other) => other.series < series);
      top.splice(at < 0 ? top.length : at, 0, { metric, series, overflowPoints });
      if (top.length > size) top.pop();
    }
    return top;
  }

  report(): CardinalityReport {
    return {
      component: this.#settings.id.text,
      limit: this.#limit,
      series: this.#series,
      overflowSeries: this.#overflowSeries,
      overflowPoints: this.#overflowPoints,
      top: this.#top(10),
    };
  }

  /** Ends its part in `cardinalityReports` and its timer. */
  close(): void {
    liveGuards.delete(this);
    this.#refresh?.cancel();
    this.#refresh = undefined;
  }
}
