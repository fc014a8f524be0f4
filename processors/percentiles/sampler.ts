/** Reads payloads and books what is to be sampled into groups. */
import { readExponentialPoint } from "../../src/metrics/exponential-histogram-otlp.ts";
import type { Payload } from "../../src/pdata/payload.ts";
import type { Metric, Series } from "../../src/pdata/series/interned.ts";
import { SeriesInterner } from "../../src/pdata/series/interner.ts";
import type { Point } from "../../src/pdata/series/point.ts";
import type { Arrival, Baselines } from "./baselines.ts";
import type { SampledType } from "./config.ts";
import { checkExtremes, type Distribution, type Sample } from "./distribution.ts";
import { readExplicitPoint } from "./explicit-histogram.ts";
import type { Group } from "./group.ts";
import { type GroupStore, keyOf } from "./group-store.ts";
import type { Matcher } from "./matcher.ts";
import type { MetricNote, Notes, SeriesNote } from "./notes.ts";
import type { Ignored, Reports } from "./reports.ts";
import type { StateMemory } from "./state-memory.ts";

const lateMs = 300_000;
/** Bytes of a metric's texts, or a series' attributes: each of many results has them, in every window. */
const longestText = 16 * 1024;
const delta = 1;
const cumulative = 2;

interface Options {
  readonly types: readonly SampledType[];
  readonly matcher: Matcher;
  readonly store: GroupStore;
  readonly baselines: Baselines;
  readonly memory: StateMemory;
  readonly reports: Reports;
  /** Slots in a window. */
  readonly panes: number;
}

export class Sampler {
  readonly #interner = new SeriesInterner<Notes>();
  readonly #options: Options;
  readonly #types: ReadonlySet<string>;

  constructor(options: Options) {
    this.#options = options;
    this.#types = new Set(options.types);
  }

  get cacheBytes(): number {
    return this.#interner.heldBytes;
  }

