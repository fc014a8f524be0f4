/** The members of Metric.data. */
export type DataKind = "gauge" | "sum" | "histogram" | "exponentialHistogram" | "summary";

/** What the walk needs to know of a kind of point. */
export interface PointLayout {
  readonly kind: DataKind;
  /** Field number in Metric. */
  readonly field: number;
  /** Field numbers in the point's message. */
  readonly attributes: number;
  readonly flags: number;
  readonly exemplars: number;
  /** Whether fields 4 and 6 are a number's value. */
  readonly number: boolean;
  /** Whether field 2 beside the points is an aggregation temporality. */
  readonly temporality: boolean;
}

const number = (kind: DataKind, field: number): PointLayout => ({
  kind,
  field,
  attributes: 7,
  flags: 8,
  exemplars: 5,
  number: true,
  temporality: kind === "sum",
});

const other = (
  kind: DataKind,
  field: number,
  attributes: number,
  flags: number,
  exemplars: number,
): PointLayout => ({
  kind,
  field,
  attributes,
  flags,
  exemplars,
  number: false,
  temporality: kind !== "summary",
});

const all: readonly PointLayout[] = [
  number("gauge", 5),
  number("sum", 7),
  other("histogram", 9, 9, 10, 8),
  other("exponentialHistogram", 10, 1, 10, 11),
  // Summaries have no exemplars: a field number that does not exist.
  other("summary", 11, 7, 8, 0),
];

/** By the field number in Metric. */
export const layouts: ReadonlyMap<number, PointLayout> = new Map(all.map((l) => [l.field, l]));
