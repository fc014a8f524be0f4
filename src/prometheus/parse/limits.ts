import { TelemetryError } from "../../errors.ts";

/** Bounds of what a body may make a parser hold or do in one step. */
export interface ParseLimits {
  readonly maxLineBytes: number;
  /** Labels of one sample or exemplar. */
  readonly maxLabels: number;
  /** Values, buckets and quantiles of a body: each is a few bytes of it, and some hundred in memory. */
  readonly maxSamples: number;
}

export const defaultLimits: ParseLimits = {
  maxLineBytes: 256 * 1024,
  maxLabels: 1024,
  maxSamples: 1_000_000,
};

/** The input cannot be parsed; permanent. */
export const malformed = (message: string) => new TelemetryError("MALFORMED_DATA", message);

export const tooManySamples = ({ maxSamples }: ParseLimits) =>
  malformed(`more than ${maxSamples} samples`);
