/** Sends all groups on again, as a scrape of a Pushgateway would: what was pushed once stays true until it is deleted. */
import type { Timer } from "../../src/clock.ts";
import type { Context, Edge, Settings } from "../../src/component.ts";
import { asTelemetryError } from "../../src/errors.ts";
import { createPayload } from "../../src/pdata/payload.ts";
import { type Group, type Part, partOf, sizeOf } from "./group.ts";
import type { GroupStore } from "./group-store.ts";
import type { Groups } from "./push-api.ts";
import type { PushTimes } from "./push-times.ts";

/** A payload takes groups in until it has one of these. */
const bounds = { points: 2000, bytes: 1024 * 1024 };

export class Repeater {
  readonly #store: GroupStore;
  readonly #times: PushTimes;
  readonly #edge: Edge<"metrics">;
  readonly #settings: Pick<Settings, "clock" | "log">;
  readonly #intervalMs: number;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isStopped = false;
  #hasComplained = false;

  constructor(
    { store, times }: Groups,
    edge: Edge<"metrics">,
    settings: Pick<Settings, "clock" | "log">,
    intervalMs: number,
  ) {
    this.#store = store;
    this.#times = times;
    this.#edge = edge;
    this.#settings = settings;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#timer = this.#settings.clock.every(this.#intervalMs, () => {
      if (this.#isRunning) return;
      this.#isRunning = true;
      this.#running = this.#round().finally(() => {
        this.#isRunning = false;
      });
    });
  }

  /** What is being sent is waited for. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** What the pipeline refuses comes again the next time: the groups are still there. */
  async #round(): Promise<void> {
    try {
      for (const keys of this.#batches()) {
        if (this.#isStopped) return;
        await this.#send(keys);
      }
      this.#hasComplained = false;
    } catch (error) {
      if (this.#hasComplained) return;
      this.#hasComplained = true;
      this.#settings.log.warn(
        "The pipeline refuses the repetition of pushed metrics; the next interval tries again.",
        { error: asTelemetryError(error).message },
      );
    }
  }

  *#batches(): Generator<string[]> {
    let keys: string[] = [];
    let size = { series: 0, bytes: 0 };
    for (const [key, group] of this.#store.entries()) {
      keys.push(key);
      const { series, bytes } = sizeOf(group);
      size = { series: size.series + series, bytes: size.bytes + bytes };
      if (size.series < bounds.points && size.bytes < bounds.bytes) continue;
      yield keys;
      keys = [];
      size = { series: 0, bytes: 0 };
    }
    if (keys.length > 0) yield keys;
  }

  /** One payload, made and handed over in one go, so that no push comes between. */
  async #send(keys: readonly string[]): Promise<void> {
    const timeNs = this.#times.next();
    const parts: Part[] = [];
    const ended: [string, Group][] = [];
    for (const key of keys) {
      const group = this.#store.get(key);
      // A push to it is on its way, with a later time than what would be repeated.
      if (group === undefined || this.#store.isLocked(key)) continue;
      parts.push(partOf(group.resource, [...group.families.values()], timeNs));
      if (group.isEnding) ended.push([key, group]);
    }
    if (parts.length === 0) return;
    const payload = createPayload(
      "metrics",
      parts.map(({ bytes }) => bytes),
      parts.map(({ points }) => points),
    );
    const context: Context = {
      transport: "http",
      receivedMs: this.#settings.clock.monotonicMs(),
    };
    await this.#edge.consume(payload, context);
    for (const [key, group] of ended) if (this.#store.get(key) === group) this.#store.remove(key);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
