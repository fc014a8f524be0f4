import { messageOf, type Problems } from "../problems.ts";
import type { Meter, SystemOptions } from "../types.ts";
import { ActiveConnections } from "./active-connections.ts";
import { EventLoopDelay } from "./event-loop-delay.ts";
import { GarbageCollection } from "./garbage-collection.ts";
import { ProcessUsage } from "./process-usage.ts";

/** The process: memory, CPU, event loop, garbage collection, connections. */
export class SystemMetrics implements Disposable {
  readonly #problems: Problems;
  readonly #parts: Disposable[] = [];

  constructor(meter: Meter, { eventLoop, gc }: SystemOptions, problems: Problems) {
    this.#problems = problems;
    this.#measure("memory and CPU", () => new ProcessUsage(meter));
    this.#measure("connections", () => new ActiveConnections(meter, problems));
    if (eventLoop !== false) this.#measure("the event loop", () => new EventLoopDelay(meter));
    if (gc !== false) this.#measure("garbage collection", () => new GarbageCollection(meter));
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part[Symbol.dispose]();
    this.#parts.length = 0;
  }

  /** A runtime other than Node may lack what a part needs; the others go on. */
  #measure(what: string, create: () => Disposable): void {
    try {
      this.#parts.push(create());
    } catch (error) {
      const message = `cannot measure ${what}: ${messageOf(error)}`;
      this.#problems.report("system_failed", message, what);
    }
  }
}
