/** Metric families as values: what `renderFamilies` writes. */
import type { Label } from "./labels.ts";

export type FamilyType =
  | "counter"
  | "gauge"
  | "histogram"
  | "gaugehistogram"
  | "summary"
  | "unknown"
  | "info"
  | "stateset";

export interface Family {
  /** The name of the samples as in text 0.0.4 (`requests_total`). */
  readonly name: string;
  readonly type: FamilyType;
  readonly help?: string | undefined;
  /** As the name ends (`seconds`); for OpenMetrics' UNIT line. */
  readonly unit?: string | undefined;
  readonly samples: readonly Sample[];
}

interface SampleBase {
  readonly labels: readonly Label[];
  readonly timestampMs?: number | undefined;
}

export type Sample =
  | (SampleBase & {
      readonly value: number;
      readonly exemplar?: Exemplar | undefined;
      readonly histogram?: undefined;
      readonly summary?: undefined;
    })
  | (SampleBase & { readonly histogram: HistogramValue })
  | (SampleBase & { readonly histogram?: undefined; readonly summary: SummaryValue });

export interface HistogramValue {
  /** Cumulative counts, ascending bounds; +Inf may be left out. */
  readonly buckets: readonly {
    readonly le: number;
    readonly count: number;
    readonly exemplar?: Exemplar | undefined;
  }[];
  readonly count: number;
  readonly sum?: number | undefined;
}

export interface SummaryValue {
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
  readonly count: number;
  readonly sum: number;
}

export interface Exemplar {
  readonly labels: readonly Label[];
  readonly value: number;
  readonly timestampSeconds?: number | undefined;
}
