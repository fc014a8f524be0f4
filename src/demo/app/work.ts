/** What a database and other services would do: take their time, and fail as often as the knob says. */
import { type Clock, sleep } from "../../clock.ts";
import type { Knobs } from "../knobs.ts";
import { type LogNormal, Random } from "../random.ts";

const durationMs = {
  listing: { median: 4, p99: 40 },
  hit: { median: 1, p99: 5 },
  load: { median: 25, p99: 250 },
  lookup: { median: 1, p99: 4 },
  search: { median: 40, p99: 400 },
  feedback: { median: 2, p99: 10 },
  index: { median: 60, p99: 600 },
} as const satisfies Record<string, LogNormal>;

export class Work {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #knobs: () => Knobs;

  constructor(seed: number, clock: Clock, knobs: () => Knobs) {
    this.#clock = clock;
    this.#random = new Random(seed, "app");
    this.#knobs = knobs;
  }

  async run(kind: keyof typeof durationMs, fault?: string): Promise<void> {
    const { latency, errors } = this.#knobs();
    await sleep(this.#clock, this.#random.logNormal(durationMs[kind]) * latency);
    if (this.#random.chance(errors) || fault === "error") {
      throw new Error("the database did not answer");
    }
  }

  /** Background work neither fails nor follows the latency knob. */
  async index(): Promise<void> {
    await sleep(this.#clock, this.#random.logNormal(durationMs.index));
  }
}
