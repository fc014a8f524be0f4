/** What channels cost a request when someone listens, whoever it is: apart, as switching would not show it. */
import { path } from "./apps.ts";
import type { ChannelServerOptions } from "./channel-server.ts";
import { Child } from "./child.ts";
import type { LoadOptions } from "./load.ts";
import { type Context, estimateText, type Section } from "./section.ts";
import { estimate, sortedOf, trimmedMean } from "./statistics.ts";

const pairs = 10;
const quickPairs = 2;
const connections = 16;

async function launch(isActive: boolean, { entry, isQuick }: Context): Promise<number> {
  const segments = isQuick ? 100 : 400;
  const options = { entry, isActive, warmUpRequests: 30_000, segments, segmentRequests: 250 };
  const server = new Child("./channel-server.ts", options satisfies ChannelServerOptions);
  try {
    const { port } = await server.read<{ port: number }>();
    const load = new Child("./load.ts", { port, path, connections } satisfies LoadOptions);
    try {
      return trimmedMean(sortedOf(await server.read<number[]>()));
    } finally {
      load.stop();
    }
  } finally {
    server.stop();
  }
}

export const activeChannels: Section = {
  name: "active channels",
  async run(context) {
    const count = context.isQuick ? quickPairs : pairs;
    const never: number[] = [];
    const active: number[] = [];
    for (let i = 0; i < count; i++) {
      context.tell(`active channels: pair ${i + 1} of ${count}`);
      for (const isActive of i % 2 === 0 ? [false, true] : [true, false]) {
        (isActive ? active : never).push(await launch(isActive, context));
      }
    }
    const base = trimmedMean(sortedOf(never));
    const added = active.map((cost, i) => cost - never[i]!);
    return {
      title:
        "Channels with a subscriber that does nothing against channels that never had one, node:http, empty handler",
      head: ["fresh processes of each", "never, µs", "added, µs", "added, %"],
      rows: [
        [
          String(count),
          base.toFixed(1),
          estimateText(estimate([added]), 2),
          estimateText(estimate([added.map((cost) => (cost / base) * 100)]), 2),
        ],
      ],
    };
  },
};
