/** A created component with what the engine keeps about it: its edges, its status, its losses. */

import type { Clock } from "../clock.ts";
import type {
  Component,
  ComponentId,
  ComponentStatus,
  ComponentView,
  Exporter,
  HeldCounts,
  HeldPayload,
  Listener,
  ServerSpec,
  ServiceView,
  Settings,
  Signal,
  Stage,
} from "../component.ts";
import { hasDeliveryKeys } from "../config/fragments/delivery.ts";
import type { ResolvedComponent } from "../config/service-config.ts";
import { createDelivery } from "../delivery/delivery.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { InstanceMeter, MeterRegistry } from "../self-telemetry/meter.ts";
import type { Target } from "./branch.ts";
import type { MemoryBudget } from "./budget.ts";
import { type IntakeObserver, Junction } from "./junction.ts";
import type { ConnectorNode, ExporterNode, PlanNode, ProcessorNode, ReceiverNode } from "./plan.ts";
import { DirectSink, MeasuredStage, StageOutput, StageTarget, TransformTarget } from "./targets.ts";

/** What instances need of the process. */
export interface EngineDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: MemoryBudget;
  readonly meters: MeterRegistry;
  listen(owner: ComponentId, spec: ServerSpec): Promise<Listener>;
  readonly listensOn:
    | ((owner: ComponentId, protocol: "udp" | "tcp", addresses: readonly string[]) => void)
    | undefined;
  readonly view: ServiceView;
  onStatus(id: ComponentId, status: ComponentStatus): void;
  onDrop(reason: string, items: number): void;
  observeIntake(id: ComponentId): IntakeObserver;
}

/** A part of an instance that holds data. */
interface Holder {
  shutdown?(abort: AbortSignal): Promise<void>;
  held?(): HeldCounts;
  surrender?(): Promise<readonly HeldPayload[]>;
}

export type ExtensionLookup = (extensionId: string) => unknown;

export class Instance {
  readonly id: ComponentId;
  readonly key: string;
  readonly fingerprint: string;
  readonly pipeline: string | undefined;
  /** Ids of the extensions it asked for. */
  readonly uses = new Set<string>();
  readonly dropped = new Map<string, number>();
  /** Out-edges by port: a signal, a pipeline id, or "" for a processor. */
  readonly junctions = new Map<string, Junction>();
  /** In-edges by signal; "" where there is only one. */
  readonly targets = new Map<string, Target>();
  readonly holders = new Map<string, Holder>();
  /** Exporters: makes the sink of a signal that a reload adds. */
  addSignal: ((signal: Signal) => void) | undefined;
  component: Component = {};
  offers: unknown;
  status: ComponentStatus = { state: "starting" };
  /** created: not started yet, or its start failed. */
  phase: "created" | "running" | "stopped" = "created";
  #meter: InstanceMeter | undefined;
  readonly #drops = new Map<string, { add(n: number): void }>();
  readonly #deps: EngineDeps;

  constructor(
    component: ResolvedComponent,
    key: string,
    fingerprint: string,
    pipeline: string | undefined,
    deps: EngineDeps,
  ) {
    this.id = component.id;
    this.key = key;
    this.fingerprint = fingerprint;
    this.pipeline = pipeline;
    this.#deps = deps;
  }

  settings(lookup: ExtensionLookup): Settings {
    const { clock, log, budget, meters, view } = this.#deps;
    const meter = meters.meterFor({});
    this.#meter = meter;
    const fields = this.pipeline === undefined ? {} : { "otelcol.pipeline.id": this.pipeline };
    return {
      id: this.id,
      log: log.with({
        "otelcol.component.id": this.id.text,
        "otelcol.component.kind": this.id.kind,
        ...fields,
      }),
      clock,
      budget,
      meter,
      service: view,
      listen: (spec) => this.#deps.listen(this.id, spec),
      listensOn: (protocol, addresses) => this.#deps.listensOn?.(this.id, protocol, addresses),
      report: (status) => this.setStatus(status),
      use: (extensionId) => {
        this.uses.add(extensionId);
        return lookup(extensionId);
      },
      drop: (reason, items) => this.drop(reason, items),
    };
  }

