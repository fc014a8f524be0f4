import { config } from "../../../processors/cumulative_to_delta/config.ts";
import { cumulativeToDelta } from "../../../processors/cumulative_to_delta/cumulative-to-delta.ts";
import { TemporalityStage } from "../../../src/metrics/temporality-stage.ts";
import { TestedStage } from "../../support/temporality.ts";

/** When the processor starts, in seconds; series that begin later are seen from their beginning. */
export const serviceStart = 1000;

export function toDelta(body: object = {}): TestedStage {
  return new TestedStage(
    (settings, next) =>
      new TemporalityStage(cumulativeToDelta(config.parse(body), settings), settings, next),
    serviceStart * 1000,
  );
}
