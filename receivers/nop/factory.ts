import { defineReceiver } from "../../src/component.ts";
import { section } from "../../src/config/fields.ts";

export const factory = defineReceiver({
  type: "nop",
  summary: "Receives nothing: for pipelines that are fed in another way, and for tests.",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  config: section({}),
  example: {},
  create: () => ({}),
});
