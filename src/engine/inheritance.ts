/**
 * What belongs to nobody for a while: payloads that a replaced component gave up, until its successor runs, and
 * branches that no junction has any more but that still hold something.
 */
import type { HeldPayload } from "../component.ts";
import { Branch, type BranchDeps, type Target } from "./branch.ts";
import type { Instances } from "./change.ts";
import type { Instance } from "./instance.ts";

interface Estate {
  readonly key: string;
  /** Port of the target. */
  readonly port: string;
  readonly payloads: readonly HeldPayload[];
}

export class Inheritance {
  readonly #deps: BranchDeps;
  #estates: Estate[] = [];
  readonly #loose = new Set<Branch>();

  constructor(deps: BranchDeps) {
    this.#deps = deps;
  }

  /** Branches without a junction; they retry by themselves. */
  get loose(): Iterable<Branch> {
    return this.#loose;
  }

  /**
   * Takes what the instance holds for those ports that the successor has too; what else it holds is flushed by its
   * shutdown.
   */
  async take(from: Instance, successor: Instance): Promise<void> {
    for (const [port, holder] of from.holders) {
      if (!successor.targets.has(port)) continue;
      const payloads = (await holder.surrender?.()) ?? [];
      for (const { payload } of payloads) this.#deps.budget.reserve(payload.heldBytes);
      if (payloads.length > 0) this.#estates.push({ key: from.key, port, payloads });
    }
  }

  /** Hands what was taken to the instances of the graph that runs now, in order and ahead of new data. */
  settle(nodes: Instances): void {
    const left: Estate[] = [];
    for (const estate of this.#estates) {
      const { key, port, payloads } = estate;
      const instance = nodes.get(key);
      const target = instance?.targets.get(port);
      if (instance === undefined || target === undefined) {
        left.push(estate);
        continue;
      }
      for (const { payload } of payloads) this.#deps.budget.release(payload.heldBytes);
      this.#adoption(instance, target, payloads[0]!).adopt(payloads);
    }
    this.#estates = left;
  }

  /** The service ends: what has found no heir is lost. */
  drop(): void {
    for (const { key, port, payloads } of this.#estates.splice(0)) {
      for (const { payload } of payloads) {
        this.#deps.budget.release(payload.heldBytes);
        const name = { from: "(reload)", to: key, pipeline: port, signal: payload.signal };
        this.#deps.drop(name, "shutdown", payload.itemCount);
      }
    }
  }

  #adoption({ id, key }: Instance, target: Target, { payload: { signal } }: HeldPayload): Branch {
    for (const branch of this.#loose) if (branch.target === target) return branch;
    const name = { from: "(reload)", to: id.text, pipeline: "", signal };
    const branch = new Branch(name, key, target, this.#deps);
    this.#loose.add(branch);
    return branch;
  }

  /** A branch that no junction has any more; what is on its way may still be kept by it. */
  retire(branch: Branch): void {
    this.#loose.add(branch);
  }

  /** Points loose branches at the successors of what they lead to. */
  retarget(nodes: Instances): void {
    for (const branch of this.#loose) {
      const targets = nodes.get(branch.node)?.targets;
      branch.target = targets?.get(branch.name.signal) ?? targets?.get("") ?? branch.target;
    }
  }

  /** Forgets branches that hold nothing; what was on its way when they were retired has long been answered. */
  sweep(): void {
    for (const branch of this.#loose) {
      if (branch.counts().heldItems === 0) this.#loose.delete(branch);
    }
  }
}
