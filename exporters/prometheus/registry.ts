import type { Meter, Settings } from "../../src/component.ts";
import type { Metric, Resource, Series } from "../../src/pdata/series/interned.ts";
import { isUtf8Name } from "../../src/prometheus/escape.ts";
import type { FamilyType } from "../../src/prometheus/family.ts";
import { metricName, type NamingOptions, withNamespace } from "../../src/prometheus/names.ts";
import { unitName } from "../../src/prometheus/units.ts";
import type { IgnoredReason } from "./accumulator.ts";
import { ExposedFamily } from "./family.ts";
import { hashText, LabelError, type Labeller, pairsOf, sourceOf } from "./labels-of.ts";
import type { ExporterMemos, MetricBinding, Target } from "./memos.ts";
import { SeriesState } from "./state.ts";

/** Between two slices of a sweep the event loop runs. */
const statesPerSlice = 20_000;
/** Fine enough for expirations, coarse enough to be a small integer for years. */
const tickMs = 100;

/**
 * The families and series that the endpoint shows, by exposed name and labels. While a scrape runs, what it
 * still has to show is held and nothing is taken out.
 */
export class Registry {
  readonly families = new Map<string, ExposedFamily>();
  /** A scrape is running. */
  scraping = false;
  readonly #settings: Settings;
  readonly #labeller: Labeller;
  readonly #naming: NamingOptions;
  readonly #expirationMs: number;
  readonly #startMs: number;
  readonly #ignored = new Map<string, ReturnType<Meter["counter"]>>();
  /** What was said already; bounded, as names come from outside. */
  readonly #said = new Set<string>();
  /** States whose held values a scrape may still need. */
  #held: SeriesState[] = [];
  /** target_info by job and instance. */
  readonly #targets = new Map<string, SeriesState>();
  #targetSerial = 0;
  #seriesCount = 0;
  #heldBytes = 0;
  #scrapeCutoffTick = 0;
  #sorted: readonly ExposedFamily[] | undefined;

  constructor(settings: Settings, labeller: Labeller, naming: NamingOptions, expirationMs: number) {
    this.#settings = settings;
    this.#labeller = labeller;
    this.#naming = naming;
    this.#expirationMs = expirationMs;
    this.#startMs = settings.clock.monotonicMs();
  }

  /** Series that are held, target_info included. */
  get seriesCount(): number {
    return this.#seriesCount;
  }

  /** By name, for a stable page. */
  sortedFamilies(): readonly ExposedFamily[] {
    this.#sorted ??= [...this.families.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  /** Counts a point that a newer value stands for. */
  ignore(reason: IgnoredReason): void {
    this.#count(reason, 1);
  }

  /** Counts points that cannot be shown at all. */
  drop(reason: string, points: number): void {
    this.#count(reason, points);
    this.#settings.drop(reason, points);
  }

  #count(reason: string, points: number): void {
    let counter = this.#ignored.get(reason);
    if (counter === undefined) {
      counter = this.#settings.meter.counter("rmt_prometheus_exporter_ignored_points", { reason });
      this.#ignored.set(reason, counter);
    }
    counter.add(points);
  }

  /** Once a metric and payload: its family, from the memo where that still holds. */
  bindMetric(metric: Metric<ExporterMemos>): MetricBinding {
    const known = metric.memo;
    if (known !== undefined && known.family?.removed !== true) {
      this.#keepTarget(known.target);
      return known;
    }
    const binding = this.#newMetricBinding(metric);
    metric.memo = binding;
    return binding;
  }

  #newMetricBinding(metric: Metric<ExporterMemos>): MetricBinding {
    const base = {
      family: undefined,
      refusal: undefined,
      source: hashText(metric.canonical),
      target: this.#targetOf(metric.parent.parent),
      reserved: reservedLabel(metric),
    };
    if (needsTemporality(metric) && metric.temporality === 0) {
      return { ...base, refusal: "unspecified_temporality" };
    }
    const namedType = isCounter(metric) ? "counter" : metric.kind === "gauge" ? "gauge" : "other";
    const name = metricName(metric.name, metric.unit, namedType, this.#naming);
    if (name.error !== undefined || !isUtf8Name(name.name)) {
      const error = name.error ?? `metric name ${JSON.stringify(metric.name)} is empty`;
      this.#warnOnce("cannot expose metric", { metric: metric.name, error });
      return { ...base, refusal: "invalid_metric_name" };
    }
    return this.#joinFamily(base, metric, name.name);
  }

