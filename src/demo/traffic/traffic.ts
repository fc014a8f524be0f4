/** Requests that arrive as a Poisson process. */
import type { Clock, Timer } from "../../clock.ts";
import type { Knobs } from "../knobs.ts";
import { Random } from "../random.ts";
import type { Client, Result, Sent } from "./client.ts";
import { Mix } from "./mix.ts";
import { Tally } from "./tally.ts";

/** Further requests are left out, and counted: an app that hangs must not fill this process. */
const maxOpen = 1000;

interface TrafficOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly client: Pick<Client, "send">;
  readonly knobs: Knobs;
}

export class Traffic {
  readonly tally = new Tally();
  readonly #clock: Clock;
  readonly #client: Pick<Client, "send">;
  readonly #arrivals: Random;
  readonly #mix: Mix;
  #rps: number;
  #open = 0;
  #isRunning = false;
  #timer: Timer | undefined;
  #nextMs = 0;
  #onIdle: () => void = () => {};

  constructor({ seed, clock, client, knobs }: TrafficOptions) {
    this.#clock = clock;
    this.#client = client;
    this.#arrivals = new Random(seed, "arrivals");
    this.#mix = new Mix(seed);
    this.#rps = knobs.rps;
  }

  start(): void {
    this.#isRunning = true;
    this.#schedule(this.#clock.monotonicMs());
  }

  setKnobs({ rps }: Knobs): void {
    if (rps === this.#rps) return;
    this.#rps = rps;
    if (this.#isRunning) this.#schedule(this.#clock.monotonicMs());
  }

  /** No further request; resolves when the open ones have ended. */
  finish(): Promise<void> {
    this.#isRunning = false;
    this.#timer?.cancel();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      if (this.#open === 0) resolve();
    });
  }

  async send(request: Sent): Promise<Result> {
    this.#open++;
    this.tally.begin();
    const result = await this.#client.send(request);
    this.tally.end(request, result);
    this.#open--;
    if (this.#open === 0 && !this.#isRunning) this.#onIdle();
    return result;
  }

  /** The next arrival after a time; a Poisson process has no memory, so it may begin anew at any time. */
  #schedule(afterMs: number): void {
    this.#timer?.cancel();
    if (this.#rps === 0) return;
    this.#nextMs = afterMs + this.#arrivals.exponential(1000 / this.#rps);
    const delayMs = this.#nextMs - this.#clock.monotonicMs();
    this.#timer = this.#clock.after(delayMs, () => this.#arrive());
  }

  /** What is due is sent at once, so that coarse timers do not change the rate. */
  #arrive(): void {
    if (this.#open < maxOpen) void this.#visit();
    else this.tally.skipped++;
    this.#schedule(this.#nextMs);
  }

  async #visit(): Promise<void> {
    const request = this.#mix.next();
    const result = await this.send(request);
    const isAnswer =
      request.route === "/ask" && result.kind === "answered" && result.status === 200;
    if (!isAnswer || !this.#isRunning) return;
    const feedback = this.#mix.feedbackOn(request);
    if (feedback !== undefined) await this.send(feedback);
  }
}
