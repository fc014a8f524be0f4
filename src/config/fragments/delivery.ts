/**
 * The delivery keys every sending exporter has (exporterhelper, configretry): the engine puts
 * `src/delivery` in front of an exporter whose config has them.
 */
import { durationWithDefault, int, optionalSection, refused, section, z } from "../fields.ts";

const sizer = z.enum(["requests", "items", "bytes"]);

/** A broken rule of the Collector's: the key it concerns and its text. */
type Broken = readonly [path: string, message: string];

/** A check that reports each broken rule at its key. */
const rules =
  <T>(broken: (value: T) => readonly (Broken | false)[]) =>
  (value: T, context: z.core.$RefinementCtx<T>): void => {
    for (const rule of broken(value)) {
      if (rule)
        context.addIssue({ code: "custom", path: [rule[0]], message: rule[1], input: value });
    }
  };

const atLeastZero = (key: string, value: number): Broken | false =>
  value < 0 && [key, `${key} value must be greater than or equal to 0`];

const retryFields = section({
  enabled: z.boolean().default(true).describe("Send again what a backend refused retryably."),
  initial_interval: durationWithDefault("5s").describe("Wait after the first failure."),
  randomization_factor: z
    .number()
    .min(0, "randomization_factor value must be greater than or equal to 0")
    .max(1, "randomization_factor value must be less than or equal to 1")
    .default(0.5)
    .describe("Each wait varies by this share."),
  multiplier: z
    .number()
    .min(0, "multiplier value must be greater than or equal to 0")
    .default(1.5)
    .describe("Each wait is this much longer than the one before."),
  max_interval: durationWithDefault("30s").describe("Longest wait."),
  max_elapsed_time: durationWithDefault("5m").describe("Give data up after this; 0 never does."),
});

/** configretry: Validate. */
export const retryOnFailure = retryFields.superRefine(
  rules((value: z.output<typeof retryFields>) => {
    const { initial_interval: initial, max_interval: longest, max_elapsed_time: elapsed } = value;
    return [
      atLeastZero("initial_interval", initial),
      atLeastZero("max_interval", longest),
      atLeastZero("max_elapsed_time", elapsed),
      elapsed > 0 &&
        elapsed < initial && [
          "max_elapsed_time",
          "'max_elapsed_time' must not be less than 'initial_interval'",
        ],
      elapsed > 0 &&
        elapsed < longest && [
          "max_elapsed_time",
          "'max_elapsed_time' must not be less than 'max_interval'",
        ],
    ];
  }),
);

const partitionFields = section({
  metadata_keys: z
    .array(z.string())
    .default([])
    .describe("Batch separately by the values of these metadata keys."),
});

const batchFields = section({
  flush_timeout: durationWithDefault("200ms").describe(
    "Send a batch after this, whatever its size.",
  ),
  min_size: int().default(8192).describe("Send a batch once it is this large."),
  max_size: int().default(0).describe("Largest batch; larger ones are split. 0: no bound."),
  sizer: z
    .enum(["items", "bytes"], {
      error: ({ input }) =>
        `\`batch\` supports only \`items\` or \`bytes\` sizer, found ${JSON.stringify(input)}`,
    })
    .optional()
    .describe("Unit of the sizes; the queue's own if that is items or bytes, else items."),
  partition: partitionFields
    .superRefine(
      rules(({ metadata_keys: keys }: z.output<typeof partitionFields>) => [
        duplicateKeyProblem(keys),
      ]),
    )
    .prefault({})
    .describe("What may share a batch."),
});

/** The Collector's complaint about a metadata key that is named twice, in whatever case. */
function duplicateKeyProblem(keys: readonly string[]): Broken | false {
  const lower = keys.map((key) => key.toLowerCase());
  const twice = lower.find((key, i) => lower.indexOf(key) < i);
  if (twice === undefined) return false;
  return [
    "metadata_keys",
    `duplicate entry in metadata_keys: ${JSON.stringify(twice)} (case-insensitive)`,
  ];
}

/** queuebatch: BatchConfig.Validate. The Collector prints the duration in nanoseconds. */
export const queueBatch = batchFields.superRefine(
  rules((value: z.output<typeof batchFields>) => {
    const { flush_timeout: flushMs, min_size: min, max_size: max } = value;
    return [
      flushMs <= 0 && [
        "flush_timeout",
        `\`flush_timeout\` must be positive, found ${flushMs * 1e6}`,
      ],
      min < 0 && ["min_size", `\`min_size\` must be non-negative, found ${min}`],
      max < 0 && ["max_size", `\`max_size\` must be non-negative, found ${max}`],
      max > 0 &&
        max < min && [
          "max_size",
          `\`max_size\` (${max}) must be greater or equal to \`min_size\` (${min})`,
        ],
    ];
  }),
);

const queueFields = section({
  num_consumers: int().default(10).describe("Requests sent at a time."),
  queue_size: int().default(1000).describe("Capacity, in units of `sizer`."),
  sizer: sizer.default("requests").describe("Unit of queue_size."),
  block_on_overflow: z.boolean().default(false).describe("Wait for room instead of refusing."),
  wait_for_result: z
    .boolean()
    .default(false)
    .describe("Answer the sender only after the backend did."),
  storage: refused(
    "this version keeps no queue on disk; without `storage` the queue is held in memory",
  ).describe("Extension that keeps the queue on disk."),
  batch: optionalSection("default", queueBatch).describe(
    "Join requests before sending; off unless named.",
  ),
});

/** What the batch sizes count, where `sizer` is not said in the batch. */
export function batchSizerOf({
  sizer: queueSizer,
  batch,
}: z.output<typeof queueFields>): "items" | "bytes" {
  return batch?.sizer ?? (queueSizer === "bytes" ? "bytes" : "items");
}

/** queuebatch: Config.Validate. */
export const sendingQueue = queueFields.superRefine(
  rules((value: z.output<typeof queueFields>) => {
    const { num_consumers: consumers, queue_size: capacity, batch } = value;
    return [
      consumers <= 0 && ["num_consumers", "`num_consumers` must be positive"],
      capacity <= 0 && ["queue_size", "`queue_size` must be positive"],
      // A batch that never fills would leave its callers waiting for the flush.
      batch !== undefined &&
        batchSizerOf(value) === value.sizer &&
        batch.min_size > capacity && [
          "queue_size",
          "`min_size` must be less than or equal to `queue_size`",
        ],
    ];
  }),
);

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
