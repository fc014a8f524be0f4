/** One component in a running service, between a receiver that tests feed and an exporter that takes everything. */
import { systemClock } from "../../src/clock.ts";
import {
  defineExporter,
  defineReceiver,
  type Factory,
  type Payload,
  type ReceiverNext,
  type Signal,
} from "../../src/component.ts";
import { section } from "../../src/config/fields.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblems } from "../../src/config/problems.ts";
import { resolveLoaded } from "../../src/config/service-config.ts";
import { MemoryBudget } from "../../src/engine/budget.ts";
import { Service } from "../../src/engine/service.ts";
import { silentLogger } from "../../src/log.ts";
import { itemNames } from "../../src/pdata/payload.ts";
import { MeterRegistry } from "../../src/self-telemetry/meter.ts";
import { registryOf } from "./nop-registry.ts";

const all = { traces: "stable", metrics: "stable", logs: "stable" } as const;
const base = { summary: "Tests.", example: {}, config: section({}) };
type ItemName = "spans" | "metric_points" | "log_records";
/** What a queue may take to give up a backend that is not there. */
const shutdownTimeoutMs = 200;

export class ProbeService {
  readonly #service: Service;
  readonly #factory: Factory;
  readonly #path: { readonly from: Signal };
  readonly #meters = new MeterRegistry();
  #next: ReceiverNext = {};
  /** Holds series that end with their component. */
  readonly #holder = this.#meters.meterFor({});
  /** Items that the exporter behind the component got. */
  arrived = 0;
  /** Items that crossed the edge to the component. */
  entered = 0;
  #lostItems = 0;
  #droppedItems = 0;

  static async start(factory: Factory, path: { from: Signal; to: Signal }): Promise<ProbeService> {
    const probe = new ProbeService(factory, path);
    await probe.#start(path);
    return probe;
  }

  private constructor(factory: Factory, path: { from: Signal }) {
    this.#factory = factory;
    this.#path = path;
    this.#service = new Service({
      clock: systemClock,
      log: silentLogger,
      budget: new MemoryBudget(Number.MAX_SAFE_INTEGER),
      meters: this.#meters,
      listen: () => Promise.resolve({ addresses: ["127.0.0.1:0"], close: () => Promise.resolve() }),
      shutdownTimeoutMs,
      recentErrors: () => [],
    });
  }

  async #start({ from, to }: { from: Signal; to: Signal }): Promise<void> {
    const { config, problems } = await resolveLoaded(
      loadConfig({
        configs: ["probe.yaml"],
        sets: [],
        env: {},
        readFile: () => JSON.stringify(this.#document(from, to)),
      }),
      registryOf([this.#factory, ...this.#probes()]),
    );
    if (config === undefined) throw new Error(formatProblems(problems));
    await this.#service.start(config);
  }

  #document(from: Signal, to: Signal): object {
    const { kind, type, example } = this.#factory;
    const body = { [type]: example };
    const ends = { receivers: { probe_in: {} }, exporters: { probe_out: {} } };
    const inside = { receivers: ["probe_in"], exporters: ["probe_out"] };
    if (kind === "exporter") {
      const pipelines = { [from]: { receivers: ["probe_in"], exporters: [type] } };
      return { ...ends, exporters: body, service: { pipelines } };
    }
    if (kind === "processor") {
      const pipelines = { [from]: { ...inside, processors: [type] } };
      return { ...ends, processors: body, service: { pipelines } };
    }
    const pipelines = {
      [`${from}/in`]: { receivers: ["probe_in"], exporters: [type] },
      [`${to}/out`]: { receivers: [type], exporters: ["probe_out"] },
    };
    return { ...ends, connectors: body, service: { pipelines } };
  }

  #probes(): Factory[] {
    return [
      defineReceiver({
        ...base,
        type: "probe_in",
        stability: all,
        create: ({ next }) => {
          this.#next = next;
          return {};
        },
      }),
      defineExporter({
        ...base,
        type: "probe_out",
        stability: all,
        create: () => ({
          push: (payload) => {
            this.arrived += payload.itemCount;
            return Promise.resolve({});
          },
        }),
      }),
    ];
  }

  send(payload: Payload): Promise<void> {
    const edge = this.#next[this.#path.from]!;
    return edge.consume(payload as never, { receivedMs: 0, transport: "probe" });
  }

  async stop(): Promise<void> {
    for (const name of Object.values(itemNames) as ItemName[]) {
      const labels = { exporter: this.#exporter() };
      this.#holder.counter(`otelcol_exporter_sent_${name}`, labels);
    }
    for (const way of ["incoming", "outgoing"] as const)
      this.#holder.counter(`otelcol_processor_${way}_items`, this.#processorLabels());
    const views = this.#service.view.components();
    for (const { from, items } of this.#service.view.edges())
      if (from === "probe_in") this.entered += items;
    ({ lostItems: this.#lostItems } = await this.#service.stop());
    for (const { dropped } of views)
      for (const items of dropped.values()) this.#droppedItems += items;
  }

  /** Accepted and lost, in all components. */
  get dropped(): number {
    return Math.max(this.#droppedItems, this.#lostItems);
  }

  count(metric: "otelcol_receiver_accepted" | "otelcol_exporter_sent", signal: Signal): number {
    const labels: Record<string, string> =
      metric === "otelcol_exporter_sent"
        ? { exporter: this.#exporter() }
        : { receiver: "probe_in", transport: "probe" };
    return this.#value(`${metric}_${itemNames[signal]}`, labels);
  }

  processorItems(way: "incoming" | "outgoing"): number {
    return this.#value(`otelcol_processor_${way}_items`, this.#processorLabels());
  }

  #exporter(): string {
    return this.#factory.kind === "exporter" ? this.#factory.type : "probe_out";
  }

  #processorLabels() {
    return { processor: this.#factory.type, otel_signal: this.#path.from };
  }

  #value(name: string, labels: Readonly<Record<string, string>>): number {
    for (const snapshot of this.#meters.snapshot("detailed", () => {})) {
      if (snapshot.name !== name || snapshot.type === "histogram") continue;
      const point = snapshot.points.find((one) =>
        Object.entries(labels).every(([key, value]) => one.labels[key] === value),
      );
      if (point !== undefined) return point.value;
    }
    return 0;
  }
}
