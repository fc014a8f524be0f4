import type { PerformanceEntry } from "node:perf_hooks";
import type { Meter, Recorder } from "../types.ts";

/** The boundaries that the conventions recommend, in seconds. */
const durationBounds = [0.01, 0.1, 1, 10];
const types = ["major", "minor", "incremental", "weakcb"] as const;

/** Every garbage collection of this thread. */
export class GarbageCollection implements Disposable {
  readonly #observer: { disconnect(): void };

  constructor(meter: Meter) {
    const { PerformanceObserver, constants } = process.getBuiltinModule("node:perf_hooks");
    const duration = meter.histogram("v8js.gc.duration", {
      unit: "s",
      description: "Garbage collection duration.",
      boundaries: durationBounds,
      attributes: { "v8js.gc.type": types },
    });
    // Bound before the first one happens: its increment from 0 shows in a rate.
    const [major, minor, incremental, weakcb] = types.map((type) =>
      duration.bind({ "v8js.gc.type": type }),
    );
    const byKind = new Map<unknown, Recorder | undefined>([
      [constants.NODE_PERFORMANCE_GC_MAJOR, major],
      [constants.NODE_PERFORMANCE_GC_MINOR, minor],
      [minorMarkSweep, minor],
      [constants.NODE_PERFORMANCE_GC_INCREMENTAL, incremental],
      [constants.NODE_PERFORMANCE_GC_WEAKCB, weakcb],
    ]);
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        byKind.get((entry as GcEntry).detail?.kind)?.record(entry.duration / 1000);
      }
    });
    observer.observe({ entryTypes: ["gc"] });
    this.#observer = observer;
  }

  [Symbol.dispose](): void {
    this.#observer.disconnect();
  }
}

/** NODE_PERFORMANCE_GC_MINOR_MARK_SWEEP, a collection of the young generation (--minor-ms); not typed. */
const minorMarkSweep = 2;

type GcEntry = PerformanceEntry & { readonly detail?: { readonly kind?: number } };
