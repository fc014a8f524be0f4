/**
 * What a processor remembers of each series, by the content that makes the series. Bounded in series and bytes,
 * forgotten when nothing came for long enough, and undone for a payload that the next stage refused.
 */
import { createHash } from "node:crypto";
import type { Timer } from "../clock.ts";
import type { Settings } from "../component.ts";
import { canonicalText } from "../pdata/series/attributes.ts";
import type { Memos, Series } from "../pdata/series/interned.ts";
import { CardinalityGuard } from "./cardinality-guard.ts";

/** A state is never changed, only replaced: that is what makes undoing possible. */
export interface SeriesState {
  /** Bytes of its arrays, about. */
  readonly heldBytes: number;
}

interface Entry<S> {
  readonly key: string;
  readonly metric: string;
  /** undefined: it was forgotten. */
  state: S | undefined;
  /** Monotonic. */
  seenMs: number;
}

interface SeriesMemo<S> {
  /** Of the series' content. */
  readonly digest: string;
  variant: string;
  entry: Entry<S> | undefined;
}

/** What is noted on interned objects; `metric` is the user's. */
export interface StateMemos<S extends SeriesState = SeriesState> extends Memos {
  readonly scope: string;
  readonly metric: boolean;
  readonly series: SeriesMemo<S>;
}

export interface Change<S> {
  readonly entry: Entry<S>;
  /** undefined: the series was new. */
  readonly before: S | undefined;
  readonly after: S;
}

export interface SeriesStatesOptions {
  readonly maxSeries: number;
  /** Name of the key that sets maxSeries. */
  readonly limitKey: string;
  /** Milliseconds without a point after which a series is forgotten; 0: never. */
  readonly maxStaleMs: number;
  /** Of all states together; default 256 MiB. */
  readonly maxStateBytes?: number;
}

const defaultMaxStateBytes = 256 * 1024 * 1024;
/** An entry with its key, beside its state. */
const entryBytes = 300;
const longestSweepPeriodMs = 60_000;
/** Names come from senders. */
const longestName = 500;
/** Entries looked at without a pause: about a millisecond. */
const sweepSlice = 10_000;

export class SeriesStates<S extends SeriesState> {
  readonly #entries = new Map<string, Entry<S>>();
  readonly #settings: Settings;
  readonly #options: SeriesStatesOptions;
  readonly #maxStateBytes: number;
  readonly #guard: CardinalityGuard;
  readonly #expired: { add(n: number): void };
  #heldBytes = 0;
  #changes: Change<S>[] = [];
  #sweepTimer: Timer | undefined;
  #sliceTimer: Timer | undefined;
  #hasWarned = false;

