import { defineConnector } from "../../src/component.ts";
import { section } from "../../src/config/fields.ts";
import { signals } from "../../src/pdata/payload.ts";
import { Forward } from "./forward.ts";

export const factory = defineConnector({
  type: "forward",
  summary: "Joins pipelines: what comes out of one goes into others of the same signal.",
  config: section({}),
  example: {},
  pairs: signals.map((signal) => ({ from: signal, to: signal, stability: "beta" }) as const),
  create: ({ next, settings }) => new Forward(next, settings),
});
