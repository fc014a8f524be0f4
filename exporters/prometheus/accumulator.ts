import type { Payload } from "../../src/pdata/payload.ts";
import type { Metric, Series } from "../../src/pdata/series/interned.ts";
import type { SeriesInterner } from "../../src/pdata/series/interner.ts";
import type { Point } from "../../src/pdata/series/point.ts";
import { readExemplars } from "./exemplars.ts";
import { addExponential, type ExponentialData, readExponential } from "./exponential.ts";
import { type HistogramData, HistogramReader } from "./histogram.ts";
import type { ExporterMemos, MetricBinding } from "./memos.ts";
import type { Registry } from "./registry.ts";
import { dataBytes, exemplarBytes, type SeriesState } from "./state.ts";
import { readSummary } from "./summary.ts";

const delta = 1;
/** A bound and its text in two formats. */
const boundBytes = 100;

/** Why a point is not shown; the label of rmt_prometheus_exporter_ignored_points. */
export type IgnoredReason = "out_of_order" | "duplicate_series";

/** Books points: the last value of each series, with every delta added once. */
export class Accumulator {
  readonly #registry: Registry;
  readonly #interner: SeriesInterner<ExporterMemos>;
  readonly #withExemplars: boolean;
  readonly #withTimes: boolean;
  readonly #histogram = new HistogramReader();
  /** The metric of the last point and what is known of it: points of a metric follow one another. */
  #metric: Metric<ExporterMemos> | undefined;
  #binding: MetricBinding | undefined;
  #tick = 0;

  constructor(
    registry: Registry,
    interner: SeriesInterner<ExporterMemos>,
    shows: { readonly exemplars: boolean; readonly timestamps: boolean },
  ) {
    this.#registry = registry;
    this.#interner = interner;
    this.#withExemplars = shows.exemplars;
    this.#withTimes = shows.timestamps;
  }

  /** Books all points of a payload, synchronously. */
  book(payload: Payload<"metrics">): void {
    this.#tick = this.#registry.tick;
    this.#metric = undefined;
    this.#interner.forEachPoint(payload, this.#point);
  }

  /** Once a point: everything that depends on the series alone was done when it was bound. */
  readonly #point = (point: Point<ExporterMemos>): void => {
    const { series } = point;
    if (series.parent !== this.#metric) this.#enterMetric(series.parent);
    const metric = this.#binding!;
    if (metric.refusal !== undefined) return this.#registry.drop(metric.refusal, 1);
    let state = series.memo;
    if (state === undefined || state.removed) {
      if (point.noRecordedValue) return;
      state = this.#registry.bindSeries(series, metric);
      if (state === undefined) return;
    }
    if (point.noRecordedValue) return this.#registry.remove(state);
    this.#book(point, state, series.parent);
  };

