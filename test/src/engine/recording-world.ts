/** A service whose components write down what happens to them, for tests of the engine. */
import { factory as batchFactory } from "../../../processors/batch/factory.ts";
import { factory as limiterFactory } from "../../../processors/memory_limiter/factory.ts";
import type {
  Component,
  Context,
  Exporter,
  Factory,
  Payload,
  ReceiverNext,
  Settings,
  Stage,
} from "../../../src/component.ts";
import {
  defineConnector,
  defineExporter,
  defineExtension,
  defineProcessor,
  defineReceiver,
} from "../../../src/component.ts";
import { section, z } from "../../../src/config/fields.ts";
import { deliveryKeys } from "../../../src/config/fragments/delivery.ts";
import { formatProblems } from "../../../src/config/problems.ts";
import type { ResolvedConfig } from "../../../src/config/service-config.ts";
import { MemoryBudget } from "../../../src/engine/budget.ts";
import { Service } from "../../../src/engine/service.ts";
import { TelemetryError } from "../../../src/errors.ts";
import type { LogFields, Logger } from "../../../src/log.ts";
import { signals } from "../../../src/pdata/payload.ts";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import type { Listener } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { registryOf } from "../../support/nop-registry.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { resolve } from "../config/support.ts";

const all = { traces: "stable", metrics: "stable", logs: "stable" } as const;
const base = { summary: "Records.", example: {} };
/** `v`: anything, to make a component differ. `uses`: ids of extensions. */
const keys = { v: z.unknown().optional(), uses: z.array(z.string()).default([]) };

export const notNow = (): TelemetryError =>
  new TelemetryError("BACKEND_UNAVAILABLE", "not now", { retryable: true });

/** The last exporter instance of an id, and what all of them got. */
export class Backend {
  readonly taken: string[] = [];
  pushes = 0;
  /** What push says. */
  error: TelemetryError | undefined;
  /** Pushes hang until this is called, or until they are aborted. */
  #hung: (() => void)[] = [];
  isHanging = false;
  ignoresAbort = false;

  async push(payload: Payload, abort: AbortSignal): Promise<void> {
    this.pushes++;
    if (this.isHanging) await this.#hang(abort);
    if (this.error !== undefined) throw this.error;
    this.taken.push(...bodiesOf(payload));
  }

  release(): void {
    this.isHanging = false;
    for (const go of this.#hung.splice(0)) go();
  }

  #hang(abort: AbortSignal): Promise<void> {
    return new Promise((go, reject) => {
      this.#hung.push(go);
      if (this.ignoresAbort) return;
      const cut = () => reject(new TelemetryError("TIMEOUT", "cut", { retryable: true }));
      if (abort.aborted) cut();
      else abort.addEventListener("abort", cut, { once: true });
    });
  }
}

interface Receiver {
  readonly next: ReceiverNext;
  isListening: boolean;
}

export class World {
  readonly clock = new FakeClock();
  readonly budget: MemoryBudget;
  readonly meters = new MeterRegistry();
  readonly events: string[] = [];
  readonly log: string[] = [];
  /** `kind id` of components whose start fails, or that cannot be created. */
  readonly failStart = new Set<string>();
  readonly failNextStart = new Set<string>();
  readonly failCreate = new Set<string>();
  /** The start of these waits for the promise. */
  readonly slowStart = new Map<string, Promise<void>>();
  /** Shutdown of these never ends. */
  readonly hangStop = new Set<string>();
  /** Instances that live, by `kind id`; a second one of an id is a leak. */
  readonly alive = new Map<string, number>();
  readonly #backends = new Map<string, Backend>();
  readonly #receivers = new Map<string, Receiver>();
  readonly service: Service;

  constructor(options: { budgetBytes?: number; shutdownTimeoutMs?: number } = {}) {
    this.budget = new MemoryBudget(options.budgetBytes ?? Number.MAX_SAFE_INTEGER);
    this.service = new Service({
      clock: this.clock,
      log: this.#logger({}),
      budget: this.budget,
      meters: this.meters,
      listen: () => Promise.reject<Listener>(new Error("no listener in this test")),
      shutdownTimeoutMs: options.shutdownTimeoutMs ?? 25_000,
      recentErrors: () => [],
    });
  }

  async resolve(yaml: string): Promise<ResolvedConfig> {
    const { config, problems } = await resolve(yaml, this.registry);
    if (config === undefined) throw new Error(formatProblems(problems));
    return config;
  }

  async start(yaml: string): Promise<void> {
    await this.service.start(await this.resolve(yaml));
  }

  async reload(yaml: string): Promise<void> {
    await this.service.reload(await this.resolve(yaml));
  }

  backend(id: string): Backend {
    let backend = this.#backends.get(id);
    if (backend === undefined) this.#backends.set(id, (backend = new Backend()));
    return backend;
  }

