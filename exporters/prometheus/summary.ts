import type { Point } from "../../src/pdata/series/point.ts";
import { Cursor } from "../../src/pdata/wire.ts";

export interface SummaryData {
  readonly kind: "summary";
  /** Ascending, each quantile once. */
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
  readonly count: number;
  readonly sum: number;
}

/** SummaryDataPoint = count:4 fixed64, sum:5 double, quantile_values:6 { quantile:1 double, value:2 double }. */
export function readSummary(point: Point): SummaryData {
  const quantiles = new Map<number, number>();
  let count = 0;
  let sum = 0;
  const cursor = new Cursor().reset(point.bytes, point.start, point.end);
  const inner = new Cursor();
  while (cursor.next()) {
    if (cursor.number === 4) count = Number(cursor.fixed64());
    else if (cursor.number === 5) sum = cursor.double();
    else if (cursor.number === 6) {
      let quantile = 0;
      let value = 0;
      inner.reset(point.bytes, cursor.valueStart, cursor.valueEnd);
      while (inner.next()) {
        if (inner.number === 1) quantile = inner.double();
        else if (inner.number === 2) value = inner.double();
      }
      quantiles.set(quantile, value);
    }
  }
  const pairs = [...quantiles].map(([quantile, value]) => ({ quantile, value }));
  return {
    kind: "summary",
    quantiles: pairs.toSorted((a, b) => a.quantile - b.quantile),
    count,
    sum,
  };
}
