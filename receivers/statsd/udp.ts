import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import process from "node:process";
import type { Settings } from "../../src/component.ts";
import {
  type BindAddress,
  isMissingFamily,
  listenError,
  resolveEndpoint,
  warnIfExposed,
} from "./addresses.ts";
import type { StatsdConfig } from "./config.ts";
import type { Intake } from "./intake.ts";
import { kernelDrops } from "./kernel-drops.ts";
import { PacketBatch } from "./packet-batch.ts";
import type { SenderName } from "./sender.ts";
import type { Transport } from "./transport.ts";

/** Half a second of 200,000 lines a second, if the kernel grants it. */
const defaultBufferBytes = 8 * 1024 * 1024;

const smallestBufferBytes = 1024;

/** A sender that never pauses must not keep the receiver from stopping. */
const maxLastTurns = 100;

/**
 * Asks for a receive buffer of so many bytes, or of as many as there may be: Linux gives less silently, BSD and macOS
 * refuse what is too much.
 */
export function askForBuffer(socket: Pick<Socket, "setRecvBufferSize">, bytes: number): void {
  for (let asked = bytes; asked >= smallestBufferBytes; asked = Math.floor(asked / 2)) {
    try {
      socket.setRecvBufferSize(asked);
      return;
    } catch {
      // Too much: the half of it, then. What was granted in the end is looked at by the caller.
    }
  }
}

/** Packets of lines. */
export class UdpServer implements Transport {
  readonly #config: StatsdConfig;
  readonly #settings: Settings;
  readonly #batch: PacketBatch;
  readonly #senderName: SenderName;
  readonly #sockets: Socket[] = [];
  #packets = 0;
  #kernelDrops = 0;

  constructor(config: StatsdConfig, settings: Settings, intake: Intake, senderName: SenderName) {
    this.#config = config;
    this.#settings = settings;
    this.#batch = new PacketBatch(intake, settings.clock);
    this.#senderName = senderName;
  }

  async listen(): Promise<string[]> {
    const { endpoint, transport } = this.#config;
    const { addresses, port } = await resolveEndpoint(endpoint, transport);
    let bound = port;
    for (const address of addresses) {
      try {
        bound = (await this.#bind(address, bound)).port;
        warnIfExposed(address, endpoint, this.#settings);
      } catch (error) {
        if (address.isOptional && isMissingFamily(error)) continue;
        await this.close();
        throw listenError(error, endpoint, this.#settings);
      }
    }
    this.#checkBuffer();
    this.#settings.meter.gauge("rmt_statsd_kernel_drops", () => this.#kernelDrops, {
      receiver: this.#settings.id.text,
    });
    return this.#sockets.map((socket) => {
      const { address, port: boundPort } = socket.address();
      return address.includes(":") ? `[${address}]:${boundPort}` : `${address}:${boundPort}`;
    });
  }

  #bind({ host, family }: BindAddress, port: number): Promise<{ port: number }> {
    const socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      ipv6Only: family === 6,
    });
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address: host, port }, () => {
        socket.off("error", reject);
        socket.on("error", (error) =>
          this.#settings.log.warn("UDP socket", { error: error.message }),
        );
        socket.on("message", this.#onMessage);
        askForBuffer(socket, this.#bufferBytes);
        this.#sockets.push(socket);
        resolve(socket.address());
      });
    });
  }

  readonly #onMessage = (packet: Buffer, from: RemoteInfo): void => {
    this.#packets++;
    this.#batch.add(packet, this.#senderName(from.address, from.port));
  };

  get #bufferBytes(): number {
    return this.#config.socket_buffer_size || defaultBufferBytes;
  }

  /** Linux counts its own overhead in, twice the size. */
  #checkBuffer(): void {
    const counted = this.#sockets[0]!.getRecvBufferSize();
    const granted = process.platform === "linux" ? counted / 2 : counted;
    if (granted >= this.#bufferBytes) return;
    this.#settings.log.warn(
      "The kernel caps the socket's receive buffer: bursts may be dropped (see rmt_statsd_kernel_drops). Raise net.core.rmem_max.",
      { asked_bytes: this.#bufferBytes, granted_bytes: granted },
    );
  }

  drain(): void {
    this.#batch.drain();
  }

  /** Reads the kernel's drop counters. */
  async poll(): Promise<void> {
    if (this.#sockets.length === 0) return;
    const drops = await kernelDrops(this.#sockets.map((socket) => socket.address()));
    if (drops === undefined) return;
    if (this.#kernelDrops === 0 && drops > 0) {
      this.#settings.log.warn(
        "The kernel dropped StatsD packets: they came faster than they were read. Raise socket_buffer_size and net.core.rmem_max, or send more lines a packet.",
        { packets: drops },
      );
    }
    this.#kernelDrops = drops;
  }

  async close(): Promise<void> {
    await this.#readRest();
    await Promise.all(
      this.#sockets.splice(0).map((socket) => new Promise<void>((done) => socket.close(done))),
    );
    this.#batch.drain();
  }

  /** Reads what the kernel has already received. */
  async #readRest(): Promise<void> {
    for (let turn = 0; turn < maxLastTurns && this.#sockets.length > 0; turn++) {
      const before = this.#packets;
      // Between two immediates sockets are looked at.
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#packets === before) return;
    }
  }
}
