/** The world around the app as a process of the demo: its users, and the providers of language models. */
import process from "node:process";
import { systemClock } from "../clock.ts";
import { serveCalls } from "./calls.ts";
import type { Knobs } from "./knobs.ts";
import { FakeLlm, type ModelCounts } from "./llm/fake-llm.ts";
import { burst } from "./traffic/burst.ts";
import { Client } from "./traffic/client.ts";
import type { TallyReport } from "./traffic/tally.ts";
import { Traffic } from "./traffic/traffic.ts";

export interface OutsideSettings {
  readonly seed: number;
  readonly knobs: Knobs;
}

export interface OutsideReport extends TallyReport {
  readonly models: readonly ModelCounts[];
}

class Outside {
  readonly #seed: number;
  readonly #llm: FakeLlm;
  #knobs: Knobs;
  #traffic: Traffic | undefined;
  #client: Client | undefined;

  constructor({ seed, knobs }: OutsideSettings) {
    this.#seed = seed;
    this.#knobs = knobs;
    this.#llm = new FakeLlm({ seed, clock: systemClock, knobs: () => this.#knobs });
  }

  /** Returns the language models' URL. */
  start(): Promise<string> {
    return this.#llm.start();
  }

  /** Traffic for the app at a port. */
  async begin(port: number): Promise<void> {
    const client = new Client(port, systemClock);
    const options = { seed: this.#seed, clock: systemClock, client, knobs: this.#knobs };
    const traffic = new Traffic(options);
    this.#client = client;
    this.#traffic = traffic;
    await burst(
      (request) => traffic.send(request),
      systemClock,
      () => traffic.start(),
    );
  }

  setKnobs(knobs: Knobs): void {
    this.#knobs = knobs;
    this.#traffic?.setKnobs(knobs);
  }

  get report(): OutsideReport {
    return { ...this.#traffic!.tally.report, models: this.#llm.counts };
  }

  async finish(): Promise<void> {
    await this.#traffic!.finish();
  }

  leave(): void {
    this.#client?.close();
    this.#llm.stop();
    process.exit(0);
  }
}

export type OutsideCalls = {
  start(settings: OutsideSettings): Promise<string>;
  /** The app's port; resolves when everything rare has happened once. */
  begin(port: number): Promise<void>;
  setKnobs(knobs: Knobs): void;
  report(none: null): OutsideReport;
  /** No further requests; resolves when all are answered. */
  finish(none: null): Promise<void>;
};

export function runOutside(): void {
  let outside: Outside | undefined;
  const calls: OutsideCalls = {
    start(settings) {
      outside = new Outside(settings);
      return outside.start();
    },
    begin: (port) => outside!.begin(port),
    setKnobs: (knobs) => outside!.setKnobs(knobs),
    report: () => outside!.report,
    finish: () => outside!.finish(),
  };
  const leave = () => (outside === undefined ? process.exit(0) : outside.leave());
  process.once("SIGTERM", leave);
  serveCalls(calls, leave);
}
