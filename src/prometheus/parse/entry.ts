/** What stands on a line: the common ground of the text formats. */
import type { Exemplar, FamilyType } from "../family.ts";
import type { Label } from "../labels.ts";

export type Entry =
  | { readonly kind: "help"; readonly name: string; readonly text: string }
  | { readonly kind: "type"; readonly name: string; readonly type: FamilyType }
  | { readonly kind: "unit"; readonly name: string; readonly text: string }
  | { readonly kind: "comment"; readonly text: string }
  | SeriesEntry;

export interface SeriesEntry {
  readonly kind: "series";
  readonly name: string;
  readonly labels: readonly Label[];
  readonly value: number;
  readonly timestampMs: number | undefined;
  readonly exemplar: Exemplar | undefined;
}

export interface EntrySource {
  /** The next entry; undefined: the end was reached. Throws MALFORMED_DATA. */
  next(): Entry | undefined;
  /** An error about the entry that came last. */
  fail(message: string): never;
  /** Whether what a family cannot be is an error (a push), or taken as it comes (a scrape). */
  readonly strict: boolean;
}

/**
 * Seconds as whole milliseconds, cut as Prometheus cuts them, but not one less because the product with 1000
 * fell just below a whole number.
 */
export function millisecondsOf(seconds: number): number {
  return Math.trunc(Math.round(seconds * 1e6) / 1e3);
}
