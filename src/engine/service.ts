/** The running service: one graph, its start, its reloads, its end. */
import type { Clock } from "../clock.ts";
import type {
  ComponentId,
  ComponentStatus,
  EdgeCounts,
  Listener,
  ServerSpec,
  ServiceView,
} from "../component.ts";
import type { ResolvedConfig } from "../config/service-config.ts";
import { asTelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { itemNames } from "../pdata/payload.ts";
import type { MeterRegistry } from "../self-telemetry/meter.ts";
import type { BranchDeps } from "./branch.ts";
import type { MemoryBudget } from "./budget.ts";
import { Graph } from "./graph.ts";
import type { EngineDeps } from "./instance.ts";
import type { IntakeObserver, Junction } from "./junction.ts";
import { type Plan, planGraph } from "./plan.ts";

export interface ServiceOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: MemoryBudget;
  readonly meters: MeterRegistry;
  /** src/net's shared listeners. */
  readonly listen: (owner: ComponentId, spec: ServerSpec) => Promise<Listener>;
  readonly shutdownTimeoutMs: number;
  readonly recentErrors: ServiceView["recentErrors"];
  /** Called once, when the first data was accepted. */
  readonly onFirstData?: (receiver: ComponentId) => void;
}

export interface StopReport {
  /** Items that were accepted and could not be delivered in time. */
  readonly lostItems: number;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #graph: Graph;
  readonly view: ServiceView;
  #plan: Plan | undefined;
  #state: "new" | "starting" | "running" | "stopping" | "stopped" = "new";
  #lostItems = 0;
  #firstData = false;
  /** One change of the graph at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.view = this.#createView();
    this.#graph = new Graph({
      ...this.#engineDeps(),
      branch: this.#branchDeps(),
      drainTimeoutMs: options.shutdownTimeoutMs,
    });
    this.#registerBudgetGauges();
  }

  /** Builds and starts the graph of a checked config; on an error everything that started is stopped again. */
  async start(config: ResolvedConfig): Promise<void> {
    this.#state = "starting";
    const plan = planGraph(config);
    try {
      await this.#graph.apply(plan);
    } catch (error) {
      await this.#graph.shutdown(AbortSignal.timeout(this.#options.shutdownTimeoutMs));
      this.#state = "stopped";
      throw error;
    }
    this.#plan = plan;
    this.#state = "running";
  }

  /**
   * Moves to another checked config. What did not change keeps state, queue and listener; on any error the
   * old graph is put back and the error thrown.
   */
  reload(config: ResolvedConfig): Promise<void> {
    const turn = this.#turn.then(() => this.#reload(config));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #reload(config: ResolvedConfig): Promise<void> {
    if (this.#state !== "running") return;
    const before = this.#plan!;
    const plan = planGraph(config);
    try {
      await this.#graph.apply(plan);
      this.#plan = plan;
    } catch (error) {
      this.#options.log.error("Reload failed; going back to the configuration that ran before.", {
        error: asTelemetryError(error).message,
      });
      await this.#graph.apply(before);
      throw error;
    }
  }

  /** Receivers stop, stages flush, queues drain, until the shutdown timeout. */
  async stop(): Promise<StopReport> {
    await this.#turn;
    if (this.#state !== "running") return { lostItems: this.#lostItems };
    this.#state = "stopping";
    const controller = new AbortController();
    const timer = this.#options.clock.after(this.#options.shutdownTimeoutMs, () =>
      controller.abort(new Error("the shutdown timeout passed")),
    );
    await this.#graph.shutdown(controller.signal);
    timer.cancel();
    this.#state = "stopped";
    return { lostItems: this.#lostItems };
  }

  #engineDeps(): EngineDeps {
    const { clock, log, budget, meters, listen } = this.#options;
    return {
      clock,
      log,
      budget,
      meters,
      listen,
      view: this.view,
      onStatus: (id, status) => this.#onStatus(id, status),
      onDrop: (reason, items) => this.#onDrop(reason, items),
      observeIntake: (id) => this.#observeIntake(id),
    };
  }

  #branchDeps(): BranchDeps {
    const { clock, log, budget, meters } = this.#options;
    const meter = meters.meterFor({});
    return {
      clock,
      log,
      budget,
      drop: (name, reason, items) => {
        meter.counter("rmt_dropped_items", { component: name.to, reason }).add(items);
        this.#onDrop(reason, items);
      },
    };
  }

  #onStatus(id: ComponentId, status: ComponentStatus): void {
    if (status.state !== "permanent" && status.state !== "recoverable") return;
    this.#options.log.warn("Component reported a problem.", {
      "otelcol.component.id": id.text,
      "otelcol.component.kind": id.kind,
      error: status.message,
    });
  }

  #onDrop(reason: string, items: number): void {
    if (reason === "shutdown") this.#lostItems += items;
  }

  #observeIntake(id: ComponentId): IntakeObserver {
    const counters = new IntakeCounters(this.#options.meters, id.text);
    return {
      accepted: (payload, context) => {
        counters.of("accepted", payload.signal, context.transport).add(payload.itemCount);
        if (this.#firstData) return;
        this.#firstData = true;
        this.#options.onFirstData?.(id);
      },
      refused: (payload, context) =>
        counters.of("refused", payload.signal, context.transport).add(payload.itemCount),
    };
  }

  #createView(): ServiceView {
    return {
      startedMs: this.#options.clock.now(),
      isReady: () => this.#state === "running",
      edges: () => this.#graph.nodes.flatMap((instance) => countsOf(instance.junctions)),
      components: () =>
        [...this.#graph.extensions, ...this.#graph.nodes].map((instance) => instance.view()),
      extensions: () => this.#graph.extensions.map((instance) => instance.id.text),
      recentErrors: () => this.#options.recentErrors(),
    };
  }

  #registerBudgetGauges(): void {
    const { budget, meters } = this.#options;
    const meter = meters.meterFor({});
    meter.gauge("rmt_memory_budget_used_bytes", () => budget.usedBytes);
    meter.gauge("rmt_memory_budget_limit_bytes", () => budget.limitBytes);
  }
}

const countsOf = (junctions: ReadonlyMap<string, Junction>): EdgeCounts[] =>
  [...junctions.values()].flatMap((junction) => junction.branches.map((branch) => branch.counts()));

type Outcome = "accepted" | "refused";
type ItemName = "spans" | "metric_points" | "log_records";

/** Bound counters of a receiver, by outcome, signal and transport. */
class IntakeCounters {
  readonly #meters: MeterRegistry;
  readonly #receiver: string;
  readonly #bound = new Map<string, { add(n: number): void }>();

  constructor(meters: MeterRegistry, receiver: string) {
    this.#meters = meters;
    this.#receiver = receiver;
  }

  of(outcome: Outcome, signal: keyof typeof itemNames, transport = ""): { add(n: number): void } {
    const key = `${outcome} ${signal} ${transport}`;
    let counter = this.#bound.get(key);
    if (counter === undefined) {
      const labels = { receiver: this.#receiver, transport };
      counter = this.#meters
        .meterFor({})
        .counter(`otelcol_receiver_${outcome}_${itemNames[signal] as ItemName}`, labels);
      this.#bound.set(key, counter);
    }
    return counter;
  }
}
