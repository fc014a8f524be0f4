import { defineProcessor } from "../../src/component.ts";
import { config } from "./config.ts";
import { ResourceProcessor } from "./resource-processor.ts";

export const factory = defineProcessor({
  type: "resource",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  state: "none",
  summary: "Inserts, updates, deletes, hashes, extracts and converts attributes of resources.",
  config,
  example: { attributes: [{ key: "deployment.environment", value: "test", action: "upsert" }] },
  create: ({ config: parsed, settings }) => {
    const processor = new ResourceProcessor(parsed, settings);
    return { transform: (payload, context) => processor.process(payload, context) };
  },
});
