/** `rmt demo`: starts the processes, watches them, compares, and ends what it started. */
import { randomUUID } from "node:crypto";
import { sleep, systemClock } from "../clock.ts";
import { TelemetryError } from "../errors.ts";
import type { AppCalls, AppSettings } from "./app/process.ts";
import { Child } from "./child.ts";
import { type Comparison, compare, type Truth } from "./compare.ts";
import { missingOn } from "./expected.ts";
import { defaultKnobs, type Knobs, knobsText, namedKnobs } from "./knobs.ts";
import { usualPort } from "./names.ts";
import type { OutsideCalls } from "./outside.ts";
import { type Page, readPage } from "./page.ts";
import { type DemoService, findOrStartService, type ServiceSettings } from "./service.ts";
import { comparisonText, type Progress, placesText, progressHeader, progressRow } from "./texts.ts";
import { causeOf, Watch } from "./watch.ts";

const startTimeoutMs = 15_000;
/** The slowest answer of the language model with its retries. */
const drainTimeoutMs = 200_000;
const progressEveryMs = 5000;
const rowsUnderHeader = 20;
const lookEveryMs = 250;
/** After the last flush: the pipeline's batch, and a busy machine. */
const arrivalTimeoutMs = 10_000;
const stopTimeoutMs = 10_000;
/** By then the percentiles' window has slid. */
const percentilesAfterMs = 15_000;

export interface DemoSettings extends ServiceSettings {
  /** Of the app; 0: a free one. */
  readonly port: number;
  readonly seed: number;
  /** Undefined: until it is interrupted. With it, what arrived is compared. */
  readonly durationMs: number | undefined;
  readonly knobs: Knobs;
}

export interface Surroundings {
  readonly say: (text: string) => void;
  /** Aborted: everything is ended, in order. */
  readonly stop: AbortSignal;
}

/** Resolves to the exit code: 1 when something sent did not arrive. Rejects when a process could not start, or ended. */
export async function runDemo(settings: DemoSettings, around: Surroundings): Promise<number> {
  const demo = new Demo(settings, around);
  try {
    const service = await demo.start();
    return await demo.run(service);
  } finally {
    await demo.end();
  }
}

class Demo {
  readonly #settings: DemoSettings;
  readonly #say: (text: string) => void;
  readonly #stop: AbortSignal;
  readonly #instance = randomUUID();
  readonly #startMs = performance.now();
  readonly #outside = new Child<OutsideCalls>("outside", []);
  readonly #app: Child<AppCalls>;
  #service: DemoService | undefined;
  /** What could not start is told as an error, without the rest. */
  #isRunning = false;
  #areTurned = false;
  /** Everything rare has happened once. */
  #burst: Promise<void> = Promise.resolve();

  constructor(settings: DemoSettings, { say, stop }: Surroundings) {
    this.#settings = settings;
    this.#say = say;
    this.#stop = stop;
    this.#app = new Child("app", [], { onEvent: (...event) => this.#onEvent(...event) });
  }

