import type {
  Context,
  Edge,
  HeldCounts,
  HeldPayload,
  Payload,
  Settings,
  Stage,
} from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { select } from "../../src/pdata/select.ts";
import { split } from "../../src/pdata/split.ts";
import { type Arrival, Baselines } from "./baselines.ts";
import type { PercentilesConfig } from "./config.ts";
import { GroupStore } from "./group-store.ts";
import { Matcher } from "./matcher.ts";
import { Outbox, unlessAborted } from "./outbox.ts";
import { quantileKey } from "./output-metrics.ts";
import { Reporter, type WindowTimes } from "./reporter.ts";
import { Reports } from "./reports.ts";
import { Sampler } from "./sampler.ts";
import { StateMemory } from "./state-memory.ts";
import { WindowClock } from "./window-clock.ts";

const pointsAtOnce = 1000;
const leastExpiryMs = 300_000;
/** Windows that wait to be reported; only a machine that is far too slow has as many. */
const maxPendingWindows = 10;

/** Results on their way to a successor, and the processor that made them: it must not sample them. */
const makers = new WeakMap<Payload, string>();

/** Sends everything on, samples what was accepted, and reports at the end of each window. */
export class PercentilesStage implements Stage<"metrics"> {
  readonly #config: PercentilesConfig;
  readonly #settings: Settings;
  readonly #next: Edge<"metrics">;
  readonly #stepMs: number;
  readonly #memory: StateMemory;
  readonly #store: GroupStore;
  readonly #baselines: Baselines;
  readonly #sampler: Sampler;
  readonly #reports: Reports;
  readonly #reporter: Reporter;
  readonly #outbox: Outbox;
  readonly #windows: WindowClock;
  /** Closed slots that were not reported yet, oldest first. */
  readonly #pending: number[] = [];
  #reporting: Promise<void> | undefined;
  /** Calls that wait for the next component. */
  readonly #open = new Set<Promise<unknown>>();
  /** Aborted: nobody is waited for any more. */
  readonly #hurry = new AbortController();
  #isStopping = false;
  #ending: Promise<void> | undefined;
  #isEnded = false;
  #hasLeftOut = false;
  #lastEndMs = 0;

