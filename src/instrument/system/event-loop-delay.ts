import type { Clock, Timer } from "../../clock.ts";
import { backgroundClock } from "../sending/background-clock.ts";
import type { Meter, Observe } from "../types.ts";

/** What is used of a histogram of node:perf_hooks; all in nanoseconds. */
export interface DelayMonitor {
  readonly count: number;
  readonly max: number;
  percentile(percent: number): number;
  reset(): void;
  enable(): boolean;
  disable(): boolean;
}

/** Time between two samples. 20 ms cost 0.3 % of a core while the process is idle, 10 ms the double. */
const resolutionMs = 20;
/** Two readers may collect shortly after one another: the second one is told the same. */
const leastWindowMs = 500;

function startMonitor(): DelayMonitor {
  const { monitorEventLoopDelay } = process.getBuiltinModule("node:perf_hooks");
  return monitorEventLoopDelay({ resolution: resolutionMs });
}

interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * How late the event loop comes to its timers, in seconds, since the last collection. The monitor samples the time
 * between two ticks of a timer; the period of that timer is taken off, so that an idle process says about 0.
 */
export class EventLoopDelay implements Disposable {
  readonly #clock: Clock;
  readonly #monitor: DelayMonitor;
  readonly #observed: readonly Disposable[];
  #delays: Delays | undefined;
  #windowStartMs = 0;
  #gap: Timer | undefined;
  /** How late the window's first tick came; undefined: not yet. */
  #gapMs: number | undefined;

  constructor(meter: Meter, clock = backgroundClock, monitor = startMonitor()) {
    this.#clock = clock;
    this.#monitor = monitor;
    monitor.enable();
    this.#beginWindow();
    const gauge = (key: keyof Delays, description: string) =>
      meter.observe(
        `nodejs.eventloop.delay.${key}`,
        "gauge",
        { unit: "s", description, attributes: [] },
        (observe) => this.#say(key, observe),
      );
    this.#observed = [
      gauge("p50", "Event loop 50 percentile delay."),
      gauge("p99", "Event loop 99 percentile delay."),
      gauge("max", "Event loop maximum delay."),
    ];
  }

  [Symbol.dispose](): void {
    for (const one of this.#observed) one[Symbol.dispose]();
    this.#gap?.cancel();
    this.#monitor.disable();
  }

  #say(key: keyof Delays, observe: Observe<never>): void {
    const isDue =
      this.#delays === undefined ||
      this.#clock.monotonicMs() - this.#windowStartMs >= leastWindowMs;
    // Before the first sample the monitor's figures mean nothing.
    if (isDue && this.#monitor.count > 0) this.#takeDelays();
    if (this.#delays !== undefined) observe(this.#delays[key]);
  }

  #takeDelays(): void {
    const monitor = this.#monitor;
    this.#delays = {
      p50: lateBy(monitor.percentile(50)),
      p99: lateBy(monitor.percentile(99)),
      max: Math.max(lateBy(monitor.max), (this.#gapMs ?? this.#lateMs()) / 1000),
    };
    monitor.reset();
    this.#beginWindow();
  }

  /**
   * A monitor that was reset samples from its first tick on, so it does not see what blocks before, such as the rest
   * of the collection that reset it: a timer of our own does.
   */
  #beginWindow(): void {
    this.#gap?.cancel();
    this.#gapMs = undefined;
    this.#windowStartMs = this.#clock.monotonicMs();
    this.#gap = this.#clock.after(resolutionMs, () => {
      this.#gapMs = this.#lateMs();
    });
  }

  #lateMs(): number {
    return Math.max(0, this.#clock.monotonicMs() - this.#windowStartMs - resolutionMs);
  }
}

const lateBy = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs) / 1000;
