import { durationWithDefault, section, uint, z } from "../../src/config/fields.ts";

export const config = section({
  timeout: durationWithDefault("200ms").describe(
    "Send what is there after this, whatever its size; 0: at once.",
  ),
  send_batch_size: uint()
    .default(8192)
    .describe("Send once so many spans, data points or log records are there."),
  send_batch_max_size: uint()
    .default(0)
    .describe("Largest batch; larger ones are split. 0: no bound."),
  metadata_keys: z
    .array(z.string())
    .default([])
    .describe(
      "Batch separately by the values of these client metadata keys (include_metadata at the receiver).",
    ),
  metadata_cardinality_limit: uint()
    .default(1000)
    .describe("Most combinations of metadata values; a new one beyond is refused. 0: no bound."),
}).superRefine((value, context) => {
  const { send_batch_max_size, send_batch_size, timeout, metadata_keys } = value;
  if (send_batch_max_size > 0 && send_batch_max_size < send_batch_size) {
    context.addIssue({
      code: "custom",
      message: "send_batch_max_size must be greater or equal to send_batch_size",
    });
  }
  if (timeout < 0)
    context.addIssue({ code: "custom", message: "timeout must be greater or equal to 0" });
  const seen = new Set<string>();
  for (const key of metadata_keys.map((text) => text.toLowerCase())) {
    if (seen.has(key)) {
      context.addIssue({
        code: "custom",
        path: ["metadata_keys"],
        message: `duplicate entry in metadata_keys: ${JSON.stringify(key)} (case-insensitive)`,
      });
    }
    seen.add(key);
  }
});

export type BatchConfig = z.output<typeof config>;
