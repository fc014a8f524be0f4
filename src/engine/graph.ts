/**
 * The running graph: which instances live, and how their edges are wired. `apply` moves it from what runs to
 * what a plan asks for; the first start, a reload and the way back after a failed reload are all this one step.
 */
import type { HeldPayload, Signal } from "../component.ts";
import type { ResolvedComponent } from "../config/service-config.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import { Branch, type BranchDeps, type Target } from "./branch.ts";
import { createExtension, createInstance, type EngineDeps, type Instance } from "./instance.ts";
import type { Junction } from "./junction.ts";
import type { Destination, Plan, PlanNode } from "./plan.ts";

interface GraphDeps extends EngineDeps {
  readonly branch: BranchDeps;
  /** How long a replaced or removed component may take to deliver what it holds. */
  readonly drainTimeoutMs: number;
}

/** What must be done to get from the running instances to a plan. */
interface Change {
  readonly added: readonly Instance[];
  readonly gone: readonly Instance[];
  readonly all: ReadonlyMap<string, Instance>;
}

export class Graph {
  readonly #deps: GraphDeps;
  /** Instances by key, senders before those they lead to. */
  #nodes = new Map<string, Instance>();
  #extensions = new Map<string, Instance>();
  /** Held by instances that were replaced, until a successor with the same key takes it. */
  readonly #orphans = new Map<string, Map<string, readonly HeldPayload[]>>();
  /** Removed exporters that still deliver. */
  readonly #draining = new Set<Promise<void>>();

  constructor(deps: GraphDeps) {
    this.#deps = deps;
  }

  get nodes(): readonly Instance[] {
    return [...this.#nodes.values()];
  }

  get extensions(): readonly Instance[] {
    return [...this.#extensions.values()];
  }

  /**
   * Creates what is new (nothing changes if that fails), stops what is gone, starts what is new, re-targets
   * all edges. Throws with the graph half-way when a start fails; the caller applies the old plan then.
   */
  async apply(plan: Plan): Promise<void> {
    const extensions = this.#planExtensions(plan.extensions);
    const nodes = this.#planNodes(plan.nodes, extensions);
    const paused: Junction[] = [];
    try {
      await this.#stopNodes(nodes.gone, plan, paused);
      await this.#stopExtensions(extensions.gone);
      this.#extensions = new Map(extensions.all);
      for (const extension of extensions.added) await startInstance(extension);
      this.#nodes = new Map(nodes.all);
      this.#addSignals(plan.nodes);
      this.#wire(plan.nodes);
      for (const instance of nodes.added.toReversed()) await startInstance(instance);
      this.#adoptOrphans();
    } finally {
      for (const junction of paused) junction.resume();
    }
  }

  /** Senders first; extensions last. Resolves when everything is stopped; the signal ends the waiting. */
  async shutdown(abort: AbortSignal): Promise<void> {
    const receivers = this.nodes.filter((instance) => instance.id.kind === "receiver");
    await Promise.all(receivers.map((instance) => this.#shutdownOne(instance, abort)));
    for (const instance of this.nodes) {
      if (instance.id.kind === "processor" || instance.id.kind === "connector") {
        await this.#shutdownOne(instance, abort);
      }
    }
    const exporters = this.nodes.filter((instance) => instance.id.kind === "exporter");
    await Promise.all(exporters.map((instance) => this.#shutdownOne(instance, abort)));
    await Promise.all(this.#draining);
    for (const extension of this.extensions.toReversed()) await this.#shutdownOne(extension, abort);
    this.#nodes.clear();
    this.#extensions.clear();
  }

  async #shutdownOne(instance: Instance, abort: AbortSignal): Promise<void> {
    try {
      await instance.shutdown(abort);
    } catch (error) {
      // One component that cannot stop must not keep the others from delivering.
      this.#deps.log.error("Component did not stop cleanly.", {
        "otelcol.component.id": instance.id.text,
        error: asTelemetryError(error).message,
      });
    }
  }

  #planExtensions(wanted: readonly ResolvedComponent[]): Change {
    const all = new Map<string, Instance>();
    const added: Instance[] = [];
    const lookup = (id: string) => all.get(id)?.offers;
    for (const component of wanted) {
      const running = this.#extensions.get(component.id.text);
      if (running?.fingerprint === component.fingerprint) {
        all.set(component.id.text, running);
        continue;
      }
      const instance = createExtension(component, this.#deps, lookup);
      all.set(component.id.text, instance);
      added.push(instance);
    }
    const gone = this.extensions.filter((instance) => all.get(instance.id.text) !== instance);
    return { added, gone, all };
  }

  #planNodes(wanted: readonly PlanNode[], extensions: Change): Change {
    const lookup = (id: string) => extensions.all.get(id)?.offers;
    const changedExtensions = new Set(
      [...extensions.added, ...extensions.gone].map((e) => e.id.text),
    );
    const all = new Map<string, Instance>();
    const added: Instance[] = [];
    for (const node of wanted) {
      const running = this.#nodes.get(node.key);
      if (running !== undefined && isUnchanged(running, node, changedExtensions)) {
        all.set(node.key, running);
        continue;
      }
      const instance = createInstance(node, this.#deps, lookup);
      all.set(node.key, instance);
      added.push(instance);
    }
    const gone = this.nodes.filter((instance) => all.get(instance.key) !== instance);
    return { added, gone, all };
  }

  /**
   * Senders first, so that what a stage flushes still finds those behind it running: an instance's in-edges
   * are paused only when its own turn comes.
   */
  async #stopNodes(gone: readonly Instance[], plan: Plan, paused: Junction[]): Promise<void> {
    const keys = new Set(plan.nodes.map((node) => node.key));
    const abort = AbortSignal.timeout(this.#deps.drainTimeoutMs);
    for (const instance of gone) {
      paused.push(...this.#pauseBefore(instance));
      const replaced = keys.has(instance.key);
      if (replaced) await this.#surrender(instance);
      if (!replaced && instance.id.kind === "exporter") this.#drain(instance, abort);
      else await this.#shutdownOne(instance, abort);
    }
  }

  /** Nothing new may reach an instance that is about to stop; callers wait instead. */
  #pauseBefore(stopping: Instance): Junction[] {
    const targets = new Set<Target>(stopping.targets.values());
    const paused = this.nodes
      .flatMap((instance) => [...instance.junctions.values()])
      .filter((junction) => junction.branches.some((branch) => targets.has(branch.target)));
    for (const junction of paused) junction.pause();
    return paused;
  }

  /** A removed exporter delivers the rest of its queue while the new graph already runs. */
  #drain(instance: Instance, abort: AbortSignal): void {
    const drained = this.#shutdownOne(instance, abort).finally(() =>
      this.#draining.delete(drained),
    );
    this.#draining.add(drained);
  }

  async #surrender(instance: Instance): Promise<void> {
    const held = new Map<string, readonly HeldPayload[]>();
    for (const [port, holder] of instance.holders) {
      const payloads = (await holder.surrender?.()) ?? [];
      if (payloads.length === 0) continue;
      for (const { payload } of payloads) this.#deps.budget.reserve(payload.heldBytes);
      held.set(port, payloads);
    }
    if (held.size > 0) this.#orphans.set(instance.key, held);
  }

  /** Hands what predecessors held to their successors, ahead of new data. */
  #adoptOrphans(): void {
    for (const [key, ports] of this.#orphans) {
      const instance = this.#nodes.get(key);
      if (instance === undefined) continue;
      for (const [port, payloads] of ports) {
        const target = instance.targets.get(port);
        if (target === undefined) continue;
        const { id } = instance;
        for (const { payload, context } of payloads) {
          this.#deps.budget.release(payload.heldBytes);
          const branch = this.#adoption(id.text, target, payload.signal);
          // What does not fit into a smaller queue waits in the branch.
          branch.consume(payload, context).catch(() => branch.keep(payload, context));
        }
      }
      this.#orphans.delete(key);
    }
  }

