/**
 * The books of one delivery: what it holds, and what became of every item of it. A job is closed when all its
 * items have been delivered, lost or handed over:
 *
 *     open -> taken (sent, or dropped{partial_success}) | failed: dropped{reason}, surrendered, back to its caller
 */
import type { HeldCounts, HeldPayload, Labels, Payload, Settings, Signal } from "../component.ts";
import type { TelemetryError } from "../errors.ts";
import { itemNames } from "../pdata/payload.ts";
import type { Batch, Failure, FailureReason, Job } from "./job.ts";
import { SendFailed } from "./send-failed.ts";

type ItemName = "spans" | "metric_points" | "log_records";

interface AccountsOptions {
  readonly settings: Settings;
  readonly signal: Signal;
  /** Labels of what is sent. */
  readonly destination: Labels;
  /** Nothing is left of a job, its room is free again. */
  readonly closed: (job: Job) => void;
}

export class Accounts {
  readonly #settings: Settings;
  readonly #counters: ReturnType<typeof countersOf>;
  readonly #closed: (job: Job) => void;
  /** Cut off from attempts by a reload. */
  readonly #surrendered: HeldPayload[] = [];
  #heldItems = 0;
  #heldBytes = 0;
  /** Dropped by a shutdown, and not yet said. */
  #lostItems = 0;
  /** Monotonic time of the last successful push; 0: none yet. */
  lastSuccessMs = 0;

  constructor({ settings, signal, destination, closed }: AccountsOptions) {
    this.#settings = settings;
    this.#counters = countersOf(settings, itemNames[signal] as ItemName, destination);
    this.#closed = closed;
  }

  held(): HeldCounts {
    return { items: this.#heldItems, bytes: this.#heldBytes };
  }

  /** The queue did not take it. */
  refused(payload: Payload): void {
    this.#counters.enqueueFailed.add(payload.itemCount);
  }

  /** The budget counts the job already. */
  open({ payload }: Job): void {
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
  }

  /** The destination took items; `rejected` of them it will not keep. */
  taken(items: number, rejected: number): void {
    this.#heldItems -= items;
    this.#counters.sent.add(items - rejected);
    if (rejected > 0) this.#settings.drop("partial_success", rejected);
    this.lastSuccessMs = this.#settings.clock.monotonicMs();
  }

  /** The batch is over: these failed, all else was taken. */
  settle(batch: Batch, failures: readonly Failure[]): void {
    for (const { job, from, to } of batch.shares) job.sentItems += to - from;
    for (const failure of failures) this.#fail(batch, failure);
    for (const { job, from, to } of batch.shares) {
      job.openItems -= to - from;
      if (job.openItems === 0) this.#close(job);
    }
  }

  /** What was surrendered since the last time. */
  takeSurrendered(): HeldPayload[] {
    return this.#surrendered.splice(0);
  }

  /** Says once what a shutdown dropped. */
  logLost(): void {
    if (this.#lostItems === 0) return;
    this.#settings.log.error("Shutdown timed out. Dropping data that could not be delivered.", {
      dropped_items: this.#lostItems,
    });
    this.#lostItems = 0;
  }

  #fail({ shares, context }: Batch, failure: Failure): void {
    const { from, to, error, reason, payload } = failure;
    this.#heldItems -= to - from;
    for (const share of shares) {
      const items = Math.min(to, share.to) - Math.max(from, share.from);
      if (items <= 0) continue;
      share.job.sentItems -= items;
      if (share.job.waiter !== undefined) share.job.failures.push({ items, error, reason });
    }
    const isAwaited = shares[0]?.job.waiter !== undefined;
    if (reason === "surrendered" && !isAwaited) {
      // Its sender has been answered: whoever sends it next is bound by no deadline.
      this.#surrendered.push({ payload, context: { ...context, deadlineMs: undefined } });
      return;
    }
    this.#counters.sendFailed.add(to - from, error);
    if (!isAwaited) this.#lose(to - from, error, reason);
    else this.#log("Exporting failed. Rejecting data.", { rejected_items: to - from }, error);
  }

  #lose(items: number, error: TelemetryError, reason: FailureReason): void {
    this.#settings.drop(reason, items);
    // Said once for all of them, when the shutdown ends.
    if (reason === "shutdown") this.#lostItems += items;
    else this.#log("Exporting failed. Dropping data.", { dropped_items: items, reason }, error);
  }

  #log(text: string, fields: Record<string, string | number>, { message }: TelemetryError): void {
    this.#settings.log.error(text, { ...fields, error: message });
  }

  #close(job: Job): void {
    const { payload, waiter, failures, sentItems } = job;
    this.#heldBytes -= payload.heldBytes;
    this.#settings.budget.release(payload.heldBytes);
    if (waiter !== undefined) {
      const [failure] = failures;
      if (failure !== undefined && sentItems === 0) waiter.reject(failure.error);
      else {
        for (const { items, error, reason } of failures) {
          this.#lose(items, error, reason === "surrendered" ? "shutdown" : reason);
        }
        waiter.resolve();
      }
    }
    this.#closed(job);
  }
}

function countersOf({ meter, id }: Settings, item: ItemName, destination: Labels) {
  const own = { exporter: id.text };
  const labels = { ...own, ...destination };
  return {
    sent: meter.counter(`otelcol_exporter_sent_${item}`, labels),
    sendFailed: new SendFailed(meter, `otelcol_exporter_send_failed_${item}`, labels),
    enqueueFailed: meter.counter(`otelcol_exporter_enqueue_failed_${item}`, own),
  };
}
