/**
 * From a checked config to the nodes of the graph and what each leads to. Pure; nothing is created here.
 *
 *     receiver --(one port a signal)--> pipelines --> processor … --> exporters and connectors
 *     connector (one node a pair of signals) --> pipelines of its output signal
 */
import type { ComponentId, Signal } from "../component.ts";
import type {
  ResolvedComponent,
  ResolvedConfig,
  ResolvedPipeline,
} from "../config/service-config.ts";

export type NodeKey = string;

/** Where a branch leads. */
export interface Destination {
  readonly node: NodeKey;
  /** Label of the edge. */
  readonly to: string;
  readonly pipeline: string;
  readonly signal: Signal;
}

interface NodeBase {
  readonly key: NodeKey;
  readonly component: ResolvedComponent;
  /** Equal fingerprints: an instance can be carried over by a reload. */
  readonly fingerprint: string;
}

export interface ReceiverNode extends NodeBase {
  readonly kind: "receiver";
  readonly ports: ReadonlyMap<Signal, readonly Destination[]>;
}
export interface ProcessorNode extends NodeBase {
  readonly kind: "processor";
  readonly pipeline: string;
  readonly signal: Signal;
  readonly next: readonly Destination[];
}
export interface ExporterNode extends NodeBase {
  readonly kind: "exporter";
  readonly signals: readonly Signal[];
}
export interface ConnectorNode extends NodeBase {
  readonly kind: "connector";
  readonly from: Signal;
  readonly to: Signal;
  /** One port for each pipeline it feeds. */
  readonly ports: ReadonlyMap<string, readonly Destination[]>;
}
export type PlanNode = ReceiverNode | ProcessorNode | ExporterNode | ConnectorNode;

export interface Plan {
  /** Senders before the nodes they lead to. */
  readonly nodes: readonly PlanNode[];
  readonly extensions: readonly ResolvedComponent[];
}

/** The nodes of a checked config, in topological order. */
export function planGraph(config: ResolvedConfig): Plan {
  const builder = new PlanBuilder(config);
  return { nodes: sortTopologically(builder.nodes()), extensions: builder.extensions() };
}

class PlanBuilder {
  readonly #config: ResolvedConfig;

  constructor(config: ResolvedConfig) {
    this.#config = config;
  }

  extensions(): ResolvedComponent[] {
    return this.#config.extensions.map((text) => this.#component("extension", text));
  }

