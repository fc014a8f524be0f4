/** The otlp receiver on real sockets before edges of the test. */
import { factory } from "../../receivers/otlp/factory.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Budget, Context, Edge, Payload, Signal } from "../../src/component.ts";
import { silentLogger } from "../../src/log.ts";
import { Listeners } from "../../src/net/listeners.ts";
import { testBudget, testSettings } from "./settings.ts";

export interface Arrival {
  readonly payload: Payload;
  readonly context: Context;
}

interface ReceiverOptions {
  readonly signals?: readonly Signal[];
  readonly clock?: Clock;
  readonly budgetBytes?: number;
  /** What extensions offer. */
  readonly use?: (extensionId: string) => unknown;
  /** What the pipeline says to a payload. */
  readonly consume?: (arrival: Arrival) => Promise<void>;
}

export interface TestReceiver {
  readonly address: string;
  readonly port: number;
  readonly budget: Budget;
  readonly arrivals: Arrival[];
  /** Parts of all arrivals, joined. */
  bytes(): Buffer;
  close(abort?: AbortSignal): Promise<void>;
}

const allSignals: readonly Signal[] = ["traces", "metrics", "logs"];

/** Starts one protocol with the given keys; the endpoint is 127.0.0.1:0 where none is named. */
export async function startOtlpReceiver(
  protocol: "grpc" | "http",
  keys: Record<string, unknown> = {},
  options: ReceiverOptions = {},
): Promise<TestReceiver> {
  const { clock = systemClock, signals = allSignals } = options;
  const budget = testBudget(options.budgetBytes);
  const arrivals: Arrival[] = [];
  const edge: Edge = {
    assurance: "held",
    ready: () => undefined,
    consume: (payload, context) => {
      const arrival = { payload, context };
      arrivals.push(arrival);
      return options.consume?.(arrival) ?? Promise.resolve();
    },
  };
  const listeners = new Listeners({ clock, log: silentLogger, budget });
  let addresses: readonly string[] = [];
  const settings = {
    ...testSettings({ id: "otlp", clock, budget }),
    use: options.use ?? (() => undefined),
    listen: async (server: Parameters<Listeners["listen"]>[1]) => {
      const id = { kind: "receiver", type: "otlp", text: "otlp" } as const;
      const listener = await listeners.listen(id, server);
      ({ addresses } = listener);
      return listener;
    },
  };
  const receiver = factory.create({
    config: factory.config.parse({
      protocols: { [protocol]: { endpoint: "127.0.0.1:0", ...keys } },
    }),
    next: Object.fromEntries(signals.map((signal) => [signal, edge])),
    settings,
  });
  await receiver.start?.();
  const address = addresses[0] ?? "";
  return {
    address,
    port: Number(address.split(":").at(-1)),
    budget,
    arrivals,
    bytes: () => Buffer.concat(arrivals.flatMap(({ payload }) => [...payload.parts])),
    close: async (abort = AbortSignal.abort()) => receiver.shutdown?.(abort),
  };
}
