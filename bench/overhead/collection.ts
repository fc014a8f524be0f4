/** What it costs to collect, encode and send, at the default interval. */
import { resultOf } from "./child.ts";
import type { CollectionOptions } from "./collection-process.ts";
import { estimateText, type Section } from "./section.ts";
import { withSink } from "./sink.ts";
import { estimate, mean } from "./statistics.ts";
import { verdictOf } from "./verdict.ts";

const launches = 5;
const quickLaunches = 1;
const intervalMs = 10_000;
/** % of one core. */
const goal = 0.1;

export const collection: Section = {
  name: "collection",
  run: (context) =>
    withSink(async (endpoint) => {
      const count = context.isQuick ? quickLaunches : launches;
      const costsMs: number[][] = [];
      for (let i = 0; i < count; i++) {
        context.tell(`collection: launch ${i + 1} of ${count}`);
        const options = { entry: context.entry, endpoint, collections: 40, warmUps: 10 };
        costsMs.push(
          await resultOf("./collection-process.ts", options satisfies CollectionOptions),
        );
      }
      // The plain mean: a garbage collection that follows from it belongs to it.
      const ofCore = estimate(
        costsMs.map((costs) => costs.map((ms) => (ms / intervalMs) * 100)),
        mean,
      );
      return {
        title: "Collect, encode and send 2,000 series every 10 s",
        head: ["CPU ms a collection", "% of one core", "goal", "verdict"],
        rows: [
          [
            ((ofCore.value * intervalMs) / 100).toFixed(2),
            estimateText(ofCore, 3),
            `< ${goal} %`,
            verdictOf(context, ofCore.value < goal),
          ],
        ],
      };
    }),
};
