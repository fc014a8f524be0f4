/**
 * `sending_queue::batch`: joins jobs until a batch is large or old enough, and cuts what is too large. One
 * open batch for each combination of the partition's metadata values.
 */
import type { Clock, Timer } from "../clock.ts";
import type { Context, Payload } from "../component.ts";
import type { DeliveryConfig } from "../config/fragments/delivery.ts";
import { concat } from "../pdata/concat.ts";
import { split } from "../pdata/split.ts";
import type { Batch, Job, Share } from "./job.ts";

type BatchConfig = NonNullable<NonNullable<DeliveryConfig["sending_queue"]>["batch"]>;

interface OpenBatch {
  readonly context: Context;
  payloads: Payload[];
  shares: Share[];
  items: number;
  size: number;
  timer: Timer | undefined;
}

export class Batcher {
  readonly #config: BatchConfig;
  readonly #inBytes: boolean;
  readonly #clock: Clock;
  readonly #emit: (batch: Batch) => void;
  readonly #open = new Map<string, OpenBatch>();

  constructor(config: BatchConfig, inBytes: boolean, clock: Clock, emit: (batch: Batch) => void) {
    this.#config = config;
    this.#inBytes = inBytes;
    this.#clock = clock;
    this.#emit = emit;
  }

  add(job: Job): void {
    const key = this.#partition(job.context);
    let open = this.#open.get(key);
    if (open === undefined) {
      open = {
        context: job.context,
        payloads: [],
        shares: [],
        items: 0,
        size: 0,
        timer: undefined,
      };
      this.#open.set(key, open);
      const { flush_timeout } = this.#config;
      if (flush_timeout > 0)
        open.timer = this.#clock.after(flush_timeout, () => this.#flush(key, true));
    }
    const { payload } = job;
    open.payloads.push(payload);
    open.shares.push({ job, from: open.items, to: open.items + payload.itemCount });
    open.items += payload.itemCount;
    open.size += this.#inBytes ? payload.byteLength : payload.itemCount;
    job.open++;
    if (open.size >= this.#config.min_size) this.#flush(key, false);
  }

  /** Emits everything, whatever its size. */
  flushAll(): void {
    for (const key of this.#open.keys()) this.#flush(key, true);
  }

  /** Takes back what is still open; oldest first. */
  takeAll(): Job[] {
    const jobs = [...this.#open.values()].flatMap((open) => {
      open.timer?.cancel();
      return open.shares.map(({ job }) => job);
    });
    this.#open.clear();
    return jobs;
  }

  #partition(context: Context): string {
    const keys = this.#config.partition.metadata_keys;
    if (keys.length === 0) return "";
    return JSON.stringify(keys.map((key) => context.metadata?.get(key.toLowerCase()) ?? null));
  }

  /** Emits the open batch in pieces of at most max_size; a last piece below min_size stays open unless all go. */
  #flush(key: string, all: boolean): void {
    const open = this.#open.get(key);
    if (open === undefined) return;
    this.#open.delete(key);
    open.timer?.cancel();
    const joined = concat(open.payloads);
    const { max_size } = this.#config;
    const limit = this.#inBytes ? { maxBytes: max_size } : { maxItems: max_size };
    const pieces = max_size > 0 && open.size > max_size ? split(joined, limit) : [joined];
    let from = 0;
    for (const [i, payload] of pieces.entries()) {
      const shares = sharesWithin(open.shares, from, from + payload.itemCount);
      from += payload.itemCount;
      const size = this.#inBytes ? payload.byteLength : payload.itemCount;
      if (!all && i === pieces.length - 1 && i > 0 && size < this.#config.min_size) {
        this.#reopen(key, open.context, payload, shares, size);
      } else {
        for (const { job } of shares) job.open++;
        this.#emit({ payload, context: open.context, shares });
      }
    }
    // The open batch no longer carries them; the emitted ones (or the reopened one) do.
    for (const { job } of open.shares) job.open--;
  }

  #reopen(
    key: string,
    context: Context,
    payload: Payload,
    shares: readonly Share[],
    size: number,
  ): void {
    for (const { job } of shares) job.open++;
    const open: OpenBatch = {
      context,
      payloads: [payload],
      shares: [...shares],
      items: payload.itemCount,
      size,
      timer: undefined,
    };
    const { flush_timeout } = this.#config;
    if (flush_timeout > 0)
      open.timer = this.#clock.after(flush_timeout, () => this.#flush(key, true));
    this.#open.set(key, open);
  }
}

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
