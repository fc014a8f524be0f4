import { config } from "../../../processors/delta_to_cumulative/config.ts";
import { deltaToCumulative } from "../../../processors/delta_to_cumulative/delta-to-cumulative.ts";
import { TemporalityStage } from "../../../src/metrics/temporality-stage.ts";
import { TestedStage } from "../../support/temporality.ts";

export function toCumulative(body: object = {}): TestedStage {
  return new TestedStage(
    (settings, next) => new TemporalityStage(deltaToCumulative(config.parse(body)), settings, next),
  );
}