  readonly #adoptions = new Map<Target, Branch>();

  #adoption(to: string, target: Target, signal: Signal): Branch {
    let branch = this.#adoptions.get(target);
    if (branch === undefined) {
      branch = new Branch(
        { from: "(reload)", to, pipeline: "", signal },
        target,
        this.#deps.branch,
      );
      this.#adoptions.set(target, branch);
    }
    return branch;
  }

  async #stopExtensions(gone: readonly Instance[]): Promise<void> {
    const abort = AbortSignal.timeout(this.#deps.drainTimeoutMs);
    for (const instance of gone.toReversed()) await this.#shutdownOne(instance, abort);
  }

  #addSignals(nodes: readonly PlanNode[]): void {
    for (const node of nodes) {
      if (node.kind !== "exporter") continue;
      const instance = this.#nodes.get(node.key)!;
      for (const signal of node.signals) instance.addSignal?.(signal);
    }
  }

  #wire(nodes: readonly PlanNode[]): void {
    for (const node of nodes) {
      if (node.kind === "exporter") continue;
      const { junctions, id } = this.#nodes.get(node.key)!;
      if (node.kind === "processor") this.#connect(junctions.get("")!, id.text, node.next);
      else
        for (const [port, next] of node.ports) this.#connect(junctions.get(port)!, id.text, next);
    }
  }

  /** Points a junction at its destinations; branches that stay keep their counts and what they hold. */
  #connect(junction: Junction, from: string, destinations: readonly Destination[]): void {
    const before = junction.branches;
    junction.branches = destinations.map(({ node, to, pipeline, signal }) => {
      const target = this.#targetOf(node, signal);
      const same = before.find(
        (branch) => branch.name.to === to && branch.name.pipeline === pipeline,
      );
      if (same === undefined)
        return new Branch({ from, to, pipeline, signal }, target, this.#deps.branch);
      same.target = target;
      return same;
    });
    const abort = AbortSignal.timeout(this.#deps.drainTimeoutMs);
    for (const branch of before) {
      if (!junction.branches.includes(branch)) this.#track(branch.flush(abort));
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#draining.delete(tracked));
    this.#draining.add(tracked);
  }

  #targetOf(key: string, signal: Signal): Target {
    const { targets } = this.#nodes.get(key)!;
    const target = targets.get(signal) ?? targets.get("");
    if (target === undefined) throw new Error(`BUG: ${key} takes no ${signal}`);
    return target;
  }
}

function isUnchanged(
  running: Instance,
  node: PlanNode,
  changedExtensions: ReadonlySet<string>,
): boolean {
  if (running.fingerprint !== node.fingerprint) return false;
  return ![...running.uses].some((extension) => changedExtensions.has(extension));
}

async function startInstance(instance: Instance): Promise<void> {
  try {
    await instance.start();
  } catch (error) {
    const cause = asTelemetryError(error);
    instance.setStatus({ state: "permanent", message: cause.message });
    const { kind, text } = instance.id;
    throw new TelemetryError(
      cause.code === "INTERNAL" ? "START_FAILED" : cause.code,
      `cannot start "${text}" ${kind}: ${cause.message}`,
      { cause },
    );
  }
}
