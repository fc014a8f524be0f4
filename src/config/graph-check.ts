/** Signals that components do not take; connectors used on one side only; cycles. */
import type { Signal } from "../pdata/payload.ts";
import type { ComponentSections, Findings } from "./components.ts";
import type { WrittenPipeline } from "./pipelines.ts";
import type { Factory } from "./registry-contract.ts";

/** A connector between two pipelines. */
interface Link {
  readonly connector: string;
  readonly from: WrittenPipeline;
  readonly to: WrittenPipeline;
}

/** Checks what the Collector checks when it builds the graph. */
export function checkGraph(
  pipelines: readonly WrittenPipeline[],
  components: ComponentSections,
  findings: Findings,
): void {
  for (const pipeline of pipelines) checkSignals(pipeline, components, findings);
  const links: Link[] = [];
  for (const { kind, text, factory } of components.declared.values()) {
    // Ambiguous ids and unknown types have their own problems.
    const ambiguous =
      components.declared.has(`receiver:${text}`) || components.declared.has(`exporter:${text}`);
    if (kind !== "connector" || factory === undefined || ambiguous) continue;
    links.push(...connectorLinks(text, factory, pipelines, findings));
  }
  const cycle = findCycle(pipelines, links);
  if (cycle === undefined) return;
  const first = cycle[0]!;
  findings.problems.push({
    stage: "build",
    message: `cycle detected: ${describeCycle(cycle)}`,
    path: ["service", "pipelines", first.from.id],
    at: first.from.exportersAt.get(first.connector) ?? first.from.keyAt,
    hint: "A pipeline must not lead back to itself through connectors.",
  });
}

/** Whether each member of a pipeline takes its signal. */
function checkSignals(
  { id, signal, keyAt, ...pipeline }: WrittenPipeline,
  { declared }: ComponentSections,
  { problems }: Findings,
): void {
  for (const kind of ["receiver", "processor", "exporter"] as const) {
    for (const text of pipeline[`${kind}s`]) {
      const factory = declared.get(`${kind}:${text}`)?.factory;
      if (factory?.kind !== kind || factory.stability[signal] !== undefined) continue;
      const place = kind === "processor" ? `, in pipeline "${id}"` : ` for data type "${signal}"`;
      problems.push({
        stage: "build",
        message: `failed to create "${text}" ${kind}${place}: telemetry type is not supported`,
        path: ["service", "pipelines", id, `${kind}s`],
        at: pipeline[`${kind}sAt`].get(text) ?? keyAt,
        hint: `${factory.type} takes ${Object.keys(factory.stability).join(", ")}`,
      });
    }
  }
}

function connectorLinks(
  connector: string,
  factory: Factory,
  pipelines: readonly WrittenPipeline[],
  findings: Findings,
): Link[] {
  const senders = pipelines.filter((pipeline) => pipeline.exporters.includes(connector));
  const takers = pipelines.filter((pipeline) => pipeline.receivers.includes(connector));
  const links = senders.flatMap((from) =>
    takers
      .filter((to) => supports(factory, from.signal, to.signal))
      .map((to) => ({ connector, from, to })),
  );
  const report = (side: Side, unused: readonly WrittenPipeline[]) => {
    for (const [signal, group] of Map.groupBy(unused, (pipeline) => pipeline.signal)) {
      findings.problems.push(unsupported(connector, factory, side, signal, group));
    }
  };
  report(
    "exporter",
    senders.filter((from) => !links.some((link) => link.from.signal === from.signal)),
  );
  report(
    "receiver",
    takers.filter((to) => !links.some((link) => link.to.signal === to.signal)),
  );
  return links;
}

type Side = "exporter" | "receiver";

function unsupported(
  connector: string,
  factory: Factory,
  side: Side,
  signal: Signal,
  group: readonly WrittenPipeline[],
) {
  const other = side === "exporter" ? "receiver" : "exporter";
  const ids = group.map((pipeline) => pipeline.id).join(" ");
  const first = group[0]!;
  const places = side === "exporter" ? first.exportersAt : first.receiversAt;
  const pairs = factory.kind === "connector" ? factory.pairs : [];
  const possible = pairs
    .filter((pair) => (side === "exporter" ? pair.from : pair.to) === signal)
    .map((pair) => `${pair.from} to ${pair.to}`);
  return {
    stage: "build" as const,
    message: `connector ${JSON.stringify(connector)} used as ${side} in [${ids}] pipeline but not used in any supported ${other} pipeline`,
    path: ["service", "pipelines", first.id, `${side}s`],
    at: places.get(connector) ?? first.keyAt,
    hint:
      possible.length === 0
        ? `${factory.type} does not ${side === "exporter" ? "take" : "give"} ${signal}`
        : `${factory.type} leads ${possible.join(", ")}`,
  };
}

const supports = (factory: Factory, from: Signal, to: Signal) =>
  factory.kind === "connector" &&
  factory.pairs.some((pair) => pair.from === from && pair.to === to);

/** The links of one cycle, in order. */
function findCycle(
  pipelines: readonly WrittenPipeline[],
  links: readonly Link[],
): readonly Link[] | undefined {
  const done = new Set<string>();
  const way: Link[] = [];
  const onWay = new Set<string>();
  const visit = (pipeline: WrittenPipeline): readonly Link[] | undefined => {
    if (done.has(pipeline.id)) return undefined;
    onWay.add(pipeline.id);
    for (const link of links) {
      if (link.from.id !== pipeline.id) continue;
      way.push(link);
      if (onWay.has(link.to.id)) {
        return way.slice(way.findIndex((step) => step.from.id === link.to.id));
      }
      const found = visit(link.to);
      if (found !== undefined) return found;
      way.pop();
    }
    onWay.delete(pipeline.id);
    done.add(pipeline.id);
    return undefined;
  };
  for (const pipeline of pipelines) {
    const found = visit(pipeline);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The connectors and processors on the way, the first connector again at the end. */
function describeCycle(cycle: readonly Link[]): string {
  const name = ({ connector, from, to }: Link) =>
    `connector ${JSON.stringify(connector)} (${from.signal} to ${to.signal})`;
  const steps = cycle.flatMap((link) => [
    name(link),
    ...link.to.processors.map(
      (processor) =>
        `processor ${JSON.stringify(processor)} in pipeline ${JSON.stringify(link.to.id)}`,
    ),
  ]);
  // Two pipelines of one signal pair share a connector's node: it is named once.
  const nodes = steps.filter((step, index) => step !== steps[index - 1]);
  if (nodes.length > 1 && nodes.at(-1) === nodes[0]) return nodes.join(" -> ");
  return [...nodes, name(cycle[0]!)].join(" -> ");
}