  #joinFamily(
    base: Omit<MetricBinding, "family" | "refusal">,
    metric: Metric<ExporterMemos>,
    name: string,
  ): MetricBinding {
    const type = typeOf(metric);
    let family = this.families.get(name) ?? this.#clashOf(name, type);
    if (family === undefined) {
      const unit = unitName(metric.unit, this.#naming.utf8);
      family = this.#addFamily(new ExposedFamily(name, type, metric.description, unit));
    }
    if (family.type !== type || family.name !== name) {
      this.#warnOnce("instrument type conflict, using existing type definition", {
        instrument: name,
        existing: family.name === name ? family.type : `${family.type} ${family.name}`,
        dropped: type,
      });
      return { ...base, family, refusal: "type_conflict" };
    }
    if (family.help !== metric.description) {
      this.#sayOnce("info", "Instrument description conflict, using existing", {
        instrument: name,
        existing: family.help,
        dropped: metric.description,
      });
    }
    return { ...base, family, refusal: undefined };
  }

  /** A family some of whose samples have the names of the other's: no reader takes such a page. */
  #clashOf(name: string, type: FamilyType): ExposedFamily | undefined {
    for (const suffix of sampleSuffixes(type)) {
      const family = this.families.get(name + suffix);
      if (family !== undefined) return family;
    }
    const suffix = /_(?:sum|count|bucket)$/u.exec(name)?.[0];
    if (suffix === undefined) return undefined;
    const family = this.families.get(name.slice(0, -suffix.length));
    return family !== undefined && sampleSuffixes(family.type).includes(suffix)
      ? family
      : undefined;
  }

  #addFamily(family: ExposedFamily): ExposedFamily {
    this.families.set(family.name, family);
    this.#sorted = undefined;
    return family;
  }

  #targetOf(resource: Resource<ExporterMemos>): Target {
    let target = resource.memo;
    if (target === undefined) {
      target = { labels: this.#labelsOf(resource), serial: ++this.#targetSerial, info: undefined };
      resource.memo = target;
    }
    this.#keepTarget(target);
    return target;
  }

  #labelsOf(resource: Resource<ExporterMemos>): Target["labels"] {
    try {
      return this.#labeller.ofResource(resource);
    } catch (error) {
      if (!(error instanceof LabelError)) throw error;
      this.#warnOnce("cannot expose resource attributes", { error: error.message });
      return { job: "", instance: "", constant: [], info: undefined };
    }
  }

  /** target_info: one series a job and instance, with the attributes of the resource seen last. */
  #keepTarget(target: Target): void {
    const { job, instance, info: labels } = target.labels;
    if (labels === undefined || target.info?.removed === false) return;
    const key = `${job}\0${instance}`;
    const current = this.#targets.get(key);
    if (current?.removed === false) {
      // The older of two resources does not take its place back.
      if (current.source > target.serial) return;
      this.remove(current);
    }
    const family = this.#targetFamily();
    const state = family && this.#stateOf(family, pairsOf(labels), target.serial);
    if (state === undefined) return;
    state.value = 1;
    state.empty = false;
    state.updatedTick = this.tick;
    target.info = state;
    this.#targets.set(key, state);
  }

  #targetFamily(): ExposedFamily | undefined {
    const name = withNamespace("target_info", this.#naming);
    const family =
      this.families.get(name) ??
      this.#addFamily(new ExposedFamily(name, "info", "Target metadata", ""));
    // A metric of the same name may have been first.
    return family.type === "info" ? family : undefined;
  }

  /** Once a series object: its state, found by the labels it is exposed under. Undefined: dropped. */
  bindSeries(series: Series<ExporterMemos>, metric: MetricBinding): SeriesState | undefined {
    let pairs: string;
    try {
      const labels = this.#labeller.ofSeries(series, metric.target.labels, metric.reserved);
      pairs = pairsOf(labels);
    } catch (error) {
      if (!(error instanceof LabelError)) throw error;
      this.#warnOnce("cannot expose series", {
        instrument: metric.family!.name,
        error: error.message,
      });
      this.drop("invalid_label_name", 1);
      return undefined;
    }
    const state = this.#stateOf(metric.family!, pairs, 0);
    if (state === undefined) {
      this.drop("memory_budget", 1);
      return undefined;
    }
    if (state.owner === undefined) {
      state.source = this.sourceOf(series);
      state.owner = series;
    }
    series.memo = state;
    return state;
  }

  /** Tells senders apart; needs a bound metric. */
  sourceOf(series: Series<ExporterMemos>): number {
    return sourceOf(series, series.parent.memo?.source ?? 0);
  }

  #stateOf(family: ExposedFamily, pairs: string, source: number): SeriesState | undefined {
    const known = family.byPairs.get(pairs);
    if (known !== undefined && !known.removed) return known;
    const state = new SeriesState(family, pairs, source);
    if (!this.#reserve(state.heldBytes)) return undefined;
    this.#seriesCount++;
    family.add(state);
    return state;
  }

  #reserve(bytes: number): boolean {
    if (!this.#settings.budget.tryReserve(bytes)) {
      this.#warnOnce("cannot hold more series: the memory budget is full", {});
      return false;
    }
    this.#heldBytes += bytes;
    return true;
  }

  /** The value of a series takes so many bytes more (or less). False: the memory budget is full. */
  resize(state: SeriesState, bytes: number): boolean {
    if (bytes > 0 && !this.#reserve(bytes)) return false;
    if (bytes < 0) this.#release(-bytes);
    state.valueBytes += bytes;
    return true;
  }

  /** The sender said that the series has ended. It goes from the lists with the next sweep. */
  remove(state: SeriesState): void {
    if (this.scraping && state.held === undefined) this.hold(state);
    state.removed = true;
  }

  warnDuplicate(state: SeriesState): void {
    this.#warnOnce(
      "several senders expose the same series; the newest point is shown. Distinct service.instance.id attributes keep them apart",
      { instrument: state.family.name },
    );
  }

  #warnOnce(message: string, fields: Readonly<Record<string, string>>): void {
    this.#sayOnce("warn", message, fields);
  }

  #sayOnce(
    level: "warn" | "info",
    message: string,
    fields: Readonly<Record<string, string>>,
  ): void {
    const key = JSON.stringify([message, fields]);
    if (this.#said.has(key)) return;
    if (this.#said.size >= 1000) this.#said.clear();
    this.#said.add(key);
    this.#settings.log[level](message, fields);
  }

  /** Time since the registry was made, in ticks. */
  get tick(): number {
    return Math.floor((this.#settings.clock.monotonicMs() - this.#startMs) / tickMs);
  }

  /** A series that was last updated before this tick counts as ended. */
  get cutoffTick(): number {
    return this.tick - Math.floor(this.#expirationMs / tickMs);
  }

  /** Keeps what the running scrape has to show; called before a state changes for the first time. */
  hold(state: SeriesState): void {
    const { value, timeMs, data, exemplars, empty } = state;
    const isExpired = state.updatedTick < this.#scrapeCutoffTick;
    state.held = { value, timeMs, data, exemplars, empty: empty || isExpired };
    this.#held.push(state);
  }

  /** From now on changes are held off the page, until `endScrape`. */
  beginScrape(): void {
    this.scraping = true;
    this.#scrapeCutoffTick = this.cutoffTick;
  }

  endScrape(): void {
    this.scraping = false;
    for (const state of this.#held) state.held = undefined;
    this.#held = [];
  }

  /** Takes expired and ended series out, in slices. Does nothing while a scrape runs: the next one will. */
  async sweep(): Promise<void> {
    let looked = 0;
    for (const family of this.sortedFamilies()) {
      if (this.scraping) return;
      looked += family.states.length;
      this.#sweepFamily(family);
      if (looked < statesPerSlice) continue;
      looked = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #sweepFamily(family: ExposedFamily): void {
    const { cutoffTick } = this;
    let bytes = 0;
    const gone = family.compact((state) => {
      const isGone = state.removed || state.updatedTick < cutoffTick;
      if (isGone) bytes += state.heldBytes;
      return isGone;
    });
    this.#seriesCount -= gone;
    if (gone > 0 && family.type === "info") this.#forgetTargets();
    this.#release(bytes);
    if (family.states.length > 0 || this.families.get(family.name) !== family) return;
    family.removed = true;
    this.families.delete(family.name);
    this.#sorted = undefined;
  }

  #forgetTargets(): void {
    for (const [key, state] of this.#targets) if (state.removed) this.#targets.delete(key);
  }

  #release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#settings.budget.release(bytes);
  }

  /** Forgets everything. */
  clear(): void {
    this.#release(this.#heldBytes);
    this.#seriesCount = 0;
    this.families.clear();
    this.#targets.clear();
    this.#sorted = undefined;
  }
}

const isCounter = (metric: Metric<ExporterMemos>) => metric.kind === "sum" && metric.monotonic;
const needsTemporality = ({ kind }: Metric<ExporterMemos>) =>
  kind !== "gauge" && kind !== "summary";

/** What the samples of a family are called beside its name. */
function sampleSuffixes(type: FamilyType): readonly string[] {
  if (type === "histogram") return ["_sum", "_count", "_bucket"];
  return type === "summary" ? ["_sum", "_count"] : [];
}

function reservedLabel({ kind }: Metric<ExporterMemos>): string | undefined {
  if (kind === "histogram" || kind === "exponentialHistogram") return "le";
  return kind === "summary" ? "quantile" : undefined;
}

/** Prometheus' own types that came in through a scrape travel in the metric's metadata. */
const gaugeTypes: ReadonlyMap<string, FamilyType> = new Map([
  ["unknown", "unknown"],
  ["info", "info"],
  ["stateset", "stateset"],
]);

function typeOf(metric: Metric<ExporterMemos>): FamilyType {
  const { kind } = metric;
  if (kind === "sum") return metric.monotonic ? "counter" : "gauge";
  if (kind === "summary") return "summary";
  if (kind !== "gauge") return "histogram";
  const original = metric.metadata.find(({ key }) => key === "prometheus.type")?.text ?? "";
  return gaugeTypes.get(original) ?? "gauge";
}
