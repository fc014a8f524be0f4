import { defineProcessor } from "../../src/component.ts";
import { BatchStage } from "./batch.ts";
import { config } from "./config.ts";

export const factory = defineProcessor({
  type: "batch",
  stability: { traces: "beta", metrics: "beta", logs: "beta" },
  state: "none",
  summary:
    "Joins small requests and splits large ones, so that exporters work on batches of a good size.",
  config,
  example: {},
  create: (args) => ({ stage: (next) => new BatchStage({ ...args, next }) }),
});
