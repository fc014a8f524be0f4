/** From the nodes of a plan to branches between instances. */
import { Branch, type BranchDeps, type Target } from "./branch.ts";
import type { Instances } from "./change.ts";
import type { Instance } from "./instance.ts";
import type { Junction } from "./junction.ts";
import type { Destination, PlanNode } from "./plan.ts";

interface Wiring {
  /** By key; all that the nodes name. */
  readonly instances: Instances;
  /** Senders that were replaced, by key: their successors get their branches. */
  readonly predecessors: Instances;
  readonly branch: BranchDeps;
}

/**
 * Points every junction at its destinations. Branches that stay keep their counts and what they hold, also where
 * the sender itself was replaced. A junction with a destination that does not run yet is paused, and returned.
 */
export function wire(nodes: readonly PlanNode[], wiring: Wiring): Junction[] {
  const paused: Junction[] = [];
  for (const node of nodes) addSignals(node, wiring.instances);
  for (const node of nodes) {
    const instance = wiring.instances.get(node.key)!;
    for (const [port, destinations] of portsOf(node)) {
      const junction = connect(instance, port, destinations, wiring);
      if (destinations.every(({ node: to }) => isRunning(to, wiring))) continue;
      junction.pause();
      paused.push(junction);
    }
  }
  return paused;
}

/** An exporter that was carried over may get signals that it had not before. */
function addSignals(node: PlanNode, instances: Instances): void {
  if (node.kind !== "exporter") return;
  for (const signal of node.signals) instances.get(node.key)!.addSignal?.(signal);
}

function portsOf(node: PlanNode): Iterable<readonly [string, readonly Destination[]]> {
  if (node.kind === "exporter") return [];
  return node.kind === "processor" ? [["", node.next]] : node.ports;
}

const isRunning = (key: string, { instances }: Wiring) => instances.get(key)!.phase === "running";

function connect(
  instance: Instance,
  port: string,
  destinations: readonly Destination[],
  { instances, predecessors, branch: deps }: Wiring,
): Junction {
  const junction = instance.junctions.get(port)!;
  const inherited = predecessors.get(instance.key)?.junctions.get(port)?.branches ?? [];
  const before = [...junction.branches, ...inherited];
  junction.branches = destinations.map(({ node, to, pipeline, signal }) => {
    const target = targetOf(node, signal, instances);
    const same = before.find((branch) => branch.node === node && branch.name.pipeline === pipeline);
    if (same === undefined)
      return new Branch({ from: instance.id.text, to, pipeline, signal }, node, target, deps);
    same.target = target;
    return same;
  });
  return junction;
}

function targetOf(key: string, signal: string, instances: Instances): Target {
  const { targets } = instances.get(key)!;
  const target = targets.get(signal) ?? targets.get("");
  if (target === undefined) throw new Error(`BUG: ${key} takes no ${signal}`);
  return target;
}
