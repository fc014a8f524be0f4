/** What `rewrite` and its callbacks say to each other. */
import type { Writer } from "./wire.ts";

/** What a callback says of the message it saw. */
export const keep = 0;
export const drop = 1;
export const replaced = 2;
export type Verdict = 0 | 1 | 2;

export type MetricKind =
  | "gauge"
  | "sum"
  | "histogram"
  | "exponentialHistogram"
  | "summary"
  | "none";

/**
 * Where the walk stands; ranges are [start, end) in `bytes`, all message bodies; an absent resource or scope
 * is an empty range. Reused: do not keep.
 */
export interface Place {
  bytes: Uint8Array;
  resourceStart: number;
  resourceEnd: number;
  scopeStart: number;
  scopeEnd: number;
  metricStart: number;
  metricEnd: number;
  metricKind: MetricKind;
  start: number;
  end: number;
}

/**
 * Each callback looks at the message at [place.start, place.end) and returns keep, drop, or writes its new
 * body to `out` and returns replaced.
 *
 * - `resource` is called for every resource container, also where the resource is absent (start === end);
 *   drop drops the container with all that is in it. So does `scope` with the scope container.
 * - `metric` sees the Metric; the points of a replaced metric are not visited.
 */
export interface Rewriter {
  resource?(place: Place, out: Writer): Verdict;
  scope?(place: Place, out: Writer): Verdict;
  metric?(place: Place, out: Writer): Verdict;
  point?(place: Place, out: Writer): Verdict;
  span?(place: Place, out: Writer): Verdict;
  record?(place: Place, out: Writer): Verdict;
}