  nodes(): PlanNode[] {
    const nodes: PlanNode[] = [];
    for (const text of this.#usedIds("receivers", "receiver")) nodes.push(this.#receiver(text));
    for (const pipeline of this.#config.pipelines) nodes.push(...this.#processors(pipeline));
    for (const text of this.#usedIds("receivers", "connector"))
      nodes.push(...this.#connectors(text));
    for (const text of this.#usedIds("exporters", "exporter")) nodes.push(this.#exporter(text));
    return nodes;
  }

  #component(kind: ComponentId["kind"], text: string): ResolvedComponent {
    const component = this.#config.components.get(`${kind}:${text}`);
    if (component === undefined)
      throw new Error(`BUG: ${kind} ${text} is not in the checked config`);
    return component;
  }

  #has(kind: ComponentId["kind"], text: string): boolean {
    return this.#config.components.has(`${kind}:${text}`);
  }

  #usedIds(side: "receivers" | "exporters", kind: ComponentId["kind"]): Set<string> {
    const ids = this.#config.pipelines.flatMap((pipeline) => pipeline[side]);
    return new Set(ids.filter((text) => this.#has(kind, text)));
  }

  #receiver(text: string): ReceiverNode {
    const component = this.#component("receiver", text);
    const ports = new Map<Signal, Destination[]>();
    for (const pipeline of this.#fedBy(text)) {
      const port = ports.get(pipeline.signal) ?? [];
      port.push(...this.#entry(pipeline));
      ports.set(pipeline.signal, port);
    }
    const fingerprint = `${component.fingerprint}\n${[...ports.keys()].toSorted().join()}`;
    return { kind: "receiver", key: `receiver:${text}`, component, fingerprint, ports };
  }

  #processors(pipeline: ResolvedPipeline): ProcessorNode[] {
    return pipeline.processors.map((text, index) => {
      const component = this.#component("processor", text);
      return {
        kind: "processor",
        key: `processor:${pipeline.id}:${text}`,
        component,
        fingerprint: component.fingerprint,
        pipeline: pipeline.id,
        signal: pipeline.signal,
        next: this.#after(pipeline, index),
      };
    });
  }

  #exporter(text: string): ExporterNode {
    const component = this.#component("exporter", text);
    const signals = this.#config.pipelines
      .filter((pipeline) => pipeline.exporters.includes(text))
      .map((pipeline) => pipeline.signal);
    return {
      kind: "exporter",
      key: `exporter:${text}`,
      component,
      fingerprint: component.fingerprint,
      signals: [...new Set(signals)],
    };
  }

  #connectors(text: string): ConnectorNode[] {
    const component = this.#component("connector", text);
    const fed = this.#fedBy(text);
    const froms = new Set(
      this.#config.pipelines.filter((p) => p.exporters.includes(text)).map((p) => p.signal),
    );
    const nodes: ConnectorNode[] = [];
    for (const from of froms) {
      for (const to of new Set(fed.map((pipeline) => pipeline.signal))) {
        if (!supportsPair(component, from, to)) continue;
        const pipelines = fed.filter((pipeline) => pipeline.signal === to);
        const ports = new Map(pipelines.map((pipeline) => [pipeline.id, this.#entry(pipeline)]));
        const fingerprint = `${component.fingerprint}\n${[...ports.keys()].toSorted().join()}`;
        nodes.push({
          kind: "connector",
          key: connectorKey(text, from, to),
          component,
          fingerprint,
          from,
          to,
          ports,
        });
      }
    }
    return nodes;
  }

  #fedBy(text: string): ResolvedPipeline[] {
    return this.#config.pipelines.filter((pipeline) => pipeline.receivers.includes(text));
  }

  /** What a pipeline's input reaches first. */
  #entry(pipeline: ResolvedPipeline): Destination[] {
    return this.#after(pipeline, -1);
  }

  #after(pipeline: ResolvedPipeline, index: number): Destination[] {
    const place = { pipeline: pipeline.id, signal: pipeline.signal };
    const nextProcessor = pipeline.processors[index + 1];
    if (nextProcessor !== undefined) {
      return [{ ...place, node: `processor:${pipeline.id}:${nextProcessor}`, to: nextProcessor }];
    }
    return pipeline.exporters.flatMap((text) =>
      this.#has("exporter", text)
        ? [{ ...place, node: `exporter:${text}`, to: text }]
        : this.#connectorDestinations(text, pipeline),
    );
  }

  #connectorDestinations(text: string, pipeline: ResolvedPipeline): Destination[] {
    const component = this.#component("connector", text);
    const outputs = new Set(this.#fedBy(text).map((fed) => fed.signal));
    return [...outputs]
      .filter((to) => supportsPair(component, pipeline.signal, to))
      .map((to) => ({
        pipeline: pipeline.id,
        signal: pipeline.signal,
        node: connectorKey(text, pipeline.signal, to),
        to: text,
      }));
  }
}

const connectorKey = (text: string, from: Signal, to: Signal) => `connector:${text}:${from}:${to}`;

function supportsPair(component: ResolvedComponent, from: Signal, to: Signal): boolean {
  const { factory } = component;
  return (
    factory.kind === "connector" &&
    factory.pairs.some((pair) => pair.from === from && pair.to === to)
  );
}

/** All places a node sends to. */
export function destinationsOf(node: PlanNode): readonly Destination[] {
  if (node.kind === "exporter") return [];
  if (node.kind === "processor") return node.next;
  return [...node.ports.values()].flat();
}

/**
 * Senders before those they lead to, and all receivers before all processors and connectors, all exporters last:
 * backwards it is the order of starting.
 */
function sortTopologically(nodes: readonly PlanNode[]): PlanNode[] {
  const byKey = new Map(nodes.map((node) => [node.key, node]));
  const visited = new Set<NodeKey>();
  const sorted: PlanNode[] = [];
  const visit = (node: PlanNode) => {
    if (visited.has(node.key)) return;
    visited.add(node.key);
    for (const destination of destinationsOf(node)) visit(byKey.get(destination.node)!);
    sorted.unshift(node);
  };
  for (const node of nodes) visit(node);
  return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
}

/** Nothing leads to a receiver and an exporter leads nowhere, so the topological order stays one. */
function rankOf({ kind }: PlanNode): number {
  if (kind === "receiver") return 0;
  return kind === "exporter" ? 2 : 1;
}
