/**
 * The delivery keys every sending exporter has (exporterhelper, configretry): the engine puts
 * `src/delivery` in front of an exporter whose config has them.
 */
import { durationWithDefault, int, optionalSection, section, z } from "../fields.ts";

const sizer = z.enum(["requests", "items", "bytes"]);

export const retryOnFailure = section({
  enabled: z.boolean().default(true).describe("Send again what a backend refused retryably."),
  initial_interval: durationWithDefault("5s").describe("Wait after the first failure."),
  randomization_factor: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Each wait varies by this share."),
  multiplier: z
    .number()
    .default(1.5)
    .describe("Each wait is this much longer than the one before."),
  max_interval: durationWithDefault("30s").describe("Longest wait."),
  max_elapsed_time: durationWithDefault("5m").describe("Give data up after this; 0 never does."),
});

export const queueBatch = section({
  flush_timeout: durationWithDefault("200ms").describe(
    "Send a batch after this, whatever its size.",
  ),
  min_size: int().default(8192).describe("Send a batch once it is this large."),
  max_size: int().default(0).describe("Largest batch; larger ones are split. 0: no bound."),
  sizer: z
    .enum(["items", "bytes"])
    .optional()
    .describe("Unit of the sizes; the queue's own if that is items or bytes, else items."),
  partition: section({
    metadata_keys: z
      .array(z.string())
      .default([])
      .describe("Batch separately by the values of these metadata keys."),
  })
    .prefault({})
    .describe("What may share a batch."),
});

export const sendingQueue = section({
  num_consumers: int().default(10).describe("Requests sent at a time."),
  queue_size: int().default(1000).describe("Capacity, in units of `sizer`."),
  sizer: sizer.default("requests").describe("Unit of queue_size."),
  block_on_overflow: z.boolean().default(false).describe("Wait for room instead of refusing."),
  wait_for_result: z
    .boolean()
    .default(false)
    .describe("Answer the sender only after the backend did."),
  storage: z
    .string()
    .optional()
    .describe("Extension that keeps the queue on disk (not in this version)."),
  batch: optionalSection("default", queueBatch).describe(
    "Join requests before sending; off unless named.",
  ),
});

/** `timeout` differs in its default between exporters. */
export const deliveryKeys = (timeout: string) => ({
  timeout: durationWithDefault(timeout).describe("Deadline of one attempt; 0: none."),
  retry_on_failure: retryOnFailure.prefault({}).describe("Waiting and giving up."),
  sending_queue: optionalSection("some", sendingQueue).describe("What waits for the backend."),
});

export interface DeliveryConfig {
  readonly timeout: number;
  readonly retry_on_failure: z.output<typeof retryOnFailure>;
  readonly sending_queue?: z.output<typeof sendingQueue> | undefined;
}

/** Whether an exporter's config has the delivery keys. */
export function hasDeliveryKeys(config: unknown): config is DeliveryConfig {
  return typeof config === "object" && config !== null && "retry_on_failure" in config;
}
