import { defineProcessor, type Payload } from "../../src/component.ts";
import { config } from "./config.ts";
import { MetricsTransform } from "./metrics-transform.ts";

export const factory = defineProcessor({
  type: "metrics_transform",
  aliases: ["metricstransform"],
  stability: { metrics: "beta" },
  state: "none",
  summary: "Renames, copies, combines and regroups metrics, and changes their labels and values.",
  config,
  example: { transforms: [{ include: "old_name", action: "update", new_name: "new_name" }] },
  create: ({ config: parsed, settings }) => {
    const transform = new MetricsTransform(parsed.transforms, settings);
    return { transform: (payload) => transform.process(payload as Payload<"metrics">) };
  },
});
