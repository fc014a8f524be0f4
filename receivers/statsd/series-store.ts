import type { Settings } from "../../src/component.ts";
import { CardinalityGuard, overflowKey } from "../../src/metrics/cardinality-guard.ts";
import { decodeUtf8 } from "../../src/pdata/wire.ts";
import type { StatsdConfig } from "./config.ts";
import { gaugeCode, type Line, type Refusal } from "./line.ts";
import type { AggregateMemory } from "./memory.ts";
import { Metric, type MetricOptions, metricBytes } from "./metric.ts";
import { type CounterType, type Observation, observations } from "./observers.ts";
import { RawCache } from "./raw-cache.ts";
import type { Series } from "./series.ts";
import { attributesOf, canonicalText, sorted } from "./tags.ts";

/** A gauge that was not sent for so long is forgotten: relative values then begin at zero. */
const gaugeBaseMs = 3_600_000;
/** Anything else that was not sent for so long, and for two intervals. */
const idleMs = 300_000;
const sweepMs = 60_000;
/** Of all caches together; the texts of 100,000 series are about 10 MB. */
const maxCacheBytes = 32 * 1024 * 1024;
const sourceBytes = 1000;

/** What is aggregated apart: everything, or one sender. */
class Source {
  readonly metrics = new Map<string, Metric>();
  readonly cache = new RawCache<Series>();
  dirty: Metric[] = [];
}

/** All series: finds them by their lines, makes them, and forgets those that fell silent. */
export class SeriesStore {
  readonly guard: CardinalityGuard;
  readonly #config: StatsdConfig;
  readonly #settings: Settings;
  readonly #options: MetricOptions;
  readonly #observations: readonly Observation[];
  readonly #memory: AggregateMemory;
  readonly #sources = new Map<string, Source>();
  /** Why `find` found none. */
  refusal: Refusal = "series_limit";
  #sweptMs: number;
  #hasWarnedOfKinds = false;
  #cachedBytes = 0;
  /** Packets of one sender follow one another; mostly there is only one source. */
  #lastSender = "";
  #lastSource: Source | undefined;

