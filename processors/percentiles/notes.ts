/** What is remembered of interned objects: caches, never state. */
import type { Memos } from "../../src/pdata/series/interned.ts";
import type { Group } from "./group.ts";

/** no: of no interest. */
export type MetricNote = "no" | "sampled" | "unsupported_type" | "too_long";

export interface SeriesNote {
  readonly matches: boolean;
  /** Of a cumulative histogram. */
  readonly baselineKey: string;
  group: Group | undefined;
}

export interface Notes extends Memos {
  /** The key of its content. */
  readonly scope: string;
  readonly metric: MetricNote;
  readonly series: SeriesNote;
}
