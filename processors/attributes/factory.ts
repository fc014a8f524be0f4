import { defineProcessor } from "../../src/component.ts";
import { AttributesProcessor } from "./attributes-processor.ts";
import { config } from "./config.ts";

export const factory = defineProcessor({
  type: "attributes",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  state: "none",
  summary:
    "Inserts, updates, deletes, hashes, extracts and converts attributes of spans, records and data points.",
  config,
  example: { actions: [{ key: "deployment.environment", value: "test", action: "insert" }] },
  create: ({ config: parsed, signal, settings }) => {
    const processor = new AttributesProcessor(parsed, signal, settings);
    return { transform: (payload, context) => processor.process(payload, context) };
  },
});
