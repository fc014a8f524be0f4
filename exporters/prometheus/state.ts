import type { Series } from "../../src/pdata/series/interned.ts";
import type { ExponentialData } from "./exponential.ts";
import type { ExposedFamily } from "./family.ts";
import type { HistogramData } from "./histogram.ts";
import type { ExporterMemos } from "./memos.ts";
import type { SummaryData } from "./summary.ts";

/** An exemplar as an OpenMetrics line ends with it. */
export interface ExemplarText {
  readonly value: number;
  readonly timeNs: number;
  /** ` # {…} value timestamp`, UTF-8 in a binary string. */
  readonly text: string;
}

/** What a scrape shows of a series. */
export interface Shown {
  value: number;
  timeMs: number;
  data: HistogramData | ExponentialData | SummaryData | undefined;
  exemplars: readonly ExemplarText[];
  /** There is nothing to show yet. */
  empty: boolean;
}

/**
 * The last value of one exposed series. Identity is the exposed one, name and labels: what several senders
 * expose under the same labels is one series.
 */
export class SeriesState implements Shown {
  readonly family: ExposedFamily;
  /** `a="b",c="d"` in UTF-8, as a binary string: written without encoding, one byte a character. */
  readonly pairs: string;
  /** Hash of the sender's own identity of the series; see `sourceOf`. */
  source: number;
  /** The interned object that its last point came with: another one may be another sender. */
  owner: Series<ExporterMemos> | undefined = undefined;
  temporality = 0;
  value = 0;
  data: HistogramData | ExponentialData | SummaryData | undefined = undefined;
  exemplars: readonly ExemplarText[] = noExemplars;
  timeNs = 0;
  /** Only where timestamps are written. */
  timeMs = 0;
  /** When it last got a point, in ticks of the registry: a small integer, which costs no allocation. */
  updatedTick = 0;
  empty = true;
  removed = false;
  /** What its data and exemplars cost. */
  valueBytes = 0;
  /** What a running scrape still has to show, when it has changed since it began. */
  held: Shown | undefined = undefined;

  constructor(family: ExposedFamily, pairs: string, source: number) {
    this.family = family;
    this.pairs = pairs;
    this.source = source;
  }

  /** Bytes it costs, about: for the memory budget. */
  get heldBytes(): number {
    return 400 + this.pairs.length + this.valueBytes;
  }
}

/** What the data of a series costs. */
export function dataBytes(data: Shown["data"]): number {
  if (data === undefined) return 0;
  if (data.kind === "histogram") return data.bytes;
  if (data.kind === "summary") return 64 * data.quantiles.length;
  return 8 * (data.positive.counts.length + data.negative.counts.length);
}

export function exemplarBytes(exemplars: readonly ExemplarText[]): number {
  return exemplars.reduce((sum, { text }) => sum + 64 + text.length, 0);
}

const noExemplars: readonly ExemplarText[] = [];
