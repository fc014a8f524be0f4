import { BoundedNames } from "../metrics/bounded-names.ts";
import { messageOf, type Problems } from "../problems.ts";
import { oncePerRuntime, type Runtime, runtimeFor } from "../runtime.ts";
import type { Observe } from "../types.ts";

const maxNames = 20;

interface Queue {
  /** As the application calls it, for what is told. */
  readonly name: string;
  readonly size: () => unknown;
  /** Undefined: unknown or without limit. */
  readonly capacity: number | undefined;
}

/**
 * Measures a queue of the application: `size` is asked at each collection. Queues of one name are added up. Ends
 * with the dispose.
 */
export function queue(name: string, size: () => number, capacity?: number): Disposable {
  const runtime = runtimeFor("queue()");
  return runtime === undefined ? nothingToUndo : queues(runtime).add(name, size, capacity);
}

const nothingToUndo: Disposable = { [Symbol.dispose]: () => {} };
const queues = oncePerRuntime((runtime) => new Queues(runtime));

class Queues {
  readonly #problems: Problems;
  readonly #names = new BoundedNames(maxNames);
  /** By the value of `queue.name`. */
  readonly #byName = new Map<string, Set<Queue>>();

  constructor({ meter, problems }: Runtime) {
    this.#problems = problems;
    const common = {
      unit: "{item}",
      attributes: ["queue.name"],
      // Whatever start() says: observed values beyond a limit would overwrite one another, names are added up.
      maxSeries: maxNames + 1,
    } as const;
    meter.observe(
      "repomind.queue.size",
      "upDownCounter",
      { ...common, description: "Number of items in the queue." },
      (observe) => this.#say(observe, (one) => this.#sizeOf(one)),
    );
    meter.observe(
      "repomind.queue.capacity",
      "upDownCounter",
      { ...common, description: "Number of items the queue can hold." },
      (observe) => this.#say(observe, ({ capacity }) => capacity),
    );
  }

  add(name: string, size: () => number, capacity: number | undefined): Disposable {
    if (typeof name !== "string" || typeof size !== "function") {
      const message = "cannot measure a queue: it takes a name and a function that gives its size";
      this.#problems.report("invalid_queue", message);
      return nothingToUndo;
    }
    const one = { name, size, capacity: this.#checkedCapacity(name, capacity) };
    const known = this.#names.admit(name);
    const ofName = this.#byName.get(known);
    if (ofName === undefined) this.#byName.set(known, new Set([one]));
    else this.#addTo(ofName, one, known);
    return {
      [Symbol.dispose]: () => {
        this.#byName.get(known)?.delete(one);
      },
    };
  }

  #addTo(ofName: Set<Queue>, one: Queue, known: string): void {
    if (ofName.size > 0 && known === one.name) {
      const message = `queue ${known} is measured more than once: sizes and capacities are added up`;
      this.#problems.report("queue_name_reused", message, known);
    }
    ofName.add(one);
  }

  #checkedCapacity(name: string, capacity: number | undefined): number | undefined {
    if (capacity === undefined || capacity === Infinity) return undefined;
    if (isCount(capacity)) return capacity;
    const shown = typeof capacity === "number" ? capacity : `a ${typeof capacity}`;
    const message = `queue ${name}: the capacity cannot be ${shown}; it is left out`;
    this.#problems.report("invalid_queue", message, name);
    return undefined;
  }

  /** A sum with an unknown part would be wrong, so nothing is said then. */
  #say(observe: Observe<"queue.name">, valueOf: (one: Queue) => number | undefined): void {
    for (const [name, ofName] of this.#byName) {
      // A copy, because a size() may itself add and end queues.
      const all = [...ofName].map(valueOf);
      const known = all.filter((value) => value !== undefined);
      if (known.length === 0 || known.length < all.length) continue;
      observe(
        known.reduce((sum, value) => sum + value),
        { "queue.name": name },
      );
    }
  }

  #sizeOf({ name, size }: Queue): number | undefined {
    try {
      const value = size();
      if (isCount(value)) return value;
      this.#tell(name, typeof value === "number" ? String(value) : `a ${typeof value}`);
      // A rejected promise that nobody handles would end the application.
      Promise.resolve(value).catch(() => {});
    } catch (error) {
      this.#tell(name, `an error: ${messageOf(error)}`);
    }
    return undefined;
  }

  #tell(name: string, gave: string): void {
    this.#problems.report("queue_failed", `queue ${name}: its size() gave ${gave}`, name);
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_VALUE;
