import type { Clock, Timer } from "../../src/clock.ts";
import type { Intake } from "./intake.ts";

/** So long packets are collected: nobody notices, as they are aggregated for seconds anyway. */
const collectMs = 20;
const maxBytes = 1024 * 1024;

/**
 * Packets that were received and not read yet. Read one by one as they come, each finds the processor's caches
 * filled with something else: at 10,000 packets a second reading them in batches takes half the time.
 */
export class PacketBatch {
  readonly #intake: Intake;
  readonly #clock: Clock;
  #packets: Buffer[] = [];
  #senders: string[] = [];
  #bytes = 0;
  #timer: Timer | undefined;

  constructor(intake: Intake, clock: Clock) {
    this.#intake = intake;
    this.#clock = clock;
  }

  add(packet: Buffer, sender: string): void {
    this.#packets.push(packet);
    this.#senders.push(sender);
    this.#bytes += packet.length;
    if (this.#bytes >= maxBytes) this.drain();
    else this.#timer ??= this.#clock.after(collectMs, () => this.drain());
  }

  /** Reads all of them. */
  drain(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const packets = this.#packets;
    const senders = this.#senders;
    this.#packets = [];
    this.#senders = [];
    this.#bytes = 0;
    for (let i = 0; i < packets.length; i++) {
      const packet = packets[i]!;
      this.#intake.takeLines(packet, packet.length, senders[i]!);
    }
  }
}
