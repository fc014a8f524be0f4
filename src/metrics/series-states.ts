/**
 * What a processor remembers of each series, by the content that makes the series. Bounded in series and bytes,
 * forgotten when nothing came for long enough, and undone for a payload that the next stage refused.
 */
import { createHash } from "node:crypto";
import type { Timer } from "../clock.ts";
import type { Settings } from "../component.ts";
import { canonicalText } from "../pdata/series/attributes.ts";
import type { Memos, Series } from "../pdata/series/interned.ts";
import { CardinalityGuard, shortName } from "./cardinality-guard.ts";
import { type SeriesState, StateChanges } from "./series-state.ts";

interface SeriesMemo<S> {
  /** Of the series' content. */
  readonly digest: string;
  /** The one found last. */
  state: S | undefined;
}

/** What is noted on interned objects; `metric` is the user's. */
export interface StateMemos<S extends SeriesState = SeriesState> extends Memos {
  readonly scope: string;
  readonly metric: boolean;
  readonly series: SeriesMemo<S>;
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
/** A state with its key, beside its arrays. */
const entryBytes = 300;
const longestSweepPeriodMs = 60_000;
/** States looked at without a pause: about a millisecond. */
const sweepSlice = 10_000;
/** What is kept of changes for the payloads to come; longer ones are rare. */
const maxSpares = 8;
const maxSpareWords = 64 * 1024;

export class SeriesStates<S extends SeriesState> {
  readonly #states = new Map<string, S>();
  readonly #settings: Settings;
  readonly #options: SeriesStatesOptions;
  readonly #maxStateBytes: number;
  readonly #guard: CardinalityGuard;
  readonly #expired: { add(n: number): void };
  #heldBytes = 0;
  #changes = new StateChanges<S>();
  readonly #spares: StateChanges<S>[] = [];
  #lastVersion = 0;
  #nowMs = 0;
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

  /** Before the points of a payload: what they change counts as seen now. */
  begin(): void {
    this.#nowMs = this.#settings.clock.monotonicMs();
  }

  /**
   * The state of a series; its user tells several of one series apart by a variant and a start time (its two halves
   * of 32 bits). Reading is free, to change it needs `change` first.
   */
  find(
    series: Series<StateMemos<S>>,
    variant: string,
    startHigh: number,
    startLow: number,
  ): S | undefined {
    const memo = memoOf(series);
    const known = memo.state;
    if (
      known !== undefined &&
      known.startLow === startLow &&
      known.startHigh === startHigh &&
      known.variant === variant &&
      known.version !== 0
    ) {
      return known;
    }
    memo.state = this.#states.get(keyOf(memo, variant, startHigh, startLow));
    return memo.state;
  }

  /** Remembers a state that `find` does not know; false: there is no room for it. */
  add(
    series: Series<StateMemos<S>>,
    variant: string,
    startHigh: number,
    startLow: number,
    state: S,
  ): boolean {
    const metric = series.parent.name;
    const growth = entryBytes + state.heldBytes;
    if (!this.#hasRoom(growth) || !this.#guard.admit(metric)) return this.#refuse(metric);
    const memo = memoOf(series);
    memo.state = state;
    state.key = keyOf(memo, variant, startHigh, startLow);
    state.metric = shortName(metric);
    state.variant = variant;
    state.startHigh = startHigh;
    state.startLow = startLow;
    this.#states.set(state.key, state);
    this.#advance(state, growth);
    return true;
  }

  /**
   * To be called before a known state is changed to one that holds so many bytes; false: there is no room for them,
   * and it must stay as it is.
   */
  change(state: S, heldBytes: number): boolean {
    const growth = heldBytes - state.heldBytes;
    if (growth > 0 && !this.#hasRoom(growth)) return this.#refuse(state.metric);
    this.#advance(state, growth);
    return true;
  }

  #hasRoom(growth: number): boolean {
    return this.#heldBytes + growth <= this.#maxStateBytes;
  }

  #advance(state: S, growth: number): void {
    const version = ++this.#lastVersion;
    this.#changes.add(state, state.version, version);
    state.version = version;
    state.seenMs = this.#nowMs;
    this.#heldBytes += growth;
  }

  /** What was changed since the last call; it comes back by `undo` or `settle`. */
  takeChanges(): StateChanges<S> {
    const changes = this.#changes;
    this.#changes = this.#spares.pop() ?? new StateChanges();
    return changes;
  }

  /** Takes changes back, but for series that have moved on since. */
  undo(changes: StateChanges<S>): void {
    const growth = changes.undo((state) => this.#remove(state));
    this.#heldBytes += growth;
    this.settle(changes);
  }

  /** The changes stay. */
  settle(changes: StateChanges<S>): void {
    changes.clear();
    if (this.#spares.length < maxSpares && changes.capacity <= maxSpareWords) {
      this.#spares.push(changes);
    }
  }

  #refuse(metric: string): false {
    this.#guard.countRefused(metric);
    if (this.#hasWarned) return false;
    this.#hasWarned = true;
    const { limitKey, maxSeries } = this.#options;
    const text = `There is no room for more series: points of further ones are dropped. Find the attribute with too many values and remove it, or raise ${limitKey}.`;
    const [largest] = this.#guard.report().top;
    this.#settings.log.warn(text, {
      metric: shortName(metric),
      series: this.#states.size,
      series_limit: maxSeries,
      state_bytes: this.#heldBytes,
      state_bytes_limit: this.#maxStateBytes,
      largest_metric: largest?.metric,
      largest_metric_series: largest?.series,
    });
    return false;
  }

  #remove(state: S): void {
    this.#states.delete(state.key);
    this.#heldBytes -= entryBytes + state.heldBytes;
    // The interner's objects may keep the state for long.
    state.version = 0;
    this.#guard.forget(state.metric);
  }

  /** Looks at all states, a slice at a time: it never blocks the process for long. */
  #sweep(): void {
    if (this.#sliceTimer !== undefined) return;
    const left = this.#states.values();
    const slice = () => {
      this.#sliceTimer = this.#sweepSlice(left) ? this.#settings.clock.after(1, slice) : undefined;
    };
    slice();
  }

  /** Whether there are more. */
  #sweepSlice(left: Iterator<S>): boolean {
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

function memoOf<S extends SeriesState>(series: Series<StateMemos<S>>): SeriesMemo<S> {
  series.memo ??= { digest: digestOf(series), state: undefined };
  return series.memo;
}

const keyOf = (
  { digest }: SeriesMemo<unknown>,
  variant: string,
  startHigh: number,
  startLow: number,
) => `${digest}${variant}${startHigh}.${startLow}`;

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
