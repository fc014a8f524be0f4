/** What waits in a sending queue, and what is sent together. */
import type { Context, Payload } from "../component.ts";
import type { TelemetryError } from "../errors.ts";

/** One payload that was taken; finished when each of its items was delivered, dropped or refused. */
export interface Job {
  readonly payload: Payload;
  readonly context: Context;
  /** In units of the queue's sizer. */
  readonly size: number;
  /** Present where the caller waits for the result. */
  readonly waiter: Waiter | undefined;
  /** Batches that still carry items of it. */
  open: number;
  /** First final error of its items. */
  error: TelemetryError | undefined;
}

export interface Waiter {
  resolve(): void;
  reject(error: TelemetryError): void;
}

/** Items [from, to) of a batch belong to a job. */
export interface Share {
  readonly job: Job;
  readonly from: number;
  readonly to: number;
}

export interface Batch {
  readonly payload: Payload;
  readonly context: Context;
  readonly shares: readonly Share[];
}

/** Items [from, to) of a batch that will not be delivered by it. */
export interface Failure {
  readonly from: number;
  readonly to: number;
  readonly error: TelemetryError;
  /** Reason of the drop, where nobody waits for the result. */
  readonly reason: DropReason;
}

export type DropReason =
  | "rejected"
  | "retries_exhausted"
  | "send_failed"
  | "too_large"
  | "shutdown";
