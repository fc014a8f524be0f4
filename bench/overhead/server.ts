/**
 * A server with the helper switched on and off, a process of its own: prints {"port"}, then, once its load has sent
 * enough, one ServerResult.
 */
import type { RequestListener } from "node:http";
import type * as Instrument from "../../src/instrument/index.ts";
import { createApp, type Framework } from "./apps.ts";
import { channelsUsedBy, subscribeNoOps } from "./channels.ts";
import { optionsOf, say } from "./child.ts";
import { ExchangeableServer } from "./listening.ts";
import { type Pair, Requests, type SegmentOptions, Segments, type Switch } from "./segments.ts";
import { stepsOf, work } from "./work.ts";

export interface ServerOptions extends SegmentOptions {
  /** The module of the helpers. */
  readonly entry: string;
  readonly framework: Framework;
  readonly workMicroseconds: number;
  /** The order in which the applications are made, which may favour one of them. */
  readonly isReversed: boolean;
}

export interface ServerResult {
  readonly helper: readonly Pair[];
  /** The same with subscribers that do nothing in the helper's place. */
  readonly control: readonly Pair[];
  readonly channels: readonly string[];
}

type Helpers = typeof Instrument;
const instrument = ({ instrumentHttp }: Helpers) => instrumentHttp({ client: false });

/** Some helpers reach an application only while it is made: so there is one for each state, and one for the control. */
interface Apps {
  readonly bare: RequestListener;
  readonly helped: RequestListener;
  readonly control: RequestListener;
}

async function createApps(
  { framework, isReversed }: ServerOptions,
  helpers: Helpers,
  handle: () => void,
): Promise<Apps> {
  const makeBare = () => createApp(framework, handle);
  const makeHelped = async () => {
    using _ = instrument(helpers);
    return await createApp(framework, handle);
  };
  if (!isReversed) return { bare: await makeBare(), helped: await makeHelped(), control: await makeBare() };
  return { control: await makeBare(), helped: await makeHelped(), bare: await makeBare() };
}

/** `turnOn` returns what turns off. */
function switchOf(
  server: ExchangeableServer,
  [off, on]: readonly [RequestListener, RequestListener],
  turnOn: () => () => void,
): Switch {
  let turnOff = () => {};
  return {
    on() {
      turnOff = turnOn();
      server.listener = on;
    },
    off() {
      turnOff();
      server.listener = off;
    },
  };
}

async function main(options: ServerOptions): Promise<void> {
  const helpers = (await import(options.entry)) as Helpers;
  const telemetry = helpers.start({ export: false, http: false, system: false });
  const requests = new Requests();
  const steps = stepsOf(options.workMicroseconds);
  let hash = 0;
  const { bare, helped, control } = await createApps(options, helpers, () => {
    requests.count();
    hash ^= work(steps);
  });

  const server = new ExchangeableServer();
  server.listener = bare;
  const channels = channelsUsedBy(() => instrument(helpers)[Symbol.dispose]());
  // Held throughout: otherwise the switching itself would change the channels' state, and be measured.
  subscribeNoOps(channels);
  const switches = [
    switchOf(server, [bare, helped], () => {
      const running = instrument(helpers);
      return () => running[Symbol.dispose]();
    }),
    switchOf(server, [bare, control], () => subscribeNoOps(channels)),
  ];
  say({ port: await server.listen() });
  const [helperPairs, controlPairs] = await new Segments(options, requests).run(switches);
  say({ helper: helperPairs!, control: controlPairs!, channels } satisfies ServerResult);
}

await main(optionsOf<ServerOptions>());
