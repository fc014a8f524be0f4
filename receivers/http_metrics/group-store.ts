import type { Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { CardinalityGuard } from "../../src/metrics/cardinality-guard.ts";
import { budgetFull } from "../../src/net/reservation.ts";
import { type Group, type Size, sizeOf } from "./group.ts";

interface Bounds {
  readonly maxGroups: number;
  readonly maxSeries: number;
}

/** Who meets a bound may come again when others have been deleted. */
const retryMs = 60_000;

/** All groups, within their bounds; their bytes are part of the memory budget. */
export class GroupStore {
  readonly #groups = new Map<string, Group>();
  readonly #settings: Pick<Settings, "budget">;
  readonly #bounds: Bounds;
  readonly #guard: CardinalityGuard;
  readonly #locks = new Map<string, Promise<unknown>>();
  #series = 0;
  #bytes = 0;
  /** Groups that are there, or will be if their first push is taken. */
  #count = 0;
  #isClosed = false;

  constructor(settings: Settings, bounds: Bounds) {
    this.#settings = settings;
    this.#bounds = bounds;
    this.#guard = new CardinalityGuard(settings, bounds.maxSeries);
    settings.meter.gauge("rmt_http_metrics_groups", () => this.#groups.size, {
      receiver: settings.id.text,
    });
  }

  get(key: string): Group | undefined {
    return this.#groups.get(key);
  }

  entries(): Iterable<readonly [string, Group]> {
    return this.#groups;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** Somebody works on the group. */
  isLocked(key: string): boolean {
    return this.#locks.has(key);
  }

  /** Runs one after another for one key: two pushes to a group must not see the same state. */
  async locked<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(key) ?? Promise.resolve();
    const result = before.then(run);
    const settled = Promise.allSettled([result]);
    this.#locks.set(key, settled);
    try {
      return await result;
    } finally {
      if (this.#locks.get(key) === settled) this.#locks.delete(key);
    }
  }

  /** Makes room for what a group becomes; throws when there is none, retryably. `undo` gives it back. */
  makeRoom(before: Group | undefined, after: Size): { undo(): void } {
    const { series, bytes } = sizeOf(before);
    const more = {
      groups: before === undefined ? 1 : 0,
      series: after.series - series,
      bytes: after.bytes - bytes,
    };
    const { maxGroups, maxSeries } = this.#bounds;
    if (more.groups > 0 && this.#count >= maxGroups) {
      throw full("GROUP_LIMIT", `there are ${maxGroups} groups already (max_groups)`);
    }
    if (more.series > 0 && this.#series + more.series > maxSeries) {
      this.#guard.showTop();
      throw full(
        "SERIES_LIMIT",
        `the groups would have more than ${maxSeries} series (max_series)`,
      );
    }
    if (more.bytes > 0 && !this.#settings.budget.tryReserve(more.bytes)) throw budgetFull();
    if (more.bytes < 0) this.#settings.budget.release(-more.bytes);
    this.#add(more.groups, more.series, more.bytes);
    return {
      undo: () => {
        if (more.bytes > 0) this.#settings.budget.release(more.bytes);
        if (more.bytes < 0) this.#settings.budget.reserve(-more.bytes);
        this.#add(-more.groups, -more.series, -more.bytes);
      },
    };
  }

  #add(groups: number, series: number, bytes: number): void {
    this.#count += groups;
    this.#series += series;
    this.#bytes += bytes;
  }

  /** Room was made for it. */
  set(key: string, group: Group): void {
    this.#show(this.#groups.get(key), group);
    this.#groups.set(key, group);
    if (this.#isClosed) this.close();
  }

  /** What the guard shows of series: those of groups that are there. */
  #show(before: Group | undefined, after: Group | undefined): void {
    for (const { name, series } of before?.families.values() ?? []) {
      this.#guard.forget(name, series.size);
    }
    for (const { name, series } of after?.families.values() ?? []) {
      this.#guard.grow(name, series.size);
    }
  }

  remove(key: string): void {
    const group = this.#groups.get(key);
    if (group === undefined) return;
    const { series, bytes } = sizeOf(group);
    this.#show(group, undefined);
    this.#groups.delete(key);
    this.#settings.budget.release(bytes);
    this.#add(-1, -series, -bytes);
  }

  /** Nothing is kept any more. */
  close(): void {
    this.#isClosed = true;
    for (const key of this.#groups.keys()) this.remove(key);
    this.#guard.close();
  }
}

const full = (code: "GROUP_LIMIT" | "SERIES_LIMIT", cause: string) =>
  new TelemetryError(code, `cannot keep the pushed metrics: ${cause}`, {
    retryable: true,
    retryAfterMs: retryMs,
  });
