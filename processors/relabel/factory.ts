import { defineProcessor, type Payload } from "../../src/component.ts";
import { config } from "./config.ts";
import { Relabeler } from "./relabeler.ts";

export const factory = defineProcessor({
  type: "relabel",
  stability: { metrics: "beta" },
  state: "none",
  summary:
    "Changes, adds and removes labels of metrics, and drops series, by Prometheus' relabel rules.",
  config,
  example: {
    relabel_configs: [{ source_labels: ["__name__"], regex: "debug_.*", action: "drop" }],
  },
  create: ({ config: parsed, settings }) => {
    const relabeler = new Relabeler(parsed.relabel_configs, settings);
    return { transform: (payload) => relabeler.relabel(payload as Payload<"metrics">) };
  },
});