  constructor(settings: Settings, options: SeriesStatesOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#maxStateBytes = options.maxStateBytes ?? defaultMaxStateBytes;
    this.#guard = new CardinalityGuard(settings, options.maxSeries, options.limitKey);
    const labels = { component: settings.id.text };
    this.#expired = settings.meter.counter("rmt_series_expired", labels);
    settings.meter.gauge("rmt_series_state_bytes", () => this.#heldBytes, labels);
  }

  start(): void {
    const { maxStaleMs } = this.#options;
    if (maxStaleMs <= 0 || this.#sweepTimer !== undefined) return;
    const periodMs = Math.min(maxStaleMs, longestSweepPeriodMs);
    this.#sweepTimer = this.#settings.clock.every(periodMs, () => this.#sweep());
  }

  close(): void {
    this.#sweepTimer?.cancel();
    this.#sliceTimer?.cancel();
    this.#sweepTimer = undefined;
    this.#sliceTimer = undefined;
    this.#guard.close();
  }

  /** `variant` tells states of one series apart. */
  find(series: Series<StateMemos<S>>, variant: string): S | undefined {
    return this.#entry(series, variant)?.state;
  }

  /** Puts a state in the place of the one before; false: there is no room for it, and all is as it was. */
  set(series: Series<StateMemos<S>>, variant: string, state: S): boolean {
    const known = this.#entry(series, variant);
    const before = known?.state;
    const growth = state.heldBytes - (before === undefined ? -entryBytes : before.heldBytes);
    const hasRoom = growth <= 0 || this.#heldBytes + growth <= this.#maxStateBytes;
    const entry = hasRoom ? (known ?? this.#create(series, variant)) : undefined;
    if (entry === undefined) return this.#refuse(series.parent.name);
    this.#changes.push({ entry, before, after: state });
    this.#heldBytes += growth;
    entry.state = state;
    entry.seenMs = this.#settings.clock.monotonicMs();
    return true;
  }

  /** What was set since the last call. */
  takeChanges(): readonly Change<S>[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** Takes changes back, but for series that have moved on since. */
  undo(changes: readonly Change<S>[]): void {
    for (const { entry, before, after } of changes.toReversed()) {
      if (entry.state !== after) continue;
      if (before === undefined) {
        this.#remove(entry);
      } else {
        this.#heldBytes += before.heldBytes - after.heldBytes;
        entry.state = before;
      }
    }
  }

  #entry(series: Series<StateMemos<S>>, variant: string): Entry<S> | undefined {
    series.memo ??= { digest: digestOf(series), variant, entry: undefined };
    const memo = series.memo;
    if (memo.entry?.state !== undefined && memo.variant === variant) return memo.entry;
    memo.variant = variant;
    memo.entry = this.#entries.get(memo.digest + variant);
    return memo.entry;
  }

  #create(series: Series<StateMemos<S>>, variant: string): Entry<S> | undefined {
    const metric = series.parent.name;
    if (!this.#guard.admit(metric)) return undefined;
    const memo = series.memo!;
    const entry: Entry<S> = { key: memo.digest + variant, metric, state: undefined, seenMs: 0 };
    this.#entries.set(entry.key, entry);
    memo.entry = entry;
    return entry;
  }

  #refuse(metric: string): false {
    this.#guard.showTop();
    if (this.#hasWarned) return false;
    this.#hasWarned = true;
    const { limitKey, maxSeries } = this.#options;
    const text = `There is no room for more series: points of further ones are dropped. Find the attribute with too many values and remove it, or raise ${limitKey}.`;
    const [largest] = this.#guard.report().top;
    this.#settings.log.warn(text, {
      metric: metric.slice(0, longestName),
      series: this.#entries.size,
      series_limit: maxSeries,
      state_bytes: this.#heldBytes,
      state_bytes_limit: this.#maxStateBytes,
      largest_metric: largest?.metric.slice(0, longestName),
      largest_metric_series: largest?.series,
    });
    return false;
  }

  #remove(entry: Entry<S>): void {
    this.#entries.delete(entry.key);
    this.#heldBytes -= entryBytes + entry.state!.heldBytes;
    // The interner's objects may keep the entry for long.
    entry.state = undefined;
    this.#guard.forget(entry.metric);
  }

  /** Looks at all entries, a slice at a time: it never blocks the process for long. */
  #sweep(): void {
    if (this.#sliceTimer !== undefined) return;
    const left = this.#entries.values();
    const slice = () => {
      this.#sliceTimer = this.#sweepSlice(left) ? this.#settings.clock.after(1, slice) : undefined;
    };
    slice();
  }

  /** Whether there are more. */
  #sweepSlice(left: Iterator<Entry<S>>): boolean {
    const oldestMs = this.#settings.clock.monotonicMs() - this.#options.maxStaleMs;
    let expired = 0;
    let looked = 0;
    let next = left.next();
    while (next.done !== true) {
      if (next.value.seenMs < oldestMs) {
        this.#remove(next.value);
        expired++;
      }
      if (++looked === sweepSlice) break;
      next = left.next();
    }
    if (expired > 0) this.#expired.add(expired);
    return next.done !== true;
  }
}

/**
 * Of what makes a series: resource and scope with their schema URLs, the metric without its description and
 * temporality, attributes. A digest, because the texts themselves may be long.
 */
function digestOf<S extends SeriesState>(series: Series<StateMemos<S>>): string {
  const metric = series.parent;
  const scope = metric.parent;
  scope.memo ??= scope.canonical;
  const { name, unit, kind, monotonic } = metric;
  const attributes = canonicalText(series.attributes());
  const text = JSON.stringify([scope.memo, name, unit, kind, monotonic, attributes]);
  return createHash("sha256").update(text).digest("base64");
}