  /** Whether each point is one that would be sampled. */
  choose(payload: Payload<"metrics">, arrival: Arrival): boolean[] {
    const chosen: boolean[] = [];
    this.#interner.forEachPoint(payload, (point) => {
      const { series } = point;
      const isChosen =
        this.#metricNote(series.parent) === "sampled" &&
        this.#seriesNote(series).matches &&
        !isTooLong(series) &&
        !isLate(point, arrival);
      chosen.push(isChosen);
    });
    return chosen;
  }

  /** Adds the points of a payload to the open slot. */
  sample(payload: Payload<"metrics">, arrival: Arrival, slot: number): void {
    const { reports, store } = this.#options;
    let sampled = 0;
    this.#interner.forEachPoint(payload, (point) => {
      const metric = point.series.parent;
      const note = this.#metricNote(metric);
      if (note === "no" || !this.#seriesNote(point.series).matches) return;
      const outcome = note === "sampled" ? this.#point(point, arrival, slot) : note;
      if (outcome === "sampled") sampled++;
      else if (outcome !== undefined) reports.ignore(outcome, metric.name);
      if (outcome === "series_limit") store.guard.countRefused(metric.name);
    });
    reports.sampled(sampled);
  }

  #metricNote(metric: Metric<Notes>): MetricNote {
    metric.memo ??= this.#judge(metric);
    return metric.memo;
  }

  #judge(metric: Metric<Notes>): MetricNote {
    const { matcher } = this.#options;
    const { kind, name, temporality } = metric;
    if (!matcher.mayMatch(name)) return "no";
    // Summaries are no configurable type: worth a word only where the user names metrics.
    if (kind === "summary") return matcher.namesMetrics ? "unsupported_type" : "no";
    const type = kind === "exponentialHistogram" ? "exponential_histogram" : kind;
    if (!this.#types.has(type)) return "no";
    if (isTooLong(metric)) return "too_long";
    if (kind === "gauge" || temporality === delta) return "sampled";
    return temporality === cumulative && !metric.monotonic ? "sampled" : "unsupported_type";
  }

  #seriesNote(series: Series<Notes>): SeriesNote {
    series.memo ??= this.#note(series);
    return series.memo;
  }

  #note(series: Series<Notes>): SeriesNote {
    const matches = this.#options.matcher.matches(series);
    const hasBaseline = matches && isCumulativeHistogram(series.parent);
    return { matches, baselineKey: hasBaseline ? keyOf(series.canonical) : "", group: undefined };
  }

  /** undefined: there was nothing to sample. */
  #point(point: Point<Notes>, arrival: Arrival, slot: number): "sampled" | Ignored | undefined {
    const { series } = point;
    if (isTooLong(series)) return "too_long";
    if (point.noRecordedValue) return this.#end(series);
    if (isLate(point, arrival)) return "late";
    const sample = this.#read(point, arrival);
    if (sample === undefined || typeof sample === "string") return sample;
    return this.#book(series, sample, slot, arrival.monotonicMs) ?? "sampled";
  }

  #end({ memo, parent }: Series<Notes>): undefined {
    if (!isCumulativeHistogram(parent)) return;
    const baseline = this.#options.baselines.find(memo!.baselineKey);
    if (baseline !== undefined) this.#options.baselines.forget(baseline);
  }

  #read(point: Point<Notes>, arrival: Arrival): Sample | Ignored | undefined {
    const { kind } = point.series.parent;
    if (kind === "gauge" || kind === "sum") {
      return point.valueAt >= 0 && Number.isFinite(point.value) ? point.value : "not_finite";
    }
    const histogram =
      kind === "histogram"
        ? readExplicitPoint(point.bytes, point.start, point.end)
        : readExponentialPoint(point.bytes, point.start, point.end);
    if (histogram === undefined) return "malformed";
    if ("bounds" in histogram && histogram.bounds.length === 0) return "no_buckets";
    const increment = this.#increment(point, histogram, arrival);
    return typeof increment === "object" && increment.count === 0 ? undefined : increment;
  }

  #increment(
    point: Point<Notes>,
    histogram: Distribution,
    arrival: Arrival,
  ): Distribution | Ignored | undefined {
    checkExtremes(histogram);
    const { series, startTimeNs: startNs, timeNs } = point;
    if (series.parent.temporality === delta) return histogram;
    const key = series.memo!.baselineKey;
    return this.#options.baselines.advance(key, { histogram, startNs, timeNs }, arrival);
  }

  #book(series: Series<Notes>, sample: Sample, slot: number, nowMs: number): Ignored | undefined {
    const { store, memory, panes } = this.#options;
    const group = this.#groupOf(series);
    if (group === undefined) return memory.isFull ? "state_limit" : "series_limit";
    if (group.lastSampleMs === 0) group.lastSampleMs = nowMs;
    const oldestSlot = panes === 1 ? slot : slot - panes;
    let refusal = group.add(sample, slot, oldestSlot, memory);
    let taker: Group = group;
    if (refusal === "state_limit" && !group.isOverflow) {
      const { name, unit, description } = series.parent;
      const overflow = store.overflow(name, unit, description);
      if (overflow === undefined) return refusal;
      taker = overflow;
      refusal = overflow.add(sample, slot, oldestSlot, memory);
    }
    if (taker.isOverflow) store.guard.countOverflow(series.parent.name);
    if (refusal === undefined) taker.lastSampleMs = nowMs;
    return refusal;
  }

  #groupOf(series: Series<Notes>): Group | undefined {
    const { store } = this.#options;
    const note = series.memo!;
    const { group } = note;
    if (group !== undefined && !group.isForgotten && !(group.isOverflow && store.hasRoom)) {
      return group;
    }
    note.group = store.find(series);
    return note.group;
  }
}

const isTooLong = ({ length }: Metric | Series) => length > longestText;

function isLate(point: Point, { wallMs }: Arrival): boolean {
  const { timeMs } = point;
  return timeMs > 0 && wallMs - timeMs > lateMs;
}

const isCumulativeHistogram = ({ kind, temporality }: Metric): boolean =>
  temporality === cumulative && (kind === "histogram" || kind === "exponentialHistogram");
