/** The running service: one graph, its start, its reloads, its end. */
import type { Clock } from "../clock.ts";
import type {
  ComponentId,
  ComponentStatus,
  Listener,
  ServerSpec,
  ServiceView,
} from "../component.ts";
import type { ResolvedConfig } from "../config/service-config.ts";
import { TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { MeterRegistry } from "../self-telemetry/meter.ts";
import type { BranchDeps } from "./branch.ts";
import type { MemoryBudget } from "./budget.ts";
import { EdgeMetrics } from "./edge-metrics.ts";
import { Graph } from "./graph.ts";
import type { EngineDeps } from "./instance.ts";
import { IntakeCounters } from "./intake-counters.ts";
import type { IntakeObserver } from "./junction.ts";
import { type Deadline, deadlineIn } from "./patience.ts";
import { type Plan, planGraph } from "./plan.ts";

export interface ServiceOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: MemoryBudget;
  readonly meters: MeterRegistry;
  /** src/net's shared listeners. */
  readonly listen: (owner: ComponentId, spec: ServerSpec) => Promise<Listener>;
  /** Told of the sockets that components open themselves. */
  readonly listensOn?: EngineDeps["listensOn"];
  readonly shutdownTimeoutMs: number;
  readonly recentErrors: ServiceView["recentErrors"];
  /** `otelcol_receiver_requests`, which the Collector has behind a feature gate. */
  readonly countsRequests?: boolean;
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
  readonly #edgeMetrics: EdgeMetrics;
  readonly view: ServiceView;
  #plan: Plan | undefined;
  #state: "new" | "starting" | "running" | "broken" | "stopping" | "stopped" = "new";
  #lostItems = 0;
  #firstData = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.view = this.#createView();
    this.#graph = new Graph({
      ...this.#engineDeps(),
      branch: this.#branchDeps(),
      drainTimeoutMs: options.shutdownTimeoutMs,
    });
    this.#edgeMetrics = new EdgeMetrics(options.meters);
    this.#registerBudgetGauges();
  }

  /** Builds and starts the graph of a checked config; on an error everything that started is stopped again. */
  start(config: ResolvedConfig): Promise<void> {
    this.#state = "starting";
    return this.#inTurn(async () => {
      const plan = planGraph(config);
      try {
        await this.#graph.apply(plan);
      } catch (error) {
        await this.#shutdownGraph(this.#deadline());
        this.#state = "stopped";
        throw error;
      }
      this.#plan = plan;
      this.#edgeMetrics.watch(this.#graph.branches);
      if (this.#state === "starting") this.#state = "running";
    });
  }

  /**
   * Moves to another checked config. What did not change keeps state, queue and listener; on any error the
   * old graph is put back and the error thrown. Rejects with SHUTTING_DOWN once the service stops.
   */
  reload(config: ResolvedConfig): Promise<void> {
    return this.#inTurn(() => this.#reload(config));
  }

  async #reload(config: ResolvedConfig): Promise<void> {
    if (this.#state !== "running" && this.#state !== "broken") throw stopping();
    const plan = planGraph(config);
    const restore = this.#plan!;
    try {
      await this.#graph.apply(plan, restore);
      this.#plan = plan;
    } finally {
      this.#edgeMetrics.watch(this.#graph.branches);
      this.#noteHealth();
    }
  }

  /** Where even the old graph could not be put back, the service goes on with what runs and says so. */
  #noteHealth(): void {
    if (this.#state === "stopping") return;
    this.#state = this.#graph.isComplete ? "running" : "broken";
  }

  /** Receivers stop, stages flush, queues drain, until the shutdown timeout; a reload that runs ends before. */
  stop(): Promise<StopReport> {
    if (this.#state === "new" || this.#state === "stopped")
      return Promise.resolve({ lostItems: this.#lostItems });
    this.#state = "stopping";
    const deadline = this.#deadline();
    this.#graph.cutWith(deadline.signal);
    return this.#inTurn(async () => {
      await this.#shutdownGraph(deadline);
      this.#state = "stopped";
      return { lostItems: this.#lostItems };
    });
  }

  /** One change of the graph at a time, in the order in which they were asked for. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #deadline(): Deadline {
    const { clock, shutdownTimeoutMs } = this.#options;
    return deadlineIn(clock, shutdownTimeoutMs, new AbortController().signal);
  }

  async #shutdownGraph(deadline: Deadline): Promise<void> {
    await this.#graph.shutdown(deadline.signal);
    deadline.cancel();
  }

  #engineDeps(): EngineDeps {
    const { clock, log, budget, meters, listen, listensOn } = this.#options;
    return {
      clock,
      log,
      budget,
      meters,
      listen,
      listensOn,
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
    const { meters, countsRequests = false } = this.#options;
    const counters = new IntakeCounters(meters, id.text, countsRequests);
    return {
      accepted: (payload, context) => {
        counters.count("accepted", payload, context.transport);
        if (this.#firstData) return;
        this.#firstData = true;
        this.#options.onFirstData?.(id);
      },
      refused: (payload, context) => counters.count("refused", payload, context.transport),
    };
  }

  #createView(): ServiceView {
    return {
      startedMs: this.#options.clock.now(),
      isReady: () => this.#state === "running",
      edges: () => this.#graph.branches.map((branch) => branch.counts()),
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

const stopping = () =>
  new TelemetryError("SHUTTING_DOWN", "the service is stopping", { retryable: true });
