/**
 * The running graph: which instances live, and how their edges are wired. `apply` moves it from what runs to
 * what a plan asks for; the first start, a reload and the way back after a failed reload are all this one step.
 */
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { Branch, BranchDeps, Target } from "./branch.ts";
import { type GraphChange, type Instances, planChange } from "./change.ts";
import { Inheritance } from "./inheritance.ts";
import type { EngineDeps, Instance } from "./instance.ts";
import type { Junction } from "./junction.ts";
import { deadlineIn, endsInTime } from "./patience.ts";
import type { Plan } from "./plan.ts";
import { startAll } from "./start.ts";
import { wire } from "./wiring.ts";

interface GraphDeps extends EngineDeps {
  readonly branch: BranchDeps;
  /** How long a replaced or removed component may take to deliver what it holds. */
  readonly drainTimeoutMs: number;
}

/** One way from a plan to another, with the way back if a start fails. */
interface Exchange {
  readonly paused: Set<Junction>;
  /** Stopped senders by key: their successors get their branches. */
  readonly predecessors: Map<string, Instance>;
  /** Removed exporters with a queue: they run on until the new graph does, and drain then. */
  readonly leaving: Set<Instance>;
  /** Removed extensions that those use. */
  readonly leavingExtensions: Set<Instance>;
  readonly branchesBefore: readonly Branch[];
  readonly abort: AbortSignal;
  isOver: boolean;
}

/** A component that ignores the abort is left behind after so long. */
const graceMs = 2000;

export class Graph {
  readonly #deps: GraphDeps;
  readonly #inheritance: Inheritance;
  /** By key, senders before those they lead to. */
  #nodes: Instances = new Map();
  #extensions: Instances = new Map();
  /** Removed exporters that still deliver. */
  readonly #draining = new Map<Instance, Promise<void>>();
  /** Did not stop in time; what they still hold is lost when the process ends. */
  readonly #leftBehind = new Set<Instance>();
  /** Ends the waiting of a reload and of drains when a shutdown has no more time. */
  readonly #cut = new AbortController();

  constructor(deps: GraphDeps) {
    this.#deps = deps;
    this.#inheritance = new Inheritance(deps.branch);
  }

