import type { Timer } from "../../src/clock.ts";
import type { Exporter, Payload, PushResult, Settings } from "../../src/component.ts";
import { httpServerSpec } from "../../src/config/fragments/http-server.ts";
import { TelemetryError } from "../../src/errors.ts";
import { serverAuthenticate } from "../../src/net/server-auth.ts";
import { SeriesInterner } from "../../src/pdata/series/interner.ts";
import { namingOf } from "../../src/prometheus/names.ts";
import type { Listener } from "../../src/transport.ts";
import { Accumulator } from "./accumulator.ts";
import { type PrometheusConfig, strategyOf } from "./config.ts";
import { Labeller } from "./labels-of.ts";
import type { ExporterMemos } from "./memos.ts";
import { Registry } from "./registry.ts";
import { Scraper } from "./scrape.ts";
import { scrapeHandler } from "./scrape-handler.ts";

/** Ended series are taken out at least this often, also when nobody scrapes. */
const longestSweepMs = 60_000;
const shortestSweepMs = 1_000;

/** Interned attribute sets take at most this, and at most this share of the memory budget. */
const maxInternedBytes = 64 * 1024 * 1024;
const internedShare = 1 / 8;

/**
 * Keeps the last value of every series and shows them at /metrics. `push` books synchronously: what it took
 * will be seen by the next scrape.
 */
export class PrometheusExporter implements Exporter<"metrics"> {
  readonly #config: PrometheusConfig;
  readonly #settings: Settings;
  readonly #registry: Registry;
  readonly #accumulator: Accumulator;
  readonly #scraper: Scraper;
  #listener: Listener | undefined;
  #sweeps: Timer | undefined;

  constructor(config: PrometheusConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    const naming = namingOf(strategyOf(config), config.namespace);
    const labeller = new Labeller(config, naming);
    const { clock, budget, meter } = settings;
    this.#registry = new Registry(settings, labeller, naming, config.metric_expiration);
    const internedBytes = Math.min(maxInternedBytes, budget.limitBytes * internedShare);
    const interner = new SeriesInterner<ExporterMemos>(internedBytes);
    this.#accumulator = new Accumulator(this.#registry, interner, {
      exemplars: config.enable_open_metrics,
      timestamps: config.send_timestamps,
    });
    this.#scraper = new Scraper(this.#registry, clock, config.send_timestamps);
    meter.gauge("rmt_prometheus_exporter_series", () => this.#registry.seriesCount);
  }

  async start(): Promise<void> {
    const handler = scrapeHandler(this.#scraper, this.#config.enable_open_metrics);
    const routes = new Map([["/metrics", handler]]);
    this.#listener = await this.#settings.listen({
      ...httpServerSpec(this.#config),
      authenticate: serverAuthenticate(this.#config.auth, this.#settings),
      routes,
    });
    const periodMs = Math.min(
      Math.max(this.#config.metric_expiration, shortestSweepMs),
      longestSweepMs,
    );
    this.#sweeps = this.#settings.clock.every(periodMs, () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    try {
      await this.#registry.sweep();
    } catch (error) {
      this.#settings.log.error("BUG: cannot take out ended series", { error: String(error) });
    }
  }

  push(payload: Payload<"metrics">): Promise<PushResult> {
    try {
      this.#accumulator.book(payload);
      return Promise.resolve({});
    } catch (error) {
      const message = `BUG: cannot book metrics: ${String(error)}`;
      return Promise.reject(new TelemetryError("INTERNAL", message, { cause: error }));
    }
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    this.#sweeps?.cancel();
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.close(abort);
    this.#registry.clear();
  }
}