  async start(): Promise<DemoService> {
    const { seed, port } = this.#settings;
    // The burst happens in the usual world, so that everything rare happens.
    const knobs = { ...defaultKnobs, rps: this.#settings.knobs.rps };
    const llm = this.#outside.call("start", { seed, knobs }, startTimeoutMs);
    // Where the service cannot start, that is what is told.
    llm.catch(() => {});
    this.#service = await findOrStartService(this.#settings);
    const { endpoint } = this.#service;
    const llmUrl = await llm;
    const settings = { port, seed, knobs, endpoint, llmUrl, instance: this.#instance };
    const appPort = await this.#startApp(settings);
    this.#sayPlaces(this.#service, appPort, llmUrl);
    this.#isRunning = true;
    this.#burst = this.#begin(appPort);
    this.#burst.catch(() => {});
    return this.#service;
  }

  /** For the duration, or until the stop. */
  async run(service: DemoService): Promise<number> {
    const { durationMs } = this.#settings;
    const trafficEnds = new AbortController();
    const isOver = AbortSignal.any([trafficEnds.signal, this.#stop]);
    const anEnd = this.#untilOneEnds(service);
    const stopped = untilAborted(this.#stop);
    void this.#watch(service, isOver);
    void this.#report(isOver);
    try {
      await Promise.race([anEnd, stopped, timeOf(durationMs, isOver)]);
      if (durationMs === undefined) return 0;
      trafficEnds.abort();
      const interrupted = stopped.then(() => 1);
      return await Promise.race([anEnd, interrupted, this.#compare(service)]);
    } finally {
      trafficEnds.abort();
    }
  }

  /** In this order nobody loses whom it sends to. */
  async end(): Promise<void> {
    const say = this.#isRunning ? this.#say : () => {};
    const own = this.#service?.own;
    say(`\nEnding the traffic, the app${own === undefined ? "" : ", the service"}.`);
    await this.#outside.stop(stopTimeoutMs);
    await this.#app.stop(stopTimeoutMs);
    await own?.stop();
    say(own === undefined ? `Ended; the service at ${this.#service?.endpoint} goes on.` : "Ended.");
  }

  /** Knobs that were turned meanwhile stay. */
  async #begin(appPort: number): Promise<void> {
    await this.#outside.call("begin", appPort, drainTimeoutMs);
    if (!this.#areTurned) await this.#setKnobs(this.#settings.knobs);
  }

  async #setKnobs(knobs: Knobs): Promise<void> {
    await Promise.all([
      this.#app.call("setKnobs", knobs, startTimeoutMs),
      this.#outside.call("setKnobs", knobs, startTimeoutMs),
    ]);
  }

  async #startApp(settings: AppSettings): Promise<number> {
    try {
      return await this.#app.call("start", settings, startTimeoutMs);
    } catch (error) {
      if (!(error as Error).message.includes("EADDRINUSE")) throw error;
      const text = `port ${settings.port} is taken, perhaps by another demo: end it, or choose another port with --port (0: a free one)`;
      throw new TelemetryError("ADDRESS_IN_USE", text);
    }
  }

  #sayPlaces({ scrapeUrl, endpoint, own }: DemoService, port: number, llmUrl: string): void {
    const { seed, knobs } = this.#settings;
    this.#say(
      placesText({
        scrapeUrl,
        otlpUrl: endpoint,
        appUrl: `http://127.0.0.1:${port}`,
        llmUrl,
        isOwnService: own !== undefined,
        seed,
        knobs,
        port: port === usualPort ? undefined : port,
      }),
    );
  }

  #onEvent(event: string, value: unknown): void {
    if (event === "problem") return this.#say(`The app's telemetry says: ${value as string}`);
    const knobs = value as Knobs;
    this.#areTurned = true;
    this.#say(`Knobs: ${knobsText(namedKnobs(knobs))}`);
    // Where a process has ended, that is told.
    this.#setKnobs(knobs).catch(() => {});
  }

  /** Rejects: none of them should. */
  async #untilOneEnds({ own }: DemoService): Promise<never> {
    const children = [this.#outside, this.#app, ...(own === undefined ? [] : [own.child])];
    const first = await Promise.race(children.map((child) => child.exited.then(() => child)));
    const text = `the process "${first.role}" ended by itself (${first.end})\n${first.output}`;
    throw new TelemetryError("START_FAILED", text.trim());
  }

  async #watch(service: DemoService, isOver: AbortSignal): Promise<void> {
    const watch = new Watch(service, () => this.#page(service), this.#say);
    await every(lookEveryMs, isOver, () => watch.look(performance.now() - this.#startMs));
  }

  async #report(isOver: AbortSignal): Promise<void> {
    const beginMs = performance.now();
    let last: Progress | undefined;
    let rows = 0;
    await every(progressEveryMs, isOver, async () => {
      const report = await this.#outside.call("report", null, startTimeoutMs).catch(() => {});
      // It ended, which is told where its end is waited for.
      if (report === undefined) return true;
      const now = { report, elapsedMs: performance.now() - beginMs };
      if (last !== undefined) {
        if (rows++ % rowsUnderHeader === 0) this.#say(progressHeader());
        this.#say(progressRow(now, last));
      }
      last = now;
      return false;
    });
  }

  #page(service: DemoService): Promise<Page> {
    return readPage(service.scrapeUrl, this.#instance);
  }

  /** Ends the traffic, and then asks all sides. */
  async #compare(service: DemoService): Promise<number> {
    if (this.#stop.aborted) return 1;
    this.#say("\nThe traffic ends; open requests are waited for.");
    await this.#burst;
    await this.#outside.call("finish", null, drainTimeoutMs);
    const app = await this.#app.call("finish", null, drainTimeoutMs);
    const outside = await this.#outside.call("report", null, startTimeoutMs);
    if (app.flushError !== undefined) this.#say(`The app could not send all: ${app.flushError}`);
    const comparisons = await this.#untilSame(service, { outside, app: app.counts });
    this.#say(comparisonText(comparisons));
    return comparisons.some(({ differences }) => differences.length > 0) ? 1 : 0;
  }

  /** What the service has accepted is not yet on its page. */
  async #untilSame(service: DemoService, truth: Truth): Promise<Comparison[]> {
    const deadlineMs = performance.now() + arrivalTimeoutMs;
    for (;;) {
      let page: Page;
      try {
        page = await this.#page(service);
      } catch (error) {
        return [{ subject: service.scrapeUrl, differences: [causeOf(error)] }];
      }
      const comparisons = this.#comparisons(service, truth, page);
      const isSame = comparisons.every(({ differences }) => differences.length === 0);
      if (isSame || performance.now() > deadlineMs) return comparisons;
      await sleep(systemClock, lookEveryMs);
    }
  }

  #comparisons(service: DemoService, truth: Truth, page: Page): Comparison[] {
    const { metrics, percentiles } = missingOn(page, service.hasShippedPipelines);
    const isLong = (this.#settings.durationMs ?? 0) >= percentilesAfterMs;
    const missing = [...metrics, ...(isLong ? percentiles : [])];
    const differences = missing.map((name) => `${name} has no data`);
    return [...compare(truth, page), { subject: "every metric has data", differences }];
  }
}

/** Until the task says that it is done. */
async function every(
  periodMs: number,
  isOver: AbortSignal,
  task: () => Promise<boolean>,
): Promise<void> {
  while (!isOver.aborted && !(await task())) await timeOf(periodMs, isOver);
}

/** Resolves after a time, or when it is over; without a time only then. */
function timeOf(durationMs: number | undefined, isOver: AbortSignal): Promise<void> {
  if (durationMs === undefined) return untilAborted(isOver);
  return sleep(systemClock, durationMs, isOver).catch(() => {});
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
