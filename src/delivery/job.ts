/** What a sending queue holds, and what is sent together. */
import type { Context, Payload } from "../component.ts";
import type { TelemetryError } from "../errors.ts";

/** One payload that was taken; finished when each of its items was delivered, lost or handed over. */
export interface Job {
  readonly payload: Payload;
  readonly context: Context;
  /** Room that it takes, in units of the queue's sizer. */
  readonly size: number;
  /** Present where the caller waits for the result. */
  readonly waiter: Waiter | undefined;
  /** Items whose fate is not known yet. */
  openItems: number;
  sentItems: number;
  /** What failed while its caller waits: an error for the caller, or a loss if other items were sent. */
  readonly failures: JobFailure[];
}

export interface Waiter {
  resolve(): void;
  reject(error: TelemetryError): void;
}

interface JobFailure {
  readonly items: number;
  readonly error: TelemetryError;
  readonly reason: FailureReason;
}

/** Items [from, to) of a batch belong to a job. */
export interface Share {
  readonly job: Job;
  readonly from: number;
  readonly to: number;
}

/** What one consumer sends: a job, several joined, or a cut. */
export interface Batch {
  readonly payload: Payload;
  readonly context: Context;
  readonly shares: readonly Share[];
}

/** Items [from, to) of a batch that it did not deliver. */
export interface Failure {
  readonly from: number;
  readonly to: number;
  readonly payload: Payload;
  readonly error: TelemetryError;
  readonly reason: FailureReason;
}

/** Why items were not delivered; all but `surrendered` are reasons of drops. */
export type FailureReason =
  | "rejected"
  | "retries_exhausted"
  | "send_failed"
  | "too_large"
  | "shutdown"
  | "surrendered";

/** The shares that overlap items [from, to), counted from `from`. */
export function sharesWithin(shares: readonly Share[], from: number, to: number): Share[] {
  const within: Share[] = [];
  for (const share of shares) {
    const start = Math.max(share.from, from);
    const end = Math.min(share.to, to);
    if (start < end) within.push({ job: share.job, from: start - from, to: end - from });
  }
  return within;
}