  constructor(config: PercentilesConfig, settings: Settings, next: Edge<"metrics">) {
    const { clock } = settings;
    this.#config = config;
    this.#settings = settings;
    this.#next = next;
    this.#stepMs = config.slide || config.window;
    const panes = config.window / this.#stepMs;
    const expireMs = Math.max(leastExpiryMs, 2 * config.window);
    const memory = new StateMemory(settings.budget);
    this.#memory = memory;
    this.#store = new GroupStore({
      settings,
      memory,
      maxSeries: config.max_series,
      groupBy: config.group_by,
      ownKey: config.naming === "attribute" ? quantileKey : undefined,
      expireMs,
    });
    this.#baselines = new Baselines({
      limit: config.max_series,
      memory,
      expireMs,
      startedMs: clock.now(),
    });
    this.#reports = new Reports(settings);
    this.#sampler = new Sampler({
      types: config.types,
      matcher: new Matcher(config.include, config.exclude),
      store: this.#store,
      baselines: this.#baselines,
      memory,
      reports: this.#reports,
      panes,
    });
    this.#reporter = new Reporter(config, panes, this.#store);
    this.#outbox = new Outbox(next, settings);
    this.#windows = new WindowClock(clock, this.#stepMs, (slot) => this.#close(slot));
    this.#measure();
  }

  #measure(): void {
    const { meter, id } = this.#settings;
    const labels = { processor: id.text };
    meter.gauge("rmt_percentiles_state_bytes", () => this.#memory.heldBytes, labels);
    meter.gauge("rmt_percentiles_cache_bytes", () => this.#sampler.cacheBytes, labels);
    meter.gauge("rmt_percentiles_baselines", () => this.#baselines.size, labels);
  }

  start(): Promise<void> {
    this.#windows.start();
    return Promise.resolve();
  }

  ready(payload: Payload<"metrics">, context: Context): TelemetryError | undefined {
    return this.#isStopping ? stopping() : this.#next.ready(payload, context);
  }

  consume(payload: Payload<"metrics">, context: Context): Promise<void> {
    if (this.#isStopping) return Promise.reject(stopping());
    if (makers.get(payload) === this.#settings.id.text) return this.#next.consume(payload, context);
    const passed = this.#pass(payload, context, this.#arrival());
    this.#open.add(passed);
    const end = () => void this.#open.delete(passed);
    passed.then(end, end);
    return passed;
  }

  async #pass(payload: Payload<"metrics">, context: Context, arrival: Arrival): Promise<void> {
    const rest = this.#config.drop_source ? this.#restOf(payload, arrival) : payload;
    if (rest !== undefined) {
      // What is dropped is kept until the rest was accepted, and nobody else books it.
      const extraBytes = rest === payload ? 0 : payload.heldBytes;
      this.#settings.budget.reserve(extraBytes);
      try {
        await this.#next.consume(rest, context);
      } finally {
        this.#settings.budget.release(extraBytes);
      }
    }
    await this.#sample(payload, arrival);
  }

  #arrival(): Arrival {
    const { clock } = this.#settings;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.now() };
  }

  #restOf(payload: Payload<"metrics">, arrival: Arrival): Payload<"metrics"> | undefined {
    const chosen = this.#sampler.choose(payload, arrival);
    return chosen.includes(true) ? select(payload, (i) => chosen[i] !== true) : payload;
  }

  /** The payload was accepted: an error here must not make its sender send it again. */
  async #sample(payload: Payload<"metrics">, arrival: Arrival): Promise<void> {
    try {
      if (payload.itemCount <= pointsAtOnce) this.#sampleSlice(payload, arrival);
      else await this.#sampleSliced(payload, arrival);
    } catch (error) {
      this.#reports.ignore("internal", error instanceof Error ? error.message : String(error));
    }
  }

  /** A point of a histogram takes 10 µs: large payloads let others work in between. */
  async #sampleSliced(payload: Payload<"metrics">, arrival: Arrival): Promise<void> {
    const { budget } = this.#settings;
    budget.reserve(payload.heldBytes);
    try {
      for (const slice of split(payload, { maxItems: pointsAtOnce })) {
        this.#sampleSlice(slice, arrival);
        await nextTurn();
      }
    } finally {
      budget.release(payload.heldBytes);
    }
  }

  #sampleSlice(payload: Payload<"metrics">, arrival: Arrival): void {
    if (!this.#isEnded) this.#sampler.sample(payload, arrival, this.#windows.open);
  }

  #close(slot: number): void {
    this.#pending.push(slot);
    if (this.#pending.length > maxPendingWindows) this.#leaveOut(this.#pending.shift()!);
    this.#reporting ??= this.#reportPending();
  }

  #leaveOut(slot: number): void {
    this.#settings.drop("too_slow", this.#store.guard.series);
    if (this.#hasLeftOut) return;
    this.#hasLeftOut = true;
    this.#settings.log.error(
      "Percentiles of windows are left out: computing them, or the next component, does not keep up.",
      {
        window_end_ms: slot * this.#stepMs,
      },
    );
  }

  async #reportPending(): Promise<void> {
    for (let slot = this.#pending.shift(); slot !== undefined; slot = this.#pending.shift()) {
      await this.#report({ slot, ...this.#timesOf(slot), isPartial: false });
    }
    // In the same step as the decision to rest: a slot that closes from now on starts it again.
    this.#reporting = undefined;
  }

  #timesOf(slot: number): { startMs: number; endMs: number } {
    const endMs = slot * this.#stepMs;
    return { startMs: endMs - this.#config.window, endMs };
  }

  async #report(window: WindowTimes): Promise<void> {
    const { clock, log } = this.#settings;
    const nowMs = clock.monotonicMs();
    this.#lastEndMs = window.endMs;
    try {
      for (const payload of this.#reporter.payloads(window, nowMs)) {
        if (payload === undefined) await nextTurn();
        else await this.#post(payload);
      }
    } catch (error) {
      log.error("BUG: cannot report a window.", { error: String(error) });
    }
    this.#baselines.sweep(nowMs);
  }

  /** The results of a large window do not fit into the outbox: they come no faster than they are taken. */
  async #post(payload: Payload<"metrics">): Promise<void> {
    this.#outbox.post(payload);
    await this.#outbox.room(this.#hurry.signal);
  }

  held(): HeldCounts {
    return this.#outbox.held();
  }

  async surrender(): Promise<readonly HeldPayload<"metrics">[]> {
    this.#outbox.hold();
    await this.#end(Promise.allSettled(this.#open));
    const given = await this.#outbox.surrender();
    for (const { payload } of given) makers.set(payload, this.#settings.id.text);
    return given;
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    const hurry = () => this.#hurry.abort();
    if (abort.aborted) hurry();
    else abort.addEventListener("abort", hurry, { once: true });
    await this.#end(unlessAborted(Promise.allSettled(this.#open), abort));
    await this.#outbox.shutdown(abort);
  }

  /** Takes nothing more, and reports the window that is open once what is on its way was answered. */
  #end(answered: Promise<unknown>): Promise<void> {
    this.#isStopping = true;
    this.#ending ??= this.#reportRest(answered);
    return this.#ending;
  }

  async #reportRest(answered: Promise<unknown>): Promise<void> {
    await answered;
    const slot = this.#windows.open;
    this.#windows.stop();
    await this.#reporting;
    await this.#report({ slot, ...this.#partialTimes(slot), isPartial: true });
    // Whoever has not been answered by now comes too late to be sampled.
    this.#isEnded = true;
    this.#store.guard.close();
    this.#memory.giveAll();
  }

  /** It ends now: the window's rest may be reported by the service that comes next. */
  #partialTimes(slot: number): { startMs: number; endMs: number } {
    const { startMs, endMs } = this.#timesOf(slot);
    const nowMs = Math.max(this.#settings.clock.now(), this.#lastEndMs + 1, startMs + 1);
    return { startMs, endMs: Math.min(nowMs, endMs) };
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const stopping = () =>
  new TelemetryError("SHUTTING_DOWN", "the percentiles processor is stopped", { retryable: true });
