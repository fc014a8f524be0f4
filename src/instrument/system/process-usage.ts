import type { Meter, Observe } from "../types.ts";

/** Where the figures come from; a test sets its own. */
export interface ProcessSource {
  /** CPU time of all threads since the process began, in microseconds. */
  readonly cpuUsage: () => { readonly user: number; readonly system: number };
  /** Resident set size, in bytes. */
  readonly residentBytes: () => number;
  /** Since the process began. */
  readonly uptimeSeconds: () => number;
  /** CPUs that the process may use: its affinity and the quota of its control group are honoured. */
  readonly cpus: () => number;
}

const thisProcess: ProcessSource = {
  cpuUsage: () => process.cpuUsage(),
  residentBytes: () => process.memoryUsage.rss(),
  uptimeSeconds: () => process.uptime(),
  cpus: () => process.getBuiltinModule("node:os").availableParallelism(),
};

/** Metrics of one collection that ask within this time are told from one reading. */
const sameCollectionSeconds = 0.01;
/** Two readers may collect shortly after one another: a utilization over less is mostly noise. */
const leastWindowSeconds = 0.5;

/** Memory and CPU of the process, read when a collection asks. */
export class ProcessUsage implements Disposable {
  readonly #observed: readonly Disposable[];

  constructor(meter: Meter, source: ProcessSource = thisProcess) {
    const cpu = new CpuReading(source);
    const modes = { "cpu.mode": ["user", "system"] } as const;
    this.#observed = [
      meter.observe(
        "process.memory.usage",
        "upDownCounter",
        { unit: "By", description: "The amount of physical memory in use.", attributes: [] },
        (observe) => observe(source.residentBytes()),
      ),
      meter.observe(
        "process.cpu.time",
        "counter",
        {
          unit: "s",
          description: "Total CPU seconds broken down by different states.",
          attributes: modes,
        },
        (observe) => cpu.sayTime(observe),
      ),
      meter.observe(
        "process.cpu.utilization",
        "gauge",
        {
          unit: "1",
          description:
            "CPU time since the last measurement, divided by the elapsed time and number of CPUs available to the process.",
          attributes: modes,
        },
        (observe) => cpu.sayUtilization(observe),
      ),
    ];
  }

  [Symbol.dispose](): void {
    for (const one of this.#observed) one[Symbol.dispose]();
  }
}

interface Cpu {
  readonly atSeconds: number;
  readonly user: number;
  readonly system: number;
}

/** One reading a collection, however many metrics are told from it. */
class CpuReading {
  readonly #source: ProcessSource;
  #last: Cpu | undefined;
  /** Where the utilization's window begins. The first one is the life of the process so far. */
  #window: Cpu = { atSeconds: 0, user: 0, system: 0 };
  #utilization: { readonly user: number; readonly system: number } | undefined;
  #cpus = 0;

  constructor(source: ProcessSource) {
    this.#source = source;
  }

  sayTime(observe: Observe<"cpu.mode">): void {
    const { user, system } = this.#read();
    observe(user / 1e6, { "cpu.mode": "user" });
    observe(system / 1e6, { "cpu.mode": "system" });
  }

  sayUtilization(observe: Observe<"cpu.mode">): void {
    const { user, system } = this.#utilizationAt(this.#read());
    observe(user, { "cpu.mode": "user" });
    observe(system, { "cpu.mode": "system" });
  }

  #read(): Cpu {
    const atSeconds = this.#source.uptimeSeconds();
    const isNew =
      this.#last === undefined || atSeconds - this.#last.atSeconds >= sameCollectionSeconds;
    if (isNew) this.#last = { atSeconds, ...this.#source.cpuUsage() };
    return this.#last!;
  }

  #utilizationAt(now: Cpu): { readonly user: number; readonly system: number } {
    const before = this.#window;
    const seconds = now.atSeconds - before.atSeconds;
    if (this.#utilization !== undefined && seconds < leastWindowSeconds) return this.#utilization;
    // Asked at the first collection and not at the start: node:os is loaded for it.
    if (this.#cpus === 0) this.#cpus = this.#source.cpus();
    const available = seconds * 1e6 * this.#cpus;
    this.#utilization = {
      user: (now.user - before.user) / available,
      system: (now.system - before.system) / available,
    };
    this.#window = now;
    return this.#utilization;
  }
}
