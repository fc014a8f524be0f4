import { defineExporter } from "../../src/component.ts";
import { section } from "../../src/config/fields.ts";

export const factory = defineExporter({
  type: "nop",
  summary: "Takes telemetry and does nothing with it.",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  config: section({}),
  example: {},
  create: () => ({ push: () => Promise.resolve({}) }),
});
