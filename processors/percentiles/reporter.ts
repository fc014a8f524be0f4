/** What the groups say of a window, as payloads. */
import { createPayload, type Payload } from "../../src/pdata/payload.ts";
import type { PercentilesConfig } from "./config.ts";
import type { Group, Origin } from "./group.ts";
import type { GroupStore } from "./group-store.ts";
import { outputMetrics } from "./output-metrics.ts";
import { type GroupResult, ResultWriter } from "./result-writer.ts";

const maxPayloadPoints = 5000;
const maxPayloadBytes = 4 * 1024 * 1024;
/** Groups computed in a row: a quantile takes about a microsecond, merging a pane as well. */
const groupsAtOnce = 50;

export interface WindowTimes {
  /** The slot that the window ends with. */
  readonly slot: number;
  readonly startMs: number;
  readonly endMs: number;
  /** It ends early: what has no data in it may still get some. */
  readonly isPartial: boolean;
}

export class Reporter {
  readonly #quantiles: readonly number[];
  readonly #panes: number;
  readonly #store: GroupStore;
  readonly #writer: ResultWriter;

  /** @param panes Slots in a window. */
  constructor(config: PercentilesConfig, panes: number, store: GroupStore) {
    this.#quantiles = config.quantiles;
    this.#panes = panes;
    this.#store = store;
    this.#writer = new ResultWriter(config.quantiles, outputMetrics(config));
  }

  /** One window at a time. undefined: a good moment to let others work. */
  *payloads(window: WindowTimes, nowMs: number): Iterable<Payload<"metrics"> | undefined> {
    const writer = this.#writer;
    writer.begin(window.startMs, window.endMs);
    let computed = 0;
    for (const groups of chunks([...this.#store.origins])) {
      writer.add(groups[0]!.metric, this.#results(groups, window, nowMs));
      computed += groups.length * Math.max(1, this.#panes / 4);
      if (writer.items >= maxPayloadPoints || writer.bytes >= maxPayloadBytes) {
        yield this.#payload();
        writer.begin(window.startMs, window.endMs);
      }
      if (computed < groupsAtOnce * 4) continue;
      computed = 0;
      yield undefined;
    }
    if (writer.items > 0) yield this.#payload();
  }

  #payload(): Payload<"metrics"> {
    const { items } = this.#writer;
    return createPayload("metrics", [this.#writer.take()], [items]);
  }

  #results(groups: readonly Group[], window: WindowTimes, nowMs: number): GroupResult[] {
    const results: GroupResult[] = [];
    for (const group of groups) {
      const result = this.#resultOf(group, window);
      const isStale = result === undefined && group.hadData && !window.isPartial;
      if (result !== undefined || isStale) results.push({ attributes: group.attributes, result });
      group.hadData = result !== undefined;
      this.#store.sweep(group, this.#oldestLeft(window.slot), nowMs);
    }
    return results;
  }

  /** The newest slot that no later window covers. */
  #oldestLeft(slot: number): number {
    return slot - this.#panes + 1;
  }

  #resultOf(group: Group, { slot }: WindowTimes): GroupResult["result"] {
    const distribution = group.between(slot - this.#panes + 1, slot);
    if (distribution === undefined) return undefined;
    const quantiles = this.#quantiles.map((q) => distribution.quantileBounds(q));
    return { quantiles, distribution };
  }
}

/** Groups of one metric each; what is added meanwhile belongs to a later window. */
function* chunks(origins: readonly Origin[]): Iterable<readonly Group[]> {
  for (const { metrics } of origins) {
    for (const { groups } of metrics.values()) {
      const all = [...groups];
      for (let i = 0; i < all.length; i += groupsAtOnce) yield all.slice(i, i + groupsAtOnce);
    }
  }
}
