/** What the parsers give: families as the text writer takes them, with what only a parser knows. */
import type { Exemplar, Family, HistogramValue, SummaryValue } from "../family.ts";
import type { Label } from "../labels.ts";

export interface ParsedFamily extends Family {
  readonly samples: readonly ParsedSample[];
}

interface ParsedBase {
  /** In the order in which they stand; `le` and `quantile` of histograms and summaries are not among them. */
  readonly labels: readonly Label[];
  readonly timestampMs?: number | undefined;
  /** From `_created` or start_timestamp. */
  readonly startTimestampMs?: number | undefined;
}

export type ParsedSample =
  | (ParsedBase & {
      readonly value: number;
      readonly exemplar?: Exemplar | undefined;
      readonly histogram?: undefined;
      readonly summary?: undefined;
    })
  | (ParsedBase & { readonly histogram: ParsedHistogram; readonly summary?: undefined })
  | (ParsedBase & { readonly histogram?: undefined; readonly summary: SummaryValue });

export interface ParsedHistogram extends HistogramValue {
  /** Only protobuf carries native histograms; a histogram may be both. */
  readonly native?: NativeHistogram | undefined;
}

/** A histogram with exponential buckets, as it stands in the message; counts may be fractions. */
export interface NativeHistogram {
  /** Each bucket's bound is the previous one times 2^(2^-schema). */
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly positive: readonly NativeSpan[];
  readonly negative: readonly NativeSpan[];
  readonly exemplars: readonly Exemplar[];
}

/** Buckets side by side. */
export interface NativeSpan {
  /** Index of the first bucket: its upper bound is base^index. */
  readonly firstIndex: number;
  /** Observations in each. */
  readonly counts: readonly number[];
}
