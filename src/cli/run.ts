/** `run`: the service from its configuration to its exit code. */
import process from "node:process";
import { systemClock } from "../clock.ts";
import type { ComponentId, Listener, ServerSpec } from "../component.ts";
import { canonicalText, child } from "../config/tree.ts";
import { defaultBudgetBytes, MemoryBudget } from "../engine/budget.ts";
import { Service } from "../engine/service.ts";
import { asTelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { totalMemoryBytes } from "../memory.ts";
import { Listeners } from "../net/listeners.ts";
import { ServerDurations } from "../net/server-durations.ts";
import { createLogger, type LogWriter } from "../self-telemetry/log-writer.ts";
import { MeterRegistry } from "../self-telemetry/meter.ts";
import { SelfMetrics } from "../self-telemetry/self-metrics.ts";
import { adjustOldGeneration } from "./heap.ts";
import { type CheckedConfig, loadOrExplain } from "./load.ts";
import type { Options } from "./options.ts";
import { type BoundAddress, startupText } from "./startup-text.ts";
import { version } from "./version.ts";

/** Runs until a signal ends it. 0: everything accepted was delivered; 1: an error, or data was lost. */
export async function run(options: Options): Promise<number> {
  const checked = await loadOrExplain(options);
  try {
    return await new RunningProcess(options, checked).run();
  } finally {
    // Whatever still lives then was forgotten by its owner; it must not keep a stopped service in the process list.
    setTimeout(() => process.exit(), lingerMs).unref();
  }
}

const lingerMs = 1000;

/** service::telemetry as it is written, for comparison. */
function telemetryText({ root }: CheckedConfig): string {
  const node = child(child(root, "service"), "telemetry");
  return node === undefined ? "" : canonicalText(node);
}

class RunningProcess {
  readonly #options: Options;
  readonly #logs: LogWriter;
  readonly #log: Logger;
  readonly #service: Service;
  readonly #selfMetrics: SelfMetrics;
  /** Since the start or the last reload. */
  readonly #bound: BoundAddress[] = [];
  #checked: CheckedConfig;
  /** Reloads wait for the start, and for one another: the last SIGHUP wins. */
  readonly #started = Promise.withResolvers<void>();
  #reloads: Promise<void> = this.#started.promise;

  constructor(options: Options, checked: CheckedConfig) {
    this.#options = options;
    this.#checked = checked;
    const clock = systemClock;
    this.#logs = createLogger(checked.config.telemetry.logs, clock);
    this.#log = this.#logs.logger;
    const budget = new MemoryBudget(
      options.memoryBudgetBytes ?? defaultBudgetBytes(totalMemoryBytes()),
    );
    const meters = new MeterRegistry(checked.config.telemetry.metrics.level);
    const observer = meters.measures("http_server_request_duration")
      ? new ServerDurations(meters.meterFor({}))
      : undefined;
    const listeners = new Listeners({ log: this.#log, clock, budget, observer });
    const listen = (owner: ComponentId, spec: ServerSpec) => this.#listen(listeners, owner, spec);
    this.#service = new Service({
      clock,
      log: this.#log,
      budget,
      meters,
      listen,
      listensOn: ({ text, kind }, protocol, addresses) => {
        this.#bound.push({ owner: text, kind, protocol, addresses, tls: false });
      },
      shutdownTimeoutMs: options.shutdownTimeoutMs,
      recentErrors: () => this.#logs.recentErrors(),
      countsRequests: checked.gates.receiverRequests,
      onFirstData: (id) => this.#log.info("first data received", { receiver: id.text }),
    });
    this.#selfMetrics = new SelfMetrics({
      config: checked.config.telemetry,
      meters,
      log: this.#log,
      clock,
      version,
      listen,
    });
  }

  async run(): Promise<number> {
    this.#say(this.#checked);
    this.#log.info("Starting repomind-telemetry...", {
      Version: version,
      NumCPU: navigator.hardwareConcurrency,
    });
    const stopped = this.#untilSignal();
    try {
      await this.#selfMetrics.start();
      await this.#service.start(this.#checked.config);
    } catch (error) {
      await this.#selfMetrics.shutdown(AbortSignal.timeout(1000));
      await this.#logs.close();
      throw error;
    }
    process.stderr.write(startupText(this.#bound.splice(0), this.#checked.config));
    const heapTimer = adjustOldGeneration(systemClock);
    this.#started.resolve();
    this.#log.info("Everything is ready. Begin running and processing data.");
    const signal = await stopped;
    heapTimer.cancel();
    return this.#stop(signal);
  }

  async #listen(listeners: Listeners, owner: ComponentId, spec: ServerSpec): Promise<Listener> {
    const listener = await listeners.listen(owner, spec);
    const row = {
      owner: owner.text,
      kind: owner.kind,
      protocol: spec.kind,
      addresses: listener.addresses,
      tls: spec.tls !== undefined,
    };
    this.#bound.push(row);
    return listener;
  }

  #say({ notices }: CheckedConfig): void {
    for (const { level, message } of notices) this.#log[level](message);
  }

  /** Resolves with the first SIGTERM or SIGINT; the second exits at once. SIGHUP reloads. */
  #untilSignal(): Promise<NodeJS.Signals> {
    process.on("SIGHUP", () => {
      this.#reloads = this.#reloads.then(() => this.#reload());
    });
    return new Promise((resolve) => {
      let seen = false;
      const onSignal = (signal: NodeJS.Signals) => {
        if (seen) process.exit(1);
        seen = true;
        resolve(signal);
      };
      process.on("SIGTERM", onSignal);
      process.on("SIGINT", onSignal);
    });
  }

  async #reload(): Promise<void> {
    this.#log.info("Config updated, restart service");
    try {
      const checked = await loadOrExplain(this.#options);
      this.#say(checked);
      await this.#service.reload(checked.config);
      for (const { kind, owner, addresses } of this.#bound.splice(0)) {
        this.#log.info("Listening.", { kind, id: owner, addresses: addresses.join(", ") });
      }
      if (telemetryText(checked) !== telemetryText(this.#checked)) {
        this.#log.warn("Changes of service::telemetry take effect at the next start.");
      }
      this.#checked = checked;
      this.#log.info("Reloaded the configuration.");
    } catch (error) {
      this.#sayNotTaken(asTelemetryError(error).message);
    }
  }

  /** Many lines with excerpts of the configuration are for people, not for a field of a log line. */
  #sayNotTaken(error: string): void {
    const message = "The new configuration was not taken; the old one keeps running.";
    const { encoding } = this.#checked.config.telemetry.logs;
    if (encoding === "json" || !error.includes("\n")) this.#log.error(message, { error });
    else {
      this.#log.error(message);
      process.stderr.write(`${error}\n`);
    }
  }

  async #stop(signal: NodeJS.Signals): Promise<number> {
    this.#log.info("Received signal from OS", { signal });
    this.#log.info("Starting shutdown...");
    const { lostItems } = await this.#service.stop();
    await this.#selfMetrics.shutdown(AbortSignal.timeout(1000));
    if (lostItems > 0) {
      this.#log.error("Shutdown timeout passed before everything was delivered.", { lostItems });
    }
    this.#log.info("Shutdown complete.");
    await this.#logs.close();
    return lostItems > 0 ? 1 : 0;
  }
}
