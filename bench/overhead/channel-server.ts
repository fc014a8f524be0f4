/**
 * A plain server whose channels have subscribers that do nothing, or never had any, a process of its own: prints
 * {"port"}, then the CPU µs a request of each segment.
 */
import type * as Instrument from "../../src/instrument/index.ts";
import { createApp } from "./apps.ts";
import { noOpsLike, subscribeAll, subscriptionsOf, unsubscribeAll } from "./channels.ts";
import { optionsOf, say } from "./child.ts";
import { ExchangeableServer } from "./listening.ts";
import { Requests, Segments } from "./segments.ts";

export interface ChannelServerOptions {
  readonly entry: string;
  readonly isActive: boolean;
  readonly warmUpRequests: number;
  readonly segments: number;
  readonly segmentRequests: number;
}

async function main(options: ChannelServerOptions): Promise<void> {
  const { entry, isActive, warmUpRequests, segments, segmentRequests } = options;
  const { start, instrumentHttp } = (await import(entry)) as typeof Instrument;
  start({ export: false, http: false, system: false });
  if (isActive) {
    const subscriptions = subscriptionsOf(() => instrumentHttp({ client: false }));
    unsubscribeAll(subscriptions);
    subscribeAll(noOpsLike(subscriptions));
  }
  const requests = new Requests();
  const server = new ExchangeableServer();
  server.listener = await createApp("node:http", () => requests.count());
  say({ port: await server.listen() });
  await requests.after(warmUpRequests);
  const all = { quadruples: 0, warmUpQuadruples: 0, settleRequests: 1, segmentRequests };
  const measured = new Segments(all, requests);
  const costs: number[] = [];
  for (let i = 0; i < segments; i++) costs.push(await measured.segment());
  say(costs);
}

await main(optionsOf() as ChannelServerOptions);