  /** Accepted data goes no further: it was lost, or taken out on purpose (`filtered`). */
  drop(reason: string, items: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + items);
    let counter = this.#drops.get(reason);
    if (counter === undefined) {
      const labels = { component: this.id.text, reason };
      counter = this.#meter!.counter("rmt_dropped_items", labels);
      this.#drops.set(reason, counter);
    }
    counter.add(items);
    this.#deps.onDrop(reason, items);
  }

  setStatus(status: ComponentStatus): void {
    this.status = status;
    this.#deps.onStatus(this.id, status);
  }

  async start(): Promise<void> {
    await this.component.start?.();
    this.phase = "running";
    if (this.status.state === "starting") this.setStatus({ state: "ok" });
  }

  /**
   * Stops what holds data first, then the component; what could not be delivered is dropped and counted. Its
   * out-edges are the graph's concern. Rejects with the first failure, after everything was stopped.
   */
  async shutdown(abort: AbortSignal): Promise<void> {
    this.phase = "stopped";
    this.setStatus({ state: "stopping" });
    const holders = [...this.holders.values()].map(async (holder) => holder.shutdown?.(abort));
    const stopped = await Promise.allSettled(holders);
    try {
      await this.component.shutdown?.(abort);
    } finally {
      this.dispose();
      this.setStatus({ state: "stopped" });
    }
    const failed = stopped.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  held(): HeldCounts {
    let items = 0;
    let bytes = 0;
    for (const holder of this.holders.values()) {
      const held = holder.held?.();
      items += held?.items ?? 0;
      bytes += held?.bytes ?? 0;
    }
    return { items, bytes };
  }

  /** Its series vanish unless another instance has them too. */
  dispose(): void {
    this.#meter?.dispose();
  }

  view(): ComponentView {
    const { id, pipeline, status, dropped } = this;
    return { id, pipeline, status, held: this.held(), dropped };
  }
}

/** Creates the instance of a node; nothing is started, its junctions lead nowhere yet. */
export function createInstance(
  node: PlanNode,
  deps: EngineDeps,
  lookup: ExtensionLookup,
): Instance {
  const pipeline = node.kind === "processor" ? node.pipeline : undefined;
  const instance = new Instance(node.component, node.key, node.fingerprint, pipeline, deps);
  return fillOrExplain(instance, () => {
    if (node.kind === "receiver") fillReceiver(instance, node, deps, lookup);
    else if (node.kind === "processor") fillProcessor(instance, node, deps, lookup);
    else if (node.kind === "exporter") fillExporter(instance, node, lookup);
    else fillConnector(instance, node, deps, lookup);
  });
}

export function createExtension(
  component: ResolvedComponent,
  deps: EngineDeps,
  lookup: ExtensionLookup,
): Instance {
  const key = `extension:${component.id.text}`;
  const instance = new Instance(component, key, component.fingerprint, undefined, deps);
  const { factory, config } = component;
  if (factory.kind !== "extension") throw new Error(`BUG: ${component.id.text} is no extension`);
  return fillOrExplain(instance, () => {
    const extension = factory.create({ config, settings: instance.settings(lookup) });
    instance.component = extension;
    instance.offers = extension.offers;
  });
}

/** The error of a component that cannot be created names it, and nothing of it stays behind. */
function fillOrExplain(instance: Instance, fill: () => void): Instance {
  try {
    fill();
    return instance;
  } catch (error) {
    instance.dispose();
    const { code, message } = asTelemetryError(error);
    const { kind, text } = instance.id;
    throw new TelemetryError(code, `failed to create "${text}" ${kind}: ${message}`, {
      cause: error,
    });
  }
}

