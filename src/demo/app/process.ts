/** The app as a process of the demo. */
import process from "node:process";
import { systemClock } from "../../clock.ts";
import { start, type Telemetry } from "../../instrument/index.ts";
import { serveCalls, tell } from "../calls.ts";
import type { Knobs } from "../knobs.ts";
import { serviceName } from "../names.ts";
import { App, type AppCounts } from "./app.ts";

const intervalMs = 1000;
const flushMs = 5000;
/** Where nobody takes it any more, the end must not wait long. */
const lastFlushMs = 1000;

export interface AppSettings {
  /** 0: a free one. */
  readonly port: number;
  /** Of the service's OTLP receiver. */
  readonly endpoint: string;
  readonly llmUrl: string;
  readonly seed: number;
  readonly knobs: Knobs;
  /** Tells this run's series from all others. */
  readonly instance: string;
}

const tellKnobs = (knobs: Knobs) => tell("knobs", knobs);

class AppProcess {
  #telemetry: Telemetry | undefined;
  #app: App | undefined;

  /** Returns the port. */
  async start({ endpoint, instance, port, ...settings }: AppSettings): Promise<number> {
    this.#telemetry = start({
      serviceName,
      endpoint,
      intervalMs,
      resource: { "service.instance.id": instance },
      onProblem: ({ code, message }) => tell("problem", `${code}: ${message}`),
    });
    const { meter } = this.#telemetry;
    this.#app = new App({ ...settings, meter, clock: systemClock, onKnobs: tellKnobs });
    return this.#app.start(port);
  }

  setKnobs(knobs: Knobs): void {
    this.#app?.setKnobs(knobs);
  }

  /** When nothing is under way any more: sends all, and tells what was counted. */
  async finish(): Promise<{ readonly counts: AppCounts; readonly flushError: string | undefined }> {
    await this.#app!.idle();
    const { ok, error } = await this.#telemetry!.flush(flushMs);
    const flushError = ok ? undefined : (error ?? "not everything could be sent");
    return { counts: this.#app!.counts, flushError };
  }

  async leave(): Promise<void> {
    this.#app?.stop();
    await this.#telemetry?.shutdown(lastFlushMs);
    process.exit(0);
  }
}

export type AppCalls = {
  start(settings: AppSettings): Promise<number>;
  setKnobs(knobs: Knobs): void;
  finish(none: null): ReturnType<AppProcess["finish"]>;
};

export function runApp(): void {
  const app = new AppProcess();
  const calls: AppCalls = {
    start: (settings) => app.start(settings),
    setKnobs: (knobs) => app.setKnobs(knobs),
    finish: () => app.finish(),
  };
  const leave = () => void app.leave();
  process.once("SIGTERM", leave);
  serveCalls(calls, leave);
}
