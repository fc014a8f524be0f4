import type { Settings } from "../../src/component.ts";
import type { CardinalityGuard } from "../../src/metrics/cardinality-guard.ts";
import { createPayload, type Payload } from "../../src/pdata/payload.ts";
import { Writer } from "../../src/pdata/wire.ts";
import type { StatsdConfig } from "./config.ts";
import { Line, type Refusal } from "./line.ts";
import { AggregateMemory } from "./memory.ts";
import type { Metric, WriteQuota } from "./metric.ts";
import { type FlushTimes, flushTimes } from "./point-writer.ts";
import { SeriesStore } from "./series-store.ts";

/** A clock that is set back by more was wrong before. */
const longestStandstillMs = 300_000;

/** Points in one payload, and its size, about: encoding one takes a few milliseconds. */
const maxPayloadPoints = 5000;
const maxPayloadBytes = 512 * 1024;

/** Books lines into series, and gives out what came since the last flush. */
export class Aggregator {
  /** The line that was taken or refused last. */
  readonly line = new Line();
  readonly #settings: Settings;
  readonly #memory: AggregateMemory;
  readonly #store: SeriesStore;
  readonly #writer = new Writer(64 * 1024);
  /** Metrics of each source that the running flush still has to write. */
  #pending: Metric[][] = [];
  #times: FlushTimes = flushTimes(0, 0);
  /** Wall clock of the newest points that were given out. */
  #lastTimeMs: number;
  #startMs: number;

  constructor(config: StatsdConfig, settings: Settings) {
    this.#settings = settings;
    this.#memory = new AggregateMemory(settings.budget);
    this.#store = new SeriesStore(config, settings, this.#memory);
    this.#lastTimeMs = settings.clock.now();
    this.#startMs = this.#lastTimeMs;
  }

  get guard(): CardinalityGuard {
    return this.#store.guard;
  }

  /** Bytes of the aggregates, about. */
  get heldBytes(): number {
    return this.#memory.heldBytes;
  }

  /** Takes the line [start, end), which is not empty, of a sender. Undefined: it is booked. */
  take(bytes: Uint8Array, start: number, end: number, sender: string): Refusal | undefined {
    const { line } = this;
    const refusal = line.parse(bytes, start, end);
    if (refusal !== undefined) return refusal;
    const store = this.#store;
    const series = store.find(line, sender);
    if (series === undefined) return store.refusal;
    if (series.isOverflow) store.guard.countOverflow(series.metric.name);
    return series.take(line, this.#memory);
  }

  /** Begins a flush: what comes from now on is for the next one. The one before has ended. */
  beginFlush(): void {
    this.#startMs = this.#lastTimeMs;
    // They are written from the end.
    this.#pending = this.#store.takeDirty().map((metrics) => metrics.toReversed());
    for (const metrics of this.#pending) for (const metric of metrics) metric.beginFlush();
    this.stampNow();
  }

  /** Moves the time of what is given out next to now. */
  stampNow(): void {
    const { clock, log } = this.#settings;
    const nowMs = clock.now();
    if (nowMs < this.#lastTimeMs - longestStandstillMs) {
      log.warn("The system's clock was set back; intervals begin anew.", {
        seconds: Math.round((this.#lastTimeMs - nowMs) / 1000),
      });
      this.#startMs = nowMs;
      this.#lastTimeMs = nowMs;
    }
    // If it went back a little, intervals still must not overlap.
    this.#lastTimeMs = Math.max(nowMs, this.#lastTimeMs);
    this.#times = flushTimes(this.#startMs, this.#lastTimeMs);
  }

  /** The next part of the flush; undefined: it has ended. A source's points lie in parts of their own. */
  nextPayload(): Payload<"metrics"> | undefined {
    const out = this.#writer;
    out.reset();
    const ends: number[] = [];
    const items: number[] = [];
    const quota: WriteQuota = {
      points: maxPayloadPoints,
      bytes: maxPayloadBytes,
      nowMs: this.#settings.clock.monotonicMs(),
    };
    while (quota.points > 0 && out.position < quota.bytes && this.#pending.length > 0) {
      const metrics = this.#pending[0]!;
      items.push(this.#writeSource(metrics, quota));
      ends.push(out.position);
      if (metrics.length === 0) this.#pending.shift();
    }
    if (ends.length === 0) return undefined;
    const bytes = out.take();
    const parts = ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
    const seams = parts.map((_, i) => i);
    return createPayload("metrics", parts, items, seams);
  }

  /**
   * Returns how many points.
   *
   *     ResourceMetrics = 2: ScopeMetrics          ScopeMetrics = 2: Metric …
   *
   * Resource and scope are empty: the lines say nothing of them.
   */
  #writeSource(metrics: Metric[], quota: WriteQuota): number {
    const out = this.#writer;
    const before = quota.points;
    const resource = out.begin(1, 3);
    const scope = out.begin(2, 3);
    while (quota.points > 0 && out.position < quota.bytes && metrics.length > 0) {
      const metric = metrics.at(-1)!;
      metric.write(out, this.#times, quota, this.#memory);
      if (metric.pendingPoints === 0) metrics.pop();
    }
    out.end(scope);
    out.end(resource);
    return before - quota.points;
  }

  /** Ends a flush: forgets what has been idle for long. */
  endFlush(): void {
    this.#store.sweep();
  }

  /** Ends its part in the memory budget and the lists of guards. */
  close(): void {
    this.#store.close();
  }
}
