import { messageOf, type Problems } from "../problems.ts";
import type { Recorder } from "../types.ts";
import type { CacheCounts } from "./counts.ts";
import { PendingMisses } from "./pending-misses.ts";
import type { CacheResult, EvictionReason, Storage } from "./types.ts";

interface RecorderOptions {
  /** As the metrics call the cache. */
  readonly name: string;
  readonly counts: CacheCounts;
  readonly limitBytes: number | undefined;
  readonly problems: Problems;
  /** Binds the series of operation durations. */
  readonly bindDuration: (result: CacheResult) => Recorder;
}

/** A finite number, not below zero. */
export const isAmount = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_VALUE;

/**
 * What the wrapped methods of one cache tell. Only they hold it, so that it goes with the cache; its counts stay with
 * the book.
 */
export class CacheRecorder {
  readonly name: string;
  readonly counts: CacheCounts;
  /** Reasons that this kind of cache shows: sent from the start, with 0. */
  reasons: readonly EvictionReason[] = [];
  /** What the cache holds, asked at a collection. */
  storage: () => Partial<Storage> = () => ({});
  readonly #limitBytes: number | undefined;
  readonly #problems: Problems;
  readonly #bindDuration: (result: CacheResult) => Recorder;
  readonly #durations = new Map<CacheResult, Recorder>();
  readonly #pending = new PendingMisses();

  constructor({ name, counts, limitBytes, problems, bindDuration }: RecorderOptions) {
    this.name = name;
    this.counts = counts;
    this.#limitBytes = limitBytes;
    this.#problems = problems;
    this.#bindDuration = bindDuration;
  }

  /** A miss after which the application stores the value under this key. */
  missed(key: unknown): void {
    this.counts.requests.miss++;
    this.#pending.add(key, performance.now());
  }

  stored(key: unknown): void {
    if (this.#pending.isEmpty) return;
    const seconds = this.#pending.take(key, performance.now());
    if (seconds !== undefined) this.counts.loaded(seconds);
  }

  loaded(seconds: number): void {
    if (this.#isSeconds(seconds)) this.counts.loaded(seconds);
  }

  took(result: CacheResult, seconds: number): void {
    if (!this.#isSeconds(seconds)) return;
    if (result === "hit") this.counts.hitTook(seconds);
    let duration = this.#durations.get(result);
    if (duration === undefined) {
      duration = this.#bindDuration(result);
      this.#durations.set(result, duration);
    }
    duration.record(seconds);
  }

  evicted(entries: number, reason: EvictionReason): void {
    this.counts.evictions[reason] += entries;
  }

  read(): Storage {
    this.#pending.sweep(performance.now());
    const limitBytes = this.#limitBytes;
    try {
      const { entries, bytes, ...own } = this.storage();
      return {
        entries: isAmount(entries) ? entries : undefined,
        bytes: isAmount(bytes) ? bytes : undefined,
        limitBytes: limitBytes ?? own.limitBytes,
      };
    } catch (error) {
      this.complain(`cannot ask what it holds: ${messageOf(error)}`);
      return { entries: undefined, bytes: undefined, limitBytes };
    }
  }

  complain(message: string): void {
    this.#problems.report(
      "cache_failed",
      `cache ${JSON.stringify(this.name)}: ${message}`,
      `${this.name} ${message}`,
    );
  }

  #isSeconds(value: unknown): value is number {
    if (isAmount(value)) return true;
    this.complain("a time that is no number of seconds is not recorded");
    return false;
  }
}
