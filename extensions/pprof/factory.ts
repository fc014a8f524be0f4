import { defineExtension } from "../../src/component.ts";
import { config } from "./config.ts";
import { createPprof } from "./pprof.ts";

export const factory = defineExtension({
  type: "pprof",
  summary: "CPU and heap profiles of the running service on demand, in V8's formats.",
  stability: "beta",
  config,
  example: {},
  create: ({ config: parsed, settings }) => createPprof(parsed, settings),
});
