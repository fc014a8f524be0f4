import type { Memos } from "../../src/pdata/series/interned.ts";
import type { ExposedFamily } from "./family.ts";
import type { ResourceLabels } from "./labels-of.ts";
import type { SeriesState } from "./state.ts";

/** What the exporter notes on interned objects. */
export interface ExporterMemos extends Memos {
  readonly resource: Target;
  readonly scope: undefined;
  readonly metric: MetricBinding;
  readonly series: SeriesState;
}

export interface Target {
  readonly labels: ResourceLabels;
  /** Later ones are of resources seen later. */
  readonly serial: number;
  /** The series of its target_info. */
  info: SeriesState | undefined;
}

/** Where a metric's points go, or why nowhere. */
export interface MetricBinding {
  /** The family of its name; when `refusal` is set, the one that stands in its way. */
  readonly family: ExposedFamily | undefined;
  readonly refusal: string | undefined;
  readonly source: number;
  readonly target: Target;
  readonly reserved: string | undefined;
}
