/**
 * `sending_queue::batch`: joins jobs until a batch is large or old enough, and cuts what is too large. One
 * open batch for each combination of the partition's metadata values; an empty one is forgotten.
 */
import type { Clock, Timer } from "../clock.ts";
import type { Context, Payload } from "../component.ts";
import type { z } from "../config/fields.ts";
import type { queueBatch } from "../config/fragments/delivery.ts";
import { concat } from "../pdata/concat.ts";
import { split } from "../pdata/split.ts";
import { type Batch, type Job, type Share, sharesWithin } from "./job.ts";
import { MetadataPartition } from "./metadata-partition.ts";

interface OpenBatch {
  readonly context: Context;
  readonly payloads: Payload[];
  readonly shares: Share[];
  items: number;
  /** In units of the batch's sizer. */
  size: number;
  timer: Timer | undefined;
}

interface BatcherOptions {
  readonly config: z.output<typeof queueBatch>;
  readonly sizer: "items" | "bytes";
  readonly clock: Clock;
  readonly emit: (batch: Batch) => void;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #partition: MetadataPartition;
  readonly #open = new Map<string, OpenBatch>();

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#partition = new MetadataPartition(options.config.partition.metadata_keys);
  }

  add(job: Job): void {
    const { payload, context } = job;
    const key = this.#partition.keyOf(context);
    const open = this.#open.get(key) ?? this.#begin(key, this.#contextOf(context));
    open.payloads.push(payload);
    open.shares.push({ job, from: open.items, to: open.items + payload.itemCount });
    open.items += payload.itemCount;
    open.size += this.#sizeOf(payload);
    if (open.size >= this.#options.config.min_size) this.#close(key);
  }

  /** Emits everything, whatever its size. */
  flush(): void {
    for (const key of this.#open.keys()) this.#close(key);
  }

  #begin(key: string, context: Context): OpenBatch {
    const { config, clock } = this.#options;
    const open: OpenBatch = {
      context,
      payloads: [],
      shares: [],
      items: 0,
      size: 0,
      timer: clock.after(config.flush_timeout, () => this.#close(key)),
    };
    this.#open.set(key, open);
    return open;
  }

  /** Of a batch only what its requests have in common may reach the exporter. */
  #contextOf(context: Context): Context {
    return {
      receivedMs: context.receivedMs,
      metadata: this.#partition.commonMetadata(context),
    };
  }

  #sizeOf(payload: Payload): number {
    return this.#options.sizer === "bytes" ? payload.byteLength : payload.itemCount;
  }

  /** Emits an open batch in pieces of at most max_size; a last piece below min_size stays open. */
  #close(key: string): void {
    const open = this.#open.get(key)!;
    this.#open.delete(key);
    open.timer?.cancel();
    // Containers without items, cut off from their neighbours, say nothing.
    const pieces = this.#cut(open).filter((piece) => piece.itemCount > 0);
    let from = 0;
    for (const [i, payload] of pieces.entries()) {
      const shares = sharesWithin(open.shares, from, from + payload.itemCount);
      from += payload.itemCount;
      const isRest = i > 0 && i === pieces.length - 1;
      if (isRest && this.#sizeOf(payload) < this.#options.config.min_size) {
        this.#reopen(key, payload, { ...open, shares });
      } else {
        this.#options.emit({ payload, context: open.context, shares });
      }
    }
  }

  #cut(open: OpenBatch): Payload[] {
    const joined = concat(open.payloads);
    const { max_size } = this.#options.config;
    if (max_size === 0 || open.size <= max_size) return [joined];
    const limit = this.#options.sizer === "bytes" ? { maxBytes: max_size } : { maxItems: max_size };
    return split(joined, limit);
  }

  #reopen(key: string, payload: Payload, { context, shares }: OpenBatch): void {
    const open = this.#begin(key, context);
    open.payloads.push(payload);
    open.shares.push(...shares);
    open.items = payload.itemCount;
    open.size = this.#sizeOf(payload);
  }
}
