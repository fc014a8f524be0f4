import { createServer, type Server, type Socket } from "node:net";
import type { Settings } from "../../src/component.ts";
import {
  type BindAddress,
  isMissingFamily,
  listenError,
  resolveEndpoint,
  warnIfExposed,
} from "./addresses.ts";
import type { StatsdConfig } from "./config.ts";
import { LineFramer } from "./framer.ts";
import type { Intake } from "./intake.ts";
import type { SenderName } from "./sender.ts";
import type { Transport } from "./transport.ts";

const idleMs = 5 * 60_000;
const maxConnections = 10_000;

/** Streams of lines, each ended by a newline. */
export class TcpServer implements Transport {
  readonly #config: StatsdConfig;
  readonly #settings: Settings;
  readonly #intake: Intake;
  readonly #senderName: SenderName;
  readonly #servers: Server[] = [];
  /** With the monotonic time of the last data. */
  readonly #connections = new Map<Socket, number>();
  #isFull = false;

  constructor(config: StatsdConfig, settings: Settings, intake: Intake, senderName: SenderName) {
    this.#config = config;
    this.#settings = settings;
    this.#intake = intake;
    this.#senderName = senderName;
  }

  async listen(): Promise<string[]> {
    const { endpoint, transport } = this.#config;
    const { addresses, port } = await resolveEndpoint(endpoint, transport);
    const bound: string[] = [];
    let boundPort = port;
    for (const address of addresses) {
      try {
        boundPort = await this.#bind(address, boundPort);
        bound.push(`${address.family === 6 ? `[${address.host}]` : address.host}:${boundPort}`);
        warnIfExposed(address, endpoint, this.#settings);
      } catch (error) {
        if (address.isOptional && isMissingFamily(error)) continue;
        await this.close();
        throw listenError(error, endpoint, this.#settings);
      }
    }
    return bound;
  }

  #bind({ host, family }: BindAddress, port: number): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
    server.maxConnections = maxConnections;
    server.on("drop", () => this.#warnFull());
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, ipv6Only: family === 6 }, () => {
        server.off("error", reject);
        server.on("error", (error) =>
          this.#settings.log.warn("Cannot accept a connection.", { error: error.message }),
        );
        this.#servers.push(server);
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  #warnFull(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#settings.log.warn(
      `More than ${maxConnections} StatsD connections; further ones are refused.`,
    );
  }

  #serve(socket: Socket): void {
    const sender = this.#senderName(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    const framer = new LineFramer(this.#intake, sender, this.#settings.budget);
    this.#touch(socket);
    socket.on("data", (chunk: Buffer) => {
      this.#touch(socket);
      framer.take(chunk);
    });
    socket.on("error", (error) =>
      this.#settings.log.debug("StatsD connection", { error: error.message }),
    );
    // The last line may stand without a newline.
    socket.on("close", () => {
      framer.end();
      this.#connections.delete(socket);
    });
  }

  /** What came was read at once. */
  drain(): void {}

  #touch(socket: Socket): void {
    this.#connections.set(socket, this.#settings.clock.monotonicMs());
  }

  /** Ends connections that have been idle for long; there is nothing that the kernel drops. */
  poll(): Promise<void> {
    const nowMs = this.#settings.clock.monotonicMs();
    for (const [socket, dataMs] of this.#connections) {
      if (nowMs - dataMs >= idleMs) socket.destroy();
    }
    return Promise.resolve();
  }

  async close(): Promise<void> {
    const closed = this.#servers
      .splice(0)
      .map((server) => new Promise<void>((done) => server.close(() => done())));
    const ended = [...this.#connections.keys()].map(
      (socket) => new Promise<void>((done) => socket.once("close", () => done()).destroy()),
    );
    await Promise.all([...closed, ...ended]);
  }
}