  /** Sends a request of log records through a receiver, as a client would. */
  send(receiver: string, ...names: string[]): Promise<void> {
    const { next, isListening } = this.#receivers.get(receiver)!;
    if (!isListening) return Promise.reject(new Error("connection refused"));
    return next.logs!.consume(logsPayload(names), { receivedMs: this.clock.monotonicMs() });
  }

  /** Events since the last call. */
  take(): string[] {
    return this.events.splice(0);
  }

  metric(name: string, labels: Record<string, string>): number {
    for (const snapshot of this.meters.snapshot("detailed", () => {})) {
      if (snapshot.name !== name || snapshot.type === "histogram") continue;
      for (const point of snapshot.points) {
        const isIt = Object.entries(labels).every(([key, value]) => point.labels[key] === value);
        if (isIt) return point.value;
      }
    }
    return Number.NaN;
  }

  #logger(own: LogFields): Logger {
    const say = (message: string, fields: LogFields = {}) =>
      void this.log.push(`${message} ${JSON.stringify({ ...own, ...fields })}`);
    return {
      debug: say,
      info: say,
      warn: say,
      error: say,
      with: (fields) => this.#logger({ ...own, ...fields }),
    };
  }

  /** A component that records its life, around what it really does. */
  #recorded<C extends Component>(settings: Settings, uses: readonly string[], inner: C): C {
    const name = `${settings.id.kind} ${settings.id.text}`;
    if (this.failCreate.has(name)) throw new Error("will not be created");
    for (const id of uses) settings.use(id);
    let isAlive = false;
    const start = async () => {
      this.events.push(`start ${name}`);
      isAlive = true;
      this.alive.set(name, (this.alive.get(name) ?? 0) + 1);
      await this.slowStart.get(name);
      if (this.failNextStart.delete(name) || this.failStart.has(name))
        throw new Error("will not start");
      await inner.start?.();
    };
    const shutdown = async (abort: AbortSignal) => {
      this.events.push(`stop ${name}`);
      if (this.hangStop.has(name)) await new Promise(() => {});
      await inner.shutdown?.(abort);
      if (isAlive) this.alive.set(name, this.alive.get(name)! - 1);
      isAlive = false;
    };
    return Object.assign(Object.create(inner) as C, { start, shutdown });
  }

  readonly registry = registryOf(this.#factories());

  #factories(): Factory[] {
    return [
      defineReceiver({
        ...base,
        type: "in",
        stability: all,
        config: section(keys),
        create: ({ config, next, settings }) => {
          const receiver = { next, isListening: false };
          return this.#recorded(settings, config.uses, {
            start: () => {
              receiver.isListening = true;
              this.#receivers.set(settings.id.text, receiver);
              return Promise.resolve();
            },
            shutdown: () => {
              receiver.isListening = false;
              return Promise.resolve();
            },
          });
        },
      }),
      defineProcessor({
        ...base,
        type: "pass",
        stability: all,
        state: "none",
        config: section(keys),
        create: ({ config, settings }) => ({
          stage: (next) =>
            this.#recorded<Stage>(settings, config.uses, {
              consume: (payload: Payload, context: Context) => next.consume(payload, context),
            }),
        }),
      }),
      defineProcessor({
        ...base,
        type: "pure",
        stability: all,
        state: "none",
        config: section(keys),
        create: () => ({ transform: (payload) => payload }),
      }),
      batchFactory,
      limiterFactory,
      this.#exporter("direct", section(keys)),
      this.#exporter("queued", section({ ...keys, ...deliveryKeys("5s") })),
      defineConnector({
        ...base,
        type: "fwd",
        config: section(keys),
        pairs: signals.flatMap((from) =>
          signals.map((to) => ({ from, to, stability: "stable" }) as const),
        ),
        create: ({ config, next, settings }) =>
          this.#recorded<Stage>(settings, config.uses, {
            consume: async (payload: Payload, context: Context) => {
              for (const edge of next.values()) await edge.consume(payload, context);
            },
          }),
      }),
      defineExtension({
        ...base,
        type: "ext",
        stability: "stable",
        config: section(keys),
        create: ({ config, settings }) =>
          Object.assign(this.#recorded(settings, config.uses, {}), { offers: settings.id.text }),
      }),
    ];
  }

  #exporter(type: string, config: z.ZodType<{ uses: string[] }>): Factory {
    return defineExporter({
      ...base,
      type,
      stability: all,
      config,
      create: ({ config: { uses }, settings }) => {
        const backend = this.backend(settings.id.text);
        const exporter: Exporter = {
          push: async (payload, _context, abort) => {
            await backend.push(payload, abort);
            return {};
          },
        };
        return this.#recorded(settings, uses, exporter);
      },
    });
  }
}
