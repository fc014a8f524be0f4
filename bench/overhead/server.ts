/**
 * A server with the helper switched on and off, a process of its own: prints {"port"}, then, once its load has sent
 * enough, one ServerResult.
 */
import type { RequestListener } from "node:http";
import type * as Instrument from "../../src/instrument/index.ts";
import { createApp, type Framework } from "./apps.ts";
import {
  noOpsLike,
  type Subscription,
  subscribeAll,
  subscriptionsOf,
  unsubscribeAll,
} from "./channels.ts";
import { optionsOf, say } from "./child.ts";
import { ExchangeableServer } from "./listening.ts";
import { type Pair, Requests, type SegmentOptions, Segments, type Switch } from "./segments.ts";
import { workOf } from "./work.ts";

export interface ServerOptions extends SegmentOptions {
  /** The module of the helpers. */
  readonly entry: string;
  readonly framework: Framework;
  readonly workMicroseconds: number;
  /** Of the launches: each makes its applications in another order, which may favour one of them. */
  readonly launch: number;
}

export interface ServerResult {
  readonly helper: readonly Pair[];
  /** The same with subscribers that do nothing, others in each state. */
  readonly control: readonly Pair[];
  readonly channels: readonly string[];
  /** Requests that came while the helper was on, and what it says of them. */
  readonly requestsOn: number;
  readonly measured: Measured;
}

interface Measured {
  readonly requests: number;
  readonly routes: readonly string[];
}

type AppName = "bare" | "helped" | "control";
type Apps = Readonly<Record<AppName, RequestListener>>;

/** Each before and behind each other one equally often. */
const orders: readonly (readonly AppName[])[] = [
  ["bare", "helped", "control"],
  ["control", "helped", "bare"],
  ["helped", "bare", "control"],
  ["control", "bare", "helped"],
  ["bare", "control", "helped"],
  ["helped", "control", "bare"],
];

/**
 * The helper reaches a Fastify only while it is made: so there is one for each state, and one for the control. Others
 * have one application for all, as two are never quite equally fast.
 */
async function createApps(
  { framework, launch }: ServerOptions,
  subscriptions: readonly Subscription[],
  handle: () => void,
): Promise<Apps> {
  if (framework !== "Fastify") {
    const app = await createApp(framework, handle);
    return { bare: app, helped: app, control: app };
  }
  const apps = {} as Record<AppName, RequestListener>;
  for (const name of orders[launch % orders.length]!) {
    if (name === "helped") subscribeAll(subscriptions);
    apps[name] = await createApp(framework, handle);
    if (name === "helped") unsubscribeAll(subscriptions);
  }
  return apps;
}

/** By the page that Prometheus would read. */
function measuredBy(page: string): Measured {
  const counts = [...page.matchAll(/^http_server_request_duration_seconds_count\{(.*)\} (\d+)/gmu)];
  const routes = counts.map(([, labels]) => /http_route="([^"]*)"/u.exec(labels!)?.[1] ?? "");
  return {
    requests: counts.reduce((sum, [, , count]) => sum + Number(count), 0),
    routes: [...new Set(routes)],
  };
}

/** What is there in one state. */
interface State {
  readonly subscriptions: readonly Subscription[];
  readonly listener: RequestListener;
}

class StateSwitch implements Switch {
  readonly #server: ExchangeableServer;
  readonly #requests: Requests;
  readonly #states: { readonly off: State; readonly on: State };
  #before = 0;
  /** Requests while it was on. */
  requestsOn = 0;

  constructor(
    server: ExchangeableServer,
    requests: Requests,
    states: { readonly off: State; readonly on: State },
  ) {
    this.#server = server;
    this.#requests = requests;
    this.#states = states;
  }

  begin(isOn: boolean): void {
    const { subscriptions, listener } = this.#states[isOn ? "on" : "off"];
    subscribeAll(subscriptions);
    this.#server.listener = listener;
    this.#before = this.#requests.handled;
  }

  end(isOn: boolean): void {
    unsubscribeAll(this.#states[isOn ? "on" : "off"].subscriptions);
    if (isOn) this.requestsOn += this.#requests.handled - this.#before;
  }
}

async function main(options: ServerOptions): Promise<void> {
  const helpers = (await import(options.entry)) as typeof Instrument;
  const telemetry = helpers.start({ export: false, http: false, system: false });
  const requests = new Requests();
  const work = workOf(options.workMicroseconds);
  const subscriptions = subscriptionsOf(() => helpers.instrumentHttp({ client: false }));
  unsubscribeAll(subscriptions);
  // As after the first seconds of any application: the helper counts in batches once a collection has asked for them.
  telemetry.toPrometheusText();
  const { bare, helped, control } = await createApps(options, subscriptions, () => {
    requests.count();
    work();
  });

  const server = new ExchangeableServer();
  server.listener = bare;
  // Held throughout: otherwise the switching itself would change the channels' state, and be measured.
  subscribeAll(noOpsLike(subscriptions));
  const helper = new StateSwitch(server, requests, {
    off: { subscriptions: [], listener: bare },
    on: { subscriptions, listener: helped },
  });
  // One for another: even a subscriber that does nothing costs 0.05 µs, which is more than nothing.
  const noOps = new StateSwitch(server, requests, {
    off: { subscriptions: noOpsLike(subscriptions), listener: bare },
    on: { subscriptions: noOpsLike(subscriptions), listener: control },
  });
  say({ port: await server.listen() });
  const [helperPairs, controlPairs] = await new Segments(options, requests).run([helper, noOps]);
  say({
    helper: helperPairs!,
    control: controlPairs!,
    channels: subscriptions.map(({ channel }) => channel),
    requestsOn: helper.requestsOn,
    measured: measuredBy(telemetry.toPrometheusText()),
  } satisfies ServerResult);
}

await main(optionsOf() as ServerOptions);
