/** `run`: the service from its configuration to its exit code. */
import process from "node:process";
import { systemClock } from "../clock.ts";
import type { ComponentId, Listener, ServerSpec } from "../component.ts";
import { defaultBudgetBytes, MemoryBudget } from "../engine/budget.ts";
import { Service } from "../engine/service.ts";
import { asTelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { totalMemoryBytes } from "../memory.ts";
import { Listeners } from "../net/listeners.ts";
import { createLogger, type LogWriter } from "../self-telemetry/log-writer.ts";
import { MeterRegistry } from "../self-telemetry/meter.ts";
import { SelfMetrics } from "../self-telemetry/self-metrics.ts";
import { type CheckedConfig, loadOrExplain } from "./load.ts";
import type { Options } from "./options.ts";
import { type BoundAddress, startupText } from "./startup-text.ts";
import { version } from "./version.ts";

/** Runs until a signal ends it. 0: everything accepted was delivered; 1: an error, or data was lost. */
export async function run(options: Options): Promise<number> {
  const checked = await loadOrExplain(options);
  return new RunningProcess(options, checked).run();
}

class RunningProcess {
  readonly #options: Options;
  readonly #logs: LogWriter;
  readonly #log: Logger;
  readonly #service: Service;
  readonly #selfMetrics: SelfMetrics;
  readonly #bound: BoundAddress[] = [];
  #checked: CheckedConfig;

  constructor(options: Options, checked: CheckedConfig) {
    this.#options = options;
    this.#checked = checked;
    const clock = systemClock;
    this.#logs = createLogger(checked.config.telemetry.logs, clock);
    this.#log = this.#logs.logger;
    const budget = new MemoryBudget(
      options.memoryBudgetBytes ?? defaultBudgetBytes(totalMemoryBytes()),
    );
    const meters = new MeterRegistry();
    const listeners = new Listeners({ log: this.#log, clock, budget });
    const listen = (owner: ComponentId, spec: ServerSpec) => this.#listen(listeners, owner, spec);
    this.#service = new Service({
      clock,
      log: this.#log,
      budget,
      meters,
      listen,
      shutdownTimeoutMs: options.shutdownTimeoutMs,
      recentErrors: () => this.#logs.recentErrors(),
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
    process.stderr.write(startupText(this.#bound, this.#checked.config));
    this.#log.info("Everything is ready. Begin running and processing data.");
    const signal = await stopped;
    return this.#stop(signal);
  }

  async #listen(listeners: Listeners, owner: ComponentId, spec: ServerSpec): Promise<Listener> {
    const listener = await listeners.listen(owner, spec);
    const row = {
      owner: owner.text,
      kind: owner.kind,
      protocol: spec.kind,
      addresses: listener.addresses,
    };
    this.#bound.push(row);
    return listener;
  }

  #say({ notices }: CheckedConfig): void {
    for (const { level, message } of notices) this.#log[level](message);
  }

  /** Resolves with the first SIGTERM or SIGINT; the second exits at once. SIGHUP reloads. */
  #untilSignal(): Promise<NodeJS.Signals> {
    process.on("SIGHUP", () => void this.#reload());
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
      this.#checked = checked;
      this.#log.info("Reloaded the configuration.");
    } catch (error) {
      this.#log.error("The new configuration was not taken; the old one keeps running.", {
        error: asTelemetryError(error).message,
      });
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
