/** What must be done to get from the running instances to a plan: created here, started and stopped by the graph. */
import type { ResolvedComponent } from "../config/service-config.ts";
import { createExtension, createInstance, type EngineDeps, type Instance } from "./instance.ts";
import type { Plan, PlanNode } from "./plan.ts";

/** Instances by key (extensions: by id). */
export type Instances = ReadonlyMap<string, Instance>;

export interface Change {
  /** Senders before those they lead to. */
  readonly added: readonly Instance[];
  readonly gone: readonly Instance[];
  readonly all: Instances;
}

export interface GraphChange {
  readonly extensions: Change;
  readonly nodes: Change;
}

/**
 * Creates what is new; an instance that runs with the same config and the same extensions is carried over. Throws
 * when something cannot be created: what was created before it is given up, and nothing has changed.
 */
export function planChange(
  plan: Plan,
  running: { readonly extensions: Instances; readonly nodes: Instances },
  deps: EngineDeps,
): GraphChange {
  const builder = new ChangeBuilder(running.extensions, deps);
  try {
    const extensions = builder.extensions(plan.extensions);
    return { extensions, nodes: builder.nodes(plan.nodes, running.nodes, extensions.all) };
  } catch (error) {
    builder.giveUp();
    throw error;
  }
}

class ChangeBuilder {
  readonly #running: Instances;
  readonly #deps: EngineDeps;
  readonly #created: Instance[] = [];

  constructor(running: Instances, deps: EngineDeps) {
    this.#running = running;
    this.#deps = deps;
  }

  extensions(wanted: readonly ResolvedComponent[]): Change {
    const all = new Map<string, Instance>();
    for (const component of wanted) {
      const { text } = component.id;
      const before = this.#running.get(text);
      const isSame = before?.fingerprint === component.fingerprint && this.#usesSame(before, all);
      all.set(
        text,
        isSame ? before : this.#add(createExtension(component, this.#deps, lookup(all))),
      );
    }
    return changeOf(this.#running, all);
  }

  nodes(wanted: readonly PlanNode[], running: Instances, extensions: Instances): Change {
    const all = new Map<string, Instance>();
    for (const node of wanted) {
      const before = running.get(node.key);
      const isSame = before?.fingerprint === node.fingerprint && this.#usesSame(before, extensions);
      if (isSame) this.#tryNewSignals(before, node, extensions);
      all.set(
        node.key,
        isSame ? before : this.#add(createInstance(node, this.#deps, lookup(extensions))),
      );
    }
    return changeOf(running, all);
  }

  /** They have not been started: there is nothing to deliver or to wait for. */
  giveUp(): void {
    for (const instance of this.#created) this.#giveUpOne(instance);
  }

  #giveUpOne(instance: Instance): void {
    instance.shutdown(AbortSignal.abort()).catch((error: unknown) => {
      this.#deps.log.error("Component did not stop cleanly.", {
        "otelcol.component.id": instance.id.text,
        error: String(error),
      });
    });
  }

  /** An exporter that is carried over is not asked again: another one with its config says if it can serve them. */
  #tryNewSignals(before: Instance, node: PlanNode, extensions: Instances): void {
    if (node.kind !== "exporter") return;
    if (node.signals.every((signal) => before.targets.has(signal))) return;
    this.#giveUpOne(createInstance(node, this.#deps, lookup(extensions)));
  }

  #add(instance: Instance): Instance {
    this.#created.push(instance);
    return instance;
  }

  /** Whether it runs, and all extensions that it asked for are still the same. */
  #usesSame(instance: Instance, extensions: Instances): boolean {
    if (instance.phase !== "running") return false;
    return [...instance.uses].every((id) => extensions.get(id) === this.#running.get(id));
  }
}

const lookup = (extensions: Instances) => (id: string) => extensions.get(id)?.offers;

function changeOf(before: Instances, all: Instances): Change {
  return {
    added: [...all].filter(([key, instance]) => before.get(key) !== instance).map(([, i]) => i),
    gone: [...before].filter(([key, instance]) => all.get(key) !== instance).map(([, i]) => i),
    all,
  };
}