  #enterMetric(metric: Metric<ExporterMemos>): void {
    this.#metric = metric;
    this.#binding = this.#registry.bindMetric(metric);
    const { info } = this.#binding.target;
    if (info !== undefined) info.updatedTick = this.#tick;
  }

  #book(point: Point<ExporterMemos>, state: SeriesState, metric: Metric<ExporterMemos>): void {
    const { temporality } = metric;
    const { timeNs } = point;
    const isLate = temporality !== delta && timeNs < state.timeNs && !state.empty;
    if (point.series !== state.owner && !this.#changeOwner(point.series, state, isLate)) return;
    if (isLate) return this.#registry.ignore("out_of_order");
    if (this.#registry.scraping && state.held === undefined) this.#registry.hold(state);
    // After a change of temporality there is nothing to add to.
    const isFirst = state.empty || temporality !== delta || state.temporality !== delta;
    if (!this.#bookValue(point, state, metric, isFirst)) return;
    state.empty = false;
    state.temporality = temporality;
    state.updatedTick = this.#tick;
    // Late deltas count, but do not turn the clock back.
    if (timeNs >= state.timeNs) {
      state.timeNs = timeNs;
      if (this.#withTimes) state.timeMs = point.timeMs;
    }
    if (this.#withExemplars && point.exemplarsAt >= 0) this.#bookExemplars(point, state);
  }

  /**
   * The series came as another object: interned anew, or another sender's that is exposed under the same
   * labels. Of two senders' absolute values one is lost; deltas add up. False: the point is not the newest.
   */
  #changeOwner(series: Series<ExporterMemos>, state: SeriesState, isLate: boolean): boolean {
    const source = this.#registry.sourceOf(series);
    if (source !== state.source && series.parent.temporality !== delta) {
      this.#registry.ignore("duplicate_series");
      this.#registry.warnDuplicate(state);
      if (isLate) return false;
    }
    state.source = source;
    state.owner = series;
    return true;
  }

  #bookExemplars(point: Point<ExporterMemos>, state: SeriesState): void {
    const { type } = state.family;
    if (type !== "counter" && type !== "histogram") return;
    const exemplars = readExemplars(point).slice(type === "counter" ? -1 : 0);
    const bytes = exemplarBytes(exemplars) - exemplarBytes(state.exemplars);
    if (exemplars.length > 0 && this.#registry.resize(state, bytes)) state.exemplars = exemplars;
  }

  /** False: the point has no value that can be shown. */
  #bookValue(
    point: Point<ExporterMemos>,
    state: SeriesState,
    metric: Metric<ExporterMemos>,
    isFirst: boolean,
  ): boolean {
    switch (metric.layout.field) {
      case 9:
        return this.#bookHistogram(point, state, isFirst);
      case 10:
        return this.#bookExponential(point, state, isFirst);
      case 11:
        return this.#setData(state, readSummary(point));
      default:
        state.value = isFirst ? point.value : state.value + point.value;
        return true;
    }
  }

  #bookHistogram(point: Point<ExporterMemos>, state: SeriesState, isFirst: boolean): boolean {
    const read = this.#histogram;
    read.read(point);
    const before = state.data?.kind === "histogram" ? state.data : undefined;
    if (
      before === undefined ||
      !read.hasBounds(before.bounds) ||
      before.counts.length !== read.size
    ) {
      if (!read.wellFormed) {
        this.#registry.drop("malformed_histogram", 1);
        return false;
      }
      // Other bounds cannot be added up: the histogram begins anew, which readers see as a reset.
      return this.#setData(state, newHistogram(read, state));
    }
    // A running scrape still shows the old arrays.
    const data = state.held === undefined ? before : { ...before, counts: before.counts.slice() };
    state.data = data;
    if (isFirst) {
      read.copyCounts(data.counts);
      data.count = read.count;
      data.sum = read.sum;
      data.hasSum = read.hasSum;
    } else {
      read.addCounts(data.counts);
      data.count += read.count;
      data.sum += read.sum;
      data.hasSum &&= read.hasSum;
    }
    return true;
  }

  #bookExponential(point: Point<ExporterMemos>, state: SeriesState, isFirst: boolean): boolean {
    const before: ExponentialData | undefined =
      !isFirst && state.data?.kind === "exponential" ? state.data : undefined;
    const range = state.family.exponential;
    const read = range.fit(readExponential(point));
    return this.#setData(state, before === undefined ? read : addExponential(before, read));
  }

  /** False: there is no memory for it. */
  #setData(state: SeriesState, data: NonNullable<SeriesState["data"]>): boolean {
    if (!this.#registry.resize(state, dataBytes(data) - dataBytes(state.data))) {
      this.#registry.drop("memory_budget", 1);
      return false;
    }
    state.data = data;
    return true;
  }
}

function newHistogram(read: HistogramReader, state: SeriesState): HistogramData {
  const { family } = state;
  const isShared = read.hasBounds(family.bounds);
  if (!isShared) family.bounds = read.bounds();
  const counts = new Float64Array(read.size);
  read.copyCounts(counts);
  return {
    kind: "histogram",
    bounds: family.bounds,
    counts,
    count: read.count,
    sum: read.sum,
    hasSum: read.hasSum,
    bytes: counts.byteLength + (isShared ? 0 : family.bounds.length * boundBytes),
  };
}
