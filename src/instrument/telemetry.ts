import { HttpServerMetrics } from "./http/server.ts";
import { InstrumentRegistry } from "./metrics/meter.ts";
import { messageOf, Problems } from "./problems.ts";
import { backgroundClock } from "./sending/background-clock.ts";
import { installExitHooks } from "./sending/exit-hooks.ts";
import { Exporting } from "./sending/exporting.ts";
import { objectOr, resolveSettings, type Settings } from "./settings.ts";
import type { FlushResult, HttpOptions, Meter, StartOptions, Stats, Telemetry } from "./types.ts";

let running: RunningTelemetry | undefined;

/** Starts the instrumentation of this process. A second call returns the same instance and warns once. */
export function start(options: StartOptions = {}): Telemetry {
  if (running === undefined) {
    const created = new RunningTelemetry(objectOr(options));
    running = created;
    created.begin();
  } else {
    running.problems.report("already_started", "start() was called again; its options are ignored");
  }
  return running;
}

/** Measures the servers of node:http and node:https; start() does so by itself unless told `http: false`. */
export function instrumentHttp(options: HttpOptions = {}): Disposable {
  if (running !== undefined) return running.instrumentHttp(options);
  new Problems(undefined).report("not_started", "instrumentHttp() has no effect before start()");
  return { [Symbol.dispose]: () => {} };
}

class RunningTelemetry implements Telemetry {
  readonly problems: Problems;
  readonly #registry: InstrumentRegistry;
  readonly #settings: Settings;
  readonly #exporting: Exporting | undefined;
  #http: HttpServerMetrics | undefined;
  #undo: (() => void)[] = [];

  constructor(options: StartOptions) {
    this.problems = new Problems(options.onProblem);
    this.#settings = safeSettings(options, this.problems);
    this.#registry = new InstrumentRegistry(this.#settings.maxSeriesPerMetric, this.problems);
    this.#exporting = this.#startExporting();
  }

  get meter(): Meter {
    return this.#registry;
  }

  begin(): void {
    const { http, intervalMs, exitFlushMs } = this.#settings;
    const exporting = this.#exporting;
    if (exporting !== undefined) {
      const timer = backgroundClock.every(intervalMs, () => exporting.collectIfIdle());
      const removeHooks = installExitHooks({
        flushBlocking: () => exporting.flushBlocking(exitFlushMs),
        flushSoon: () => exporting.collectIfIdle(),
      });
      this.#undo.push(
        () => timer.cancel(),
        removeHooks,
        () => exporting.close(),
      );
    }
    if (http !== undefined) this.instrumentHttp(http);
  }

  instrumentHttp(given: HttpOptions): Disposable {
    const options: HttpOptions = objectOr(given);
    if (options.server === false) return { [Symbol.dispose]: () => {} };
    if (this.#http !== undefined) {
      const message = "servers are measured already; these options have no effect";
      this.problems.report("already_instrumented", message);
      return { [Symbol.dispose]: () => {} };
    }
    const http = new HttpServerMetrics(this.#registry, options, this.problems);
    this.#http = http;
    const dispose = () => {
      http[Symbol.dispose]();
      if (this.#http === http) this.#http = undefined;
    };
    this.#undo.push(dispose);
    return { [Symbol.dispose]: dispose };
  }

  async flush(timeoutMs: number = this.#settings.timeoutMs): Promise<FlushResult> {
    return (await this.#exporting?.flush(timeoutMs)) ?? { ok: true, points: 0, dropped: 0 };
  }

  async shutdown(timeoutMs: number = this.#settings.timeoutMs): Promise<FlushResult> {
    const result = await this.flush(timeoutMs);
    for (const undo of this.#undo) undo();
    this.#undo = [];
    if (running === this) running = undefined;
    return result;
  }

  stats(): Stats {
    let series = 0;
    let overflowed = 0;
    for (const family of this.#registry.families) {
      series += family.rows;
      overflowed += family.overflowed;
    }
    const { exported, dropped, failures } = this.#exporting?.counts ?? nothingSent;
    return { series, overflowed, exported, dropped, failures };
  }

  #startExporting(): Exporting | undefined {
    const settings = this.#settings;
    if (settings.target === undefined) return undefined;
    return new Exporting({
      target: settings.target,
      settings,
      families: () => this.#registry.families,
      clock: backgroundClock,
      problems: this.problems,
    });
  }
}

const nothingSent = { exported: 0, dropped: 0, failures: 0 };

/** Options of a wrong shape must not stop the application's start. */
function safeSettings(options: StartOptions, problems: Problems): Settings {
  try {
    return resolveSettings(options, process.env, problems);
  } catch (error) {
    problems.report("invalid_option", `cannot read the options: ${messageOf(error)}`);
    return resolveSettings({ export: false, http: false }, {}, problems);
  }
}
