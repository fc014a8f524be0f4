/** V8's own profilers, over the inspector of this process. */
import type { Session } from "node:inspector/promises";
import { TelemetryError } from "../../src/errors.ts";

/** As Go's profiler: 100 samples a second. */
const samplingIntervalUs = 10_000;
/** V8's default: on average one sample per 512 KiB allocated. */
const heapSamplingBytes = 512 * 1024;

/** What is written: a file that Chrome DevTools, VS Code and speedscope open. */
export type ProfileKind = "cpu" | "heap";

/** One profile at a time: the profilers are global to the process. */
export class Profiler {
  #running: ProfileKind | undefined;

  /**
   * Profiles until `until` resolves and returns the profile as JSON.
   * Throws NOT_READY in Go's words while another profile is being taken.
   */
  async profile(kind: ProfileKind, until: Promise<unknown>): Promise<string> {
    if (this.#running !== undefined) {
      throw new TelemetryError(
        "NOT_READY",
        `Could not enable ${kind === "cpu" ? "CPU" : "heap"} profiling: ${this.#running} profiling already in use`,
        { retryable: true },
      );
    }
    this.#running = kind;
    try {
      return await takeProfile(kind, until);
    } finally {
      this.#running = undefined;
    }
  }
}

async function takeProfile(kind: ProfileKind, until: Promise<unknown>): Promise<string> {
  // The inspector is loaded by the first profile only.
  const inspector = await import("node:inspector/promises");
  const session = new inspector.Session();
  session.connect();
  try {
    return kind === "cpu" ? await cpuProfile(session, until) : await heapProfile(session, until);
  } finally {
    session.disconnect();
  }
}

async function cpuProfile(session: Session, until: Promise<unknown>): Promise<string> {
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: samplingIntervalUs });
  await session.post("Profiler.start");
  await until;
  const { profile } = await session.post("Profiler.stop");
  return JSON.stringify(profile);
}

async function heapProfile(session: Session, until: Promise<unknown>): Promise<string> {
  await session.post("HeapProfiler.startSampling", { samplingInterval: heapSamplingBytes });
  await until;
  const { profile } = await session.post("HeapProfiler.stopSampling");
  return JSON.stringify(profile);
}
