/** Bounds of an item, lengths in code points; the OpenAPI document says the same. */
export const limits = {
  nameLength: 255,
  values: 10_000,
  buckets: 1000,
  attributes: 64,
  attributeKeyLength: 255,
  attributeValueLength: 4096,
  unitLength: 63,
  descriptionLength: 1024,
  aheadMs: 10 * 60_000,
  /** Unix seconds above it are milliseconds. */
  largestSeconds: 1e11,
  /** Bytes of an item in JSON, which one step parses; only one that is full of texts at their limits has more. */
  itemBytes: 1024 * 1024,
  errors: 100,
  keyLength: 255,
} as const;

export const metricTypes = ["counter", "gauge", "histogram", "timing"] as const;
export type MetricType = (typeof metricTypes)[number];

export const itemFields = [
  "name",
  "type",
  "value",
  "values",
  "count",
  "sum",
  "buckets",
  "attributes",
  "timestamp",
  "unit",
  "description",
] as const;
