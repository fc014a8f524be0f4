import { HttpServerMetrics } from "./http/server.ts";
import { HttpClientMetrics } from "./http-client/http-client.ts";
import { InstrumentRegistry } from "./metrics/meter.ts";
import { messageOf, Problems } from "./problems.ts";
import { metricProducer } from "./reading/metric-producer.ts";
import { prometheusText } from "./reading/prometheus-text.ts";
import type { MetricProducer } from "./reading/sdk-types.ts";
import { endRuntime, type Runtime, runtimeFor, setRuntime } from "./runtime.ts";
import { backgroundClock } from "./sending/background-clock.ts";
import { installExitHooks } from "./sending/exit-hooks.ts";
import { Exporting } from "./sending/exporting.ts";
import { objectOr, resolveSettings, type Settings } from "./settings.ts";
import { SystemMetrics } from "./system/system.ts";
import type {
  FlushResult,
  HttpOptions,
  Meter,
  StartOptions,
  Stats,
  SystemOptions,
  Telemetry,
} from "./types.ts";

let running: RunningTelemetry | undefined;
/** By a run that ended: instruments and helpers, which stay with it. */
let wereHelpersMade = false;
let isRestartTold = false;

/** Starts the instrumentation of this process. A second call returns the same instance and warns once. */
export function start(options: StartOptions = {}): Telemetry {
  if (running === undefined) {
    const created = new RunningTelemetry(objectOr(options));
    running = created;
    setRuntime(created);
    created.begin();
    tellOfRestart(created.problems);
  } else {
    running.problems.report("already_started", "start() was called again; its options are ignored");
  }
  return running;
}

function tellOfRestart(problems: Problems): void {
  if (!wereHelpersMade || isRestartTold) return;
  isRestartTold = true;
  const message =
    "start() after shutdown(): instruments, helpers and wrapped objects that were made before are not sent any more; make them again";
  problems.report("started_again", message);
}

/** Measures HTTP servers and clients; start() does so by itself unless told `http: false`. */
export function instrumentHttp(options: HttpOptions = {}): Disposable {
  const isMeasuring = runtimeFor("instrumentHttp()") !== undefined;
  return isMeasuring && running !== undefined ? running.instrumentHttp(options) : nothingToUndo;
}

/** Measures the process: memory, CPU, event loop, connections; start() does so by itself unless told `system: false`. */
export function instrumentSystem(options: SystemOptions = {}): Disposable {
  const isMeasuring = runtimeFor("instrumentSystem()") !== undefined;
  return isMeasuring && running !== undefined ? running.instrumentSystem(options) : nothingToUndo;
}

const nothingToUndo: Disposable = { [Symbol.dispose]: () => {} };

class RunningTelemetry implements Telemetry, Runtime {
  readonly problems: Problems;
  readonly #registry: InstrumentRegistry;
  readonly #settings: Settings;
  readonly #exporting: Exporting | undefined;
  readonly #startMs = backgroundClock.now();
  /** What is measured by now: server, client, system. */
  readonly #measured = new Map<string, Disposable>();
  #undo: (() => void)[] = [];
  #areHelpersMade = false;
  #ending: Promise<FlushResult> | undefined;

  constructor(options: StartOptions) {
    this.problems = new Problems(options.onProblem);
    this.#settings = safeSettings(options, this.problems);
    this.#registry = new InstrumentRegistry(this.#settings.maxSeriesPerMetric, this.problems);
    this.#exporting = this.#startExporting();
  }

  /** For the application and for helpers. */
  get meter(): Meter {
    this.#areHelpersMade = true;
    return this.#registry;
  }

  get isDisabled(): boolean {
    return this.#settings.isDisabled;
  }

  begin(): void {
    const { http, system, intervalMs, exitFlushMs } = this.#settings;
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
    if (system !== undefined) this.instrumentSystem(system);
  }

  instrumentHttp(options: HttpOptions): Disposable {
    return this.#safely(() => this.#measureHttp(objectOr(options)));
  }

  instrumentSystem(options: SystemOptions): Disposable {
    return this.#safely(
      () =>
        this.#measure("system", (...all) => new SystemMetrics(...all), objectOr(options)) ??
        nothingToUndo,
    );
  }

  /** An application's options may have getters that throw. */
  #safely(measure: () => Disposable): Disposable {
    try {
      return measure();
    } catch (error) {
      this.problems.report("invalid_option", `cannot read the options: ${messageOf(error)}`);
      return nothingToUndo;
    }
  }

  #measureHttp(options: HttpOptions): Disposable {
    const { server, client } = options;
    const measured = [
      server === false
        ? undefined
        : this.#measure("server", (...all) => new HttpServerMetrics(...all), options),
      client === false
        ? undefined
        : this.#measure("client", (...all) => new HttpClientMetrics(...all), options),
    ];
    return {
      [Symbol.dispose]: () => {
        for (const one of measured) one?.[Symbol.dispose]();
      },
    };
  }

  /** Each part measures once; undefined: it does so already. */
  #measure<O>(
    part: string,
    create: (meter: Meter, options: O, problems: Problems) => Disposable,
    options: O,
  ): Disposable | undefined {
    if (this.#measured.has(part)) {
      const message = `${part} metrics are measured already; these options have no effect`;
      this.problems.report("already_instrumented", message, part);
      return undefined;
    }
    const metrics = create(this.#registry, options, this.problems);
    this.#measured.set(part, metrics);
    return {
      [Symbol.dispose]: () => {
        if (this.#measured.get(part) === metrics) this.#measured.delete(part);
        metrics[Symbol.dispose]();
      },
    };
  }

  readonly toPrometheusText = (): string =>
    prometheusText(this.#registry.families, this.#settings.resource, this.problems);

  readonly metricProducer = (): MetricProducer =>
    metricProducer({
      families: () => this.#registry.families,
      resource: this.#settings.resource,
      startMs: this.#startMs,
      nowMs: () => backgroundClock.now(),
      problems: this.problems,
    });

  readonly flush = async (timeoutMs?: number): Promise<FlushResult> => {
    // A listener may be called with anything: the name of a signal.
    const limitMs = typeof timeoutMs === "number" ? timeoutMs : this.#settings.timeoutMs;
    return (await this.#exporting?.flush(limitMs)) ?? { ok: true, points: 0, dropped: 0 };
  };

  readonly shutdown = (timeoutMs?: number): Promise<FlushResult> => {
    this.#ending ??= this.#end(timeoutMs);
    return this.#ending;
  };

  async #end(timeoutMs: number | undefined): Promise<FlushResult> {
    // From now on a start() begins anew, but what there is counts until all is sent.
    if (running === this) running = undefined;
    wereHelpersMade ||= this.#areHelpersMade;
    const result = await this.flush(timeoutMs);
    for (const undo of this.#undo) undo();
    this.#undo = [];
    for (const metrics of this.#measured.values()) metrics[Symbol.dispose]();
    this.#measured.clear();
    endRuntime(this);
    return result;
  }

  readonly stats = (): Stats => {
    let series = 0;
    let overflowed = 0;
    for (const family of this.#registry.families) {
      series += family.rows;
      overflowed += family.overflowed;
    }
    const { exported, dropped, failures } = this.#exporting?.counts ?? nothingSent;
    return { series, overflowed, exported, dropped, failures };
  };

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