  constructor(config: StatsdConfig, settings: Settings, memory: AggregateMemory) {
    this.#config = config;
    this.#settings = settings;
    this.#memory = memory;
    this.#observations = observations(config);
    this.#options = {
      isMonotonic: config.is_monotonic_counter,
      counterType: (config.counter_type || "int") as CounterType,
    };
    this.guard = new CardinalityGuard(settings, config.max_series);
    this.#sweptMs = settings.clock.monotonicMs();
    settings.meter.gauge("rmt_statsd_cache_bytes", () => this.#cacheBytes(), {
      receiver: settings.id.text,
    });
  }

  #cacheBytes(): number {
    let bytes = 0;
    for (const { cache } of this.#sources.values()) bytes += cache.heldBytes;
    return bytes;
  }

  /** Takes the metrics of each source that have something to send, in the order in which they came. */
  takeDirty(): Metric[][] {
    const lists: Metric[][] = [];
    for (const source of this.#sources.values()) {
      if (source.dirty.length > 0) lists.push(source.dirty.splice(0));
    }
    return lists;
  }

  /** The series of a well-formed line; undefined: there is none, and `refusal` says why. */
  find(line: Line, sender: string): Series | undefined {
    const source = this.#sourceOf(sender);
    // A line with two tag parts has no simple key.
    if (line.moreTags.length > 0) return this.#resolve(line, source, sender);
    const hash = RawCache.hashOf(line);
    const known = source.cache.get(line, hash);
    if (known !== undefined) return known;
    const series = this.#resolve(line, source, sender);
    if (series === undefined) return undefined;
    if (this.#cachedBytes > maxCacheBytes) this.#clearCaches();
    this.#cachedBytes += source.cache.set(line, hash, series);
    return series;
  }

  #sourceOf(sender: string): Source {
    const last = this.#lastSource;
    if (last !== undefined && sender === this.#lastSender) return last;
    const source = this.#sources.get(sender) ?? new Source();
    this.#lastSender = sender;
    this.#lastSource = source;
    return source;
  }

  #clearCaches(): void {
    for (const { cache } of this.#sources.values()) cache.clear();
    this.#cachedBytes = 0;
  }

  /** Finds or makes the series of a line by its attributes. */
  #resolve(line: Line, source: Source, sender: string): Series | undefined {
    const { observer, group, typeName } = this.#observations[line.typeCode]!;
    if (observer === undefined) return this.#refuse("unmapped_type");
    const attributes = attributesOf(line, this.#config.enable_simple_tags);
    if (attributes === undefined) return this.#refuse("tag");
    if (this.#config.enable_metric_type) attributes.set("metric_type", typeName);
    const list = sorted(attributes);
    const key = canonicalText(list);
    const name = decodeUtf8(line.bytes, line.start, line.nameEnd);
    const metricKey = `${group} ${name}`;
    let metric = source.metrics.get(metricKey);
    const known = metric?.series.get(key);
    if (known !== undefined) return known;
    metric ??= new Metric(name, observer, this.#options, (m) => source.dirty.push(m));
    const series = this.guard.admit(name)
      ? metric.createSeries(list, key, false)
      : this.#overflowOf(metric);
    if (series === undefined) return undefined;
    if (metric.overflow !== series && !this.#keep(series)) return undefined;
    if (source.metrics.size === 0) this.#addSource(sender, source);
    if (!source.metrics.has(metricKey)) {
      this.#warnOfKinds(source, name, group);
      source.metrics.set(metricKey, metric);
      this.#memory.take(metricBytes);
    }
    return series;
  }

  #addSource(sender: string, source: Source): void {
    this.#sources.set(sender, source);
    this.#memory.take(sourceBytes);
  }

  /** Books a new series; false: there is no memory for it. */
  #keep(series: Series): boolean {
    const { metric } = series;
    if (!this.#memory.tryTake(series.heldBytes)) {
      if (series.isOverflow) this.guard.forgetOverflow();
      else this.guard.forget(metric.name);
      this.refusal = "memory_budget";
      return false;
    }
    if (series.isOverflow) metric.overflow = series;
    else metric.series.set(series.key, series);
    return true;
  }

  #overflowOf(metric: Metric): Series | undefined {
    if (metric.overflow !== undefined) return metric.overflow;
    if (!this.guard.admitOverflow()) {
      this.guard.countOverflow(metric.name);
      return this.#refuse("series_limit");
    }
    const series = metric.createSeries([{ key: overflowKey, value: true }], "", true);
    return this.#keep(series) ? series : undefined;
  }

  #refuse(refusal: Refusal): undefined {
    this.refusal = refusal;
    return undefined;
  }

  #warnOfKinds(source: Source, name: string, group: number): void {
    if (this.#hasWarnedOfKinds) return;
    const other = this.#observations.find(
      (one) => one.group !== group && source.metrics.has(`${one.group} ${name}`),
    );
    if (other === undefined) return;
    this.#hasWarnedOfKinds = true;
    this.#settings.log.warn(
      "A metric is sent with several types; each is aggregated by itself, and backends may show only one. Give them different names.",
      { metric: name, types: `${other.typeName}, ${this.#observations[group]!.typeName}` },
    );
  }

  /** Forgets what has been idle for long; does nothing most times. */
  sweep(): void {
    const nowMs = this.#settings.clock.monotonicMs();
    if (nowMs - this.#sweptMs < sweepMs) return;
    this.#sweptMs = nowMs;
    let found = false;
    for (const [sender, source] of this.#sources) {
      if (this.#sweepSource(source, nowMs)) found = true;
      if (source.metrics.size === 0) this.#dropSource(sender);
    }
    // They may still name what is gone; what is not gone is found again.
    if (found) this.#clearCaches();
  }

  #dropSource(sender: string): void {
    this.#sources.delete(sender);
    this.#memory.give(sourceBytes);
    this.#lastSource = undefined;
  }

  /** Whether something was forgotten. */
  #sweepSource(source: Source, nowMs: number): boolean {
    const idleForMs = Math.max(idleMs, 2 * this.#config.aggregation_interval);
    let found = false;
    for (const [key, metric] of source.metrics) {
      const limitMs = key.startsWith(`${gaugeCode} `)
        ? Math.max(gaugeBaseMs, idleForMs)
        : idleForMs;
      for (const series of [...metric.series.values(), metric.overflow]) {
        if (series === undefined || series.isDirty || nowMs - series.sentMs <= limitMs) continue;
        this.#forget(series);
        found = true;
      }
      if (metric.series.size === 0 && metric.overflow === undefined && metric.isIdle) {
        source.metrics.delete(key);
        this.#memory.give(metricBytes);
      }
    }
    return found;
  }

  #forget(series: Series): void {
    const { metric } = series;
    series.close(this.#memory);
    this.#memory.give(series.heldBytes);
    if (series.isOverflow) {
      metric.overflow = undefined;
      this.guard.forgetOverflow();
    } else {
      metric.series.delete(series.key);
      this.guard.forget(metric.name);
    }
  }

  /** Ends its part in the memory budget and the lists of guards. */
  close(): void {
    for (const source of this.#sources.values()) {
      for (const metric of source.metrics.values()) {
        for (const series of [...metric.series.values(), metric.overflow]) {
          if (series !== undefined) this.#forget(series);
        }
        this.#memory.give(metricBytes);
      }
    }
    for (const sender of this.#sources.keys()) this.#dropSource(sender);
    this.guard.close();
  }
}
