import type { Timer } from "../../src/clock.ts";
import type { Component, Edge, Settings } from "../../src/component.ts";
import { Aggregator } from "./aggregator.ts";
import type { StatsdConfig } from "./config.ts";
import { Flusher } from "./flusher.ts";
import { Intake } from "./intake.ts";
import { unmappedTypes } from "./observers.ts";
import { senderNameOf } from "./sender.ts";
import { TcpServer } from "./tcp.ts";
import type { Transport } from "./transport.ts";
import { UdpServer } from "./udp.ts";

const pollMs = 10_000;

/** Listens for lines, aggregates them, and hands the aggregates over every interval. */
export class StatsdReceiver implements Component {
  readonly #config: StatsdConfig;
  readonly #settings: Settings;
  readonly #aggregator: Aggregator;
  readonly #flusher: Flusher;
  readonly #transport: Transport;
  #polls: Timer | undefined;
  /** Bound addresses, `host:port`. */
  addresses: readonly string[] = [];

  constructor(config: StatsdConfig, edge: Edge<"metrics">, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#aggregator = new Aggregator(config, settings);
    const intake = new Intake(this.#aggregator, settings);
    const kind = config.transport.startsWith("tcp") ? "tcp" : "udp";
    const Server = kind === "tcp" ? TcpServer : UdpServer;
    this.#transport = new Server(config, settings, intake, senderNameOf(config));
    this.#flusher = new Flusher(this.#aggregator, edge, settings, {
      transport: kind,
      drain: () => this.#transport.drain(),
    });
  }

  async start(): Promise<void> {
    const { log, clock } = this.#settings;
    const unmapped = unmappedTypes(this.#config);
    if (unmapped.length > 0) {
      log.warn("timer_histogram_mapping leaves types out; their lines are dropped.", {
        types: unmapped.join(", "),
      });
    }
    this.addresses = await this.#transport.listen();
    const { transport } = this.#config;
    this.#settings.listensOn(transport.startsWith("tcp") ? "tcp" : "udp", this.addresses);
    log.info("Listening for StatsD.", { transport, endpoint: this.addresses.join(", ") });
    this.#flusher.start(this.#config.aggregation_interval);
    this.#polls = clock.every(pollMs, () => void this.#transport.poll());
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    this.#polls?.cancel();
    await this.#transport.poll();
    await this.#transport.close();
    await this.#flusher.shutdown(abort);
    this.#aggregator.close();
  }
}