  /** Also removed exporters that still deliver. */
  get nodes(): readonly Instance[] {
    return [...this.#nodes.values(), ...this.#draining.keys()];
  }

  get extensions(): readonly Instance[] {
    return [...this.#extensions.values()];
  }

  /** Everything of the plan runs. */
  get isComplete(): boolean {
    const all = [...this.#extensions.values(), ...this.#nodes.values()];
    return all.every(({ phase }) => phase === "running");
  }

  get branches(): readonly Branch[] {
    const wired = [...this.#nodes.values()].flatMap(branchesOf);
    return [...wired, ...this.#inheritance.loose];
  }

  /**
   * Creates what is new (nothing changes if that fails), stops what is gone, starts what is new, re-targets all
   * edges. If a start fails, goes back to `before` by the same steps and throws; without `before` it throws with
   * the graph half-way.
   */
  async apply(plan: Plan, before?: Plan): Promise<void> {
    this.#inheritance.sweep();
    const deadline = deadlineIn(this.#deps.clock, this.#deps.drainTimeoutMs, this.#cut.signal);
    const exchange: Exchange = {
      paused: new Set(),
      predecessors: new Map(),
      leaving: new Set(),
      leavingExtensions: new Set(),
      branchesBefore: this.branches,
      abort: deadline.signal,
      isOver: false,
    };
    try {
      await this.#moveTo(plan, exchange, false);
    } catch (error) {
      if (before !== undefined) await this.#goBack(before, exchange, error);
      throw error;
    } finally {
      deadline.cancel();
      exchange.isOver = true;
      this.#settle(exchange);
    }
  }

  /**
   * Receivers first, extensions last; a processor once all that send to it have stopped, so that one whose
   * backend is dead does not use up the time of the others. Resolves when everything is stopped, or has been left
   * behind after the abort.
   */
  async shutdown(abort: AbortSignal): Promise<void> {
    this.cutWith(abort);
    const instances = [...this.#nodes.values()];
    const ofKind = (...kinds: string[]) => instances.filter(({ id }) => kinds.includes(id.kind));
    await Promise.all(ofKind("receiver").map((instance) => this.#stop(instance, abort)));
    await this.#stopInOrder(ofKind("processor", "connector"), abort);
    await Promise.all(ofKind("exporter").map((instance) => this.#stop(instance, abort)));
    await Promise.all(this.#draining.values());
    for (const extension of this.extensions.toReversed()) await this.#stop(extension, abort);
    await this.#loseTheRest(instances);
    this.#nodes = new Map();
    this.#extensions = new Map();
  }

  /** What was refused after its branch had been flushed, and what never got an answer. */
  async #loseTheRest(instances: readonly Instance[]): Promise<void> {
    await Promise.all(this.branches.map((branch) => branch.flush(AbortSignal.abort())));
    this.#inheritance.drop();
    for (const instance of new Set([...instances, ...this.#leftBehind])) {
      const { items } = instance.held();
      if (items > 0) instance.drop("shutdown", items);
    }
  }

  /** With this signal a running reload stops waiting for what is being delivered. */
  cutWith(abort: AbortSignal): void {
    const cut = () => this.#cut.abort(abort.reason);
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
  }

  async #moveTo(plan: Plan, exchange: Exchange, keepGoing: boolean): Promise<void> {
    const running = { extensions: this.#extensions, nodes: this.#nodes };
    const change = planChange(plan, running, this.#deps);
    await this.#stopNodes(change, exchange);
    await this.#stopExtensions(change, exchange);
    this.#extensions = change.extensions.all;
    this.#nodes = change.nodes.all;
    const wiring = {
      instances: this.#nodes,
      predecessors: exchange.predecessors,
      branch: this.#deps.branch,
    };
    for (const junction of wire(plan.nodes, wiring)) exchange.paused.add(junction);
    await startAll([...change.extensions.added, ...change.nodes.added.toReversed()], keepGoing);
  }

  /** Everything that can be started is: half a service is better than none, and its status tells. */
  async #goBack(before: Plan, exchange: Exchange, cause: unknown): Promise<void> {
    const { log } = this.#deps;
    log.error("Reload failed; going back to the configuration that ran before.", {
      error: asTelemetryError(cause).message,
    });
    this.#nodes = withKeys(this.#nodes, exchange.leaving, ({ key }) => key);
    this.#extensions = withKeys(this.#extensions, exchange.leavingExtensions, ({ id }) => id.text);
    exchange.leaving.clear();
    exchange.leavingExtensions.clear();
    try {
      await this.#moveTo(before, exchange, true);
    } catch (error) {
      const { code, message } = asTelemetryError(error);
      throw new TelemetryError(code, `cannot go back to the configuration before: ${message}`, {
        cause: error,
      });
    }
  }

  /** The end of an exchange, however it went: everything held has an owner again, and callers go on. */
  #settle({ paused, leaving, leavingExtensions, branchesBefore }: Exchange): void {
    const wired = new Set(this.branches);
    for (const branch of branchesBefore) if (!wired.has(branch)) this.#inheritance.retire(branch);
    this.#inheritance.retarget(this.#nodes);
    this.#inheritance.settle(this.#nodes);
    const drains = [...leaving].map((instance) => this.#drain(instance, Promise.resolve()));
    for (const extension of leavingExtensions) void this.#drain(extension, Promise.all(drains));
    for (const junction of paused) junction.resume();
  }

  /** Stops it beside the new graph, once `after` has come: an exporter delivers the rest of its queue. */
  #drain(instance: Instance, after: Promise<unknown>): Promise<void> {
    const drained = this.#stopInTime(instance, after).finally(() =>
      this.#draining.delete(instance),
    );
    this.#draining.set(instance, drained);
    return drained;
  }

  async #stopInTime(instance: Instance, after: Promise<unknown>): Promise<void> {
    await after;
    const deadline = deadlineIn(this.#deps.clock, this.#deps.drainTimeoutMs, this.#cut.signal);
    await this.#stop(instance, deadline.signal);
    deadline.cancel();
  }

  /**
   * Senders first, so that what a stage flushes still finds those behind it running: an instance's in-edges
   * are paused only when its own turn comes.
   */
  async #stopNodes({ nodes }: GraphChange, exchange: Exchange): Promise<void> {
    for (const instance of nodes.gone) {
      exchange.predecessors.set(instance.key, instance);
      if (instance.phase === "stopped") continue;
      this.#pauseBefore(instance, exchange.paused);
      const successor = nodes.all.get(instance.key);
      if (successor === undefined && isQueued(instance)) {
        exchange.leaving.add(instance);
        continue;
      }
      if (successor === undefined) await this.#remove(instance, exchange.abort);
      else await this.#replace(instance, successor, exchange);
    }
  }

  /** Nothing new may reach an instance that is about to stop; callers wait instead. */
  #pauseBefore(stopping: Instance, paused: Set<Junction>): void {
    const targets = new Set<Target>(stopping.targets.values());
    for (const instance of this.#nodes.values()) {
      for (const junction of instance.junctions.values()) {
        if (!junction.branches.some((branch) => targets.has(branch.target))) continue;
        junction.pause();
        paused.add(junction);
      }
    }
  }

  async #remove(instance: Instance, abort: AbortSignal): Promise<void> {
    await this.#flushInto(instance, abort);
    if (instance.id.kind === "processor") {
      await this.#orLog(instance, endsInTime(passOn(instance), abort, 0, this.#deps.clock));
    }
    await this.#shutdownOne(instance, abort);
  }

  async #replace(instance: Instance, successor: Instance, exchange: Exchange): Promise<void> {
    const { abort } = exchange;
    for (const junction of instance.junctions.values()) junction.refuseWaiting();
    const taken = this.#take(instance, successor, exchange);
    await this.#orLog(instance, endsInTime(taken, abort, 0, this.#deps.clock));
    await this.#shutdownOne(instance, abort);
  }

  async #take(instance: Instance, successor: Instance, exchange: Exchange): Promise<void> {
    await this.#inheritance.take(instance, successor);
    // Given up only after the wait for it had ended.
    if (exchange.isOver) this.#inheritance.settle(this.#nodes);
  }

  async #stopExtensions({ extensions }: GraphChange, exchange: Exchange): Promise<void> {
    const needed = new Set([...exchange.leaving].flatMap(({ uses }) => [...uses]));
    for (const instance of extensions.gone.toReversed()) {
      const { text } = instance.id;
      if (instance.phase === "stopped") continue;
      if (needed.has(text) && !extensions.all.has(text)) exchange.leavingExtensions.add(instance);
      else await this.#shutdownOne(instance, exchange.abort);
    }
  }

  /** Processors and connectors, each as soon as those that send to it have stopped. */
  async #stopInOrder(instances: readonly Instance[], abort: AbortSignal): Promise<void> {
    const stops = new Map<Instance, Promise<void>>();
    const stopAfterSenders = async (instance: Instance) => {
      const senders = instances.filter((sender) => leadsTo(sender, instance));
      for (const sender of senders) await stops.get(sender);
      await this.#stop(instance, abort);
    };
    for (const instance of instances) stops.set(instance, stopAfterSenders(instance));
    await Promise.all(stops.values());
  }

  async #stop(instance: Instance, abort: AbortSignal): Promise<void> {
    await this.#flushInto(instance, abort);
    await this.#shutdownOne(instance, abort);
  }

  /** What branches hold for an instance that is about to stop: afterwards it takes nothing. */
  async #flushInto(instance: Instance, abort: AbortSignal): Promise<void> {
    const targets = new Set<Target>(instance.targets.values());
    const before = this.branches.filter((branch) => targets.has(branch.target));
    await Promise.all(before.map((branch) => branch.flush(abort)));
  }

  async #shutdownOne(instance: Instance, abort: AbortSignal): Promise<void> {
    const stopped = instance.shutdown(abort);
    const inTime = await this.#orLog(
      instance,
      endsInTime(stopped, abort, graceMs, this.#deps.clock),
    );
    if (inTime !== false) return;
    this.#leftBehind.add(instance);
    this.#deps.log.error("Component did not stop in time and is left behind.", {
      "otelcol.component.id": instance.id.text,
      held_items: instance.held().items,
    });
  }

  /** One component that cannot stop must not keep the others from delivering. */
  async #orLog(instance: Instance, work: Promise<boolean>): Promise<boolean | undefined> {
    try {
      return await work;
    } catch (error) {
      this.#deps.log.error("Component did not stop cleanly.", {
        "otelcol.component.id": instance.id.text,
        error: asTelemetryError(error).message,
      });
      return undefined;
    }
  }
}

/** What a removed processor gives up goes on to what stood behind it: the new configuration has no such step. */
async function passOn(instance: Instance): Promise<void> {
  for (const holder of instance.holders.values()) {
    const given = (await holder.surrender?.()) ?? [];
    if (given.length === 0) continue;
    for (const branch of branchesOf(instance)) branch.adopt(given);
  }
}

const branchesOf = (instance: Instance): readonly Branch[] =>
  [...instance.junctions.values()].flatMap((junction) => junction.branches);

function leadsTo(sender: Instance, instance: Instance): boolean {
  const targets = new Set<Target>(instance.targets.values());
  return branchesOf(sender).some((branch) => targets.has(branch.target));
}

/** It holds a queue that can be delivered beside the new graph. */
const isQueued = ({ id, holders, phase }: Instance): boolean =>
  id.kind === "exporter" &&
  phase === "running" &&
  [...holders.values()].every((holder) => holder.surrender !== undefined);

const withKeys = (
  instances: Instances,
  added: Iterable<Instance>,
  keyOf: (instance: Instance) => string,
): Instances => new Map([...instances, ...[...added].map((one) => [keyOf(one), one] as const)]);