function fillReceiver(
  instance: Instance,
  node: ReceiverNode,
  deps: EngineDeps,
  lookup: ExtensionLookup,
): void {
  const { factory, config } = node.component;
  if (factory.kind !== "receiver") throw new Error(`BUG: ${instance.id.text} is no receiver`);
  const next: { -readonly [S in Signal]?: Junction } = {};
  for (const signal of node.ports.keys()) {
    const junction = new Junction(deps.budget, deps.observeIntake(instance.id));
    instance.junctions.set(signal, junction);
    next[signal] = junction;
  }
  instance.component = factory.create({
    config,
    next,
    settings: instance.settings(lookup),
  });
}

function fillProcessor(
  instance: Instance,
  node: ProcessorNode,
  deps: EngineDeps,
  lookup: ExtensionLookup,
): void {
  const { factory, config } = node.component;
  if (factory.kind !== "processor") throw new Error(`BUG: ${instance.id.text} is no processor`);
  const next = new Junction(deps.budget);
  instance.junctions.set("", next);
  const settings = instance.settings(lookup);
  const labels = { processor: instance.id.text, otel_signal: node.signal };
  const incoming = settings.meter.counter("otelcol_processor_incoming_items", labels);
  const outgoing = settings.meter.counter("otelcol_processor_outgoing_items", labels);
  const duration = settings.meter.histogram("otelcol_processor_internal_duration", labels);
  const measures = { incoming, outgoing, duration, clock: settings.clock };
  const created = factory.create({ config, signal: node.signal, settings });
  if ("transform" in created) {
    instance.targets.set("", new TransformTarget(created.transform, next, measures));
    return;
  }
  const output = new StageOutput(next, measures);
  const stage = created.stage(output);
  instance.component = stage;
  instance.holders.set("", { held: () => stage.held?.() ?? nothingHeld, ...surrenderOf(stage) });
  instance.targets.set("", new MeasuredStage(stage, next, output, measures));
}

const nothingHeld: HeldCounts = { items: 0, bytes: 0 };

function surrenderOf(stage: Stage): Pick<Holder, "surrender"> {
  return stage.surrender === undefined ? {} : { surrender: () => stage.surrender!() };
}

function fillExporter(instance: Instance, node: ExporterNode, lookup: ExtensionLookup): void {
  const { factory, config } = node.component;
  if (factory.kind !== "exporter") throw new Error(`BUG: ${instance.id.text} is no exporter`);
  const settings = instance.settings(lookup);
  const exporter = factory.create({ config, signals: node.signals, settings });
  instance.component = exporter;
  instance.addSignal = (signal) => {
    if (!instance.targets.has(signal)) addSink(instance, exporter, signal, config, settings);
  };
  for (const signal of node.signals) instance.addSignal(signal);
}

function addSink(
  instance: Instance,
  exporter: Exporter,
  signal: Signal,
  config: unknown,
  settings: Settings,
): void {
  if (!hasDeliveryKeys(config)) {
    const sink = new DirectSink(exporter, signal, settings);
    instance.targets.set(signal, sink);
    instance.holders.set(signal, sink);
    return;
  }
  const delivery = createDelivery({ exporter, signal, config, settings });
  instance.targets.set(signal, {
    assurance: "held",
    consume: (payload, context) => delivery.consume(payload, context),
    ready: (payload, context) => delivery.ready(payload, context),
    lastSuccessMs: () => delivery.lastSuccessMs,
  });
  instance.holders.set(signal, delivery);
}

function fillConnector(
  instance: Instance,
  node: ConnectorNode,
  deps: EngineDeps,
  lookup: ExtensionLookup,
): void {
  const { factory, config } = node.component;
  if (factory.kind !== "connector") throw new Error(`BUG: ${instance.id.text} is no connector`);
  for (const pipeline of node.ports.keys())
    instance.junctions.set(pipeline, new Junction(deps.budget));
  const stage = factory.create({
    config,
    from: node.from,
    to: node.to,
    next: instance.junctions,
    settings: instance.settings(lookup),
  });
  instance.component = stage;
  instance.holders.set("", { held: () => stage.held?.() ?? nothingHeld, ...surrenderOf(stage) });
  instance.targets.set("", new StageTarget(stage, [...instance.junctions.values()]));
}
