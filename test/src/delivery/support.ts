import type { Context, Exporter, Payload, PushResult } from "../../../src/component.ts";
import { section } from "../../../src/config/fields.ts";
import { type DeliveryConfig, deliveryKeys } from "../../../src/config/fragments/delivery.ts";
import { createDelivery, type Delivery } from "../../../src/delivery/delivery.ts";
import { TelemetryError } from "../../../src/errors.ts";
import type { LogFields, Logger } from "../../../src/log.ts";
import { concat } from "../../../src/pdata/concat.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { type TestSettings, testSettings } from "../../support/settings.ts";

const schema = section(deliveryKeys("5s"));

/** As the service decodes it; without `sending_queue` there is the default one, with `null` none. */
export function configOf(input: Record<string, unknown> = {}): DeliveryConfig {
  const { sending_queue: queue = {}, ...rest } = input;
  return schema.parse({ ...rest, ...(queue === null ? {} : { sending_queue: queue }) });
}

export interface Push {
  readonly payload: Payload;
  readonly context: Context;
  readonly abort: AbortSignal;
  /** Monotonic. */
  readonly atMs: number;
  readonly names: readonly string[];
}

type Script = (push: Push, index: number) => PushResult | Promise<PushResult>;

/** An exporter that answers as the test says. */
export class ScriptedExporter implements Exporter {
  readonly pushes: Push[] = [];
  readonly #clock: FakeClock;
  script: Script;

  constructor(clock: FakeClock, script: Script) {
    this.#clock = clock;
    this.script = script;
  }

  async push(payload: Payload, context: Context, abort: AbortSignal): Promise<PushResult> {
    const atMs = this.#clock.monotonicMs();
    const push = { payload, context, abort, atMs, names: bodiesOf(payload) };
    this.pushes.push(push);
    return this.script(push, this.pushes.length - 1);
  }

  /** The bodies of what each push carried. */
  get names(): readonly (readonly string[])[] {
    return this.pushes.map((push) => push.names);
  }
}

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields | undefined;
}

export interface Harness {
  readonly delivery: Delivery;
  readonly exporter: ScriptedExporter;
  readonly clock: FakeClock;
  readonly settings: TestSettings;
  readonly log: LogLine[];
  /** Hands one request with these records over. */
  readonly send: (...names: string[]) => Promise<void>;
  /** Payload and context as they are. */
  readonly give: (payload: Payload, context?: Partial<Context>) => Promise<void>;
  readonly counter: (name: "sent" | "send_failed" | "enqueue_failed") => number;
  readonly queueSize: () => number;
}

interface HarnessOptions {
  readonly config?: Record<string, unknown>;
  readonly script?: Script;
  /** Jitter: 0.5 is none. */
  readonly random?: () => number;
}

/** A delivery in front of a scripted exporter, with a clock that stands still. */
export function harness({
  config = {},
  script = () => ({}),
  random = () => 0.5,
}: HarnessOptions = {}): Harness {
  const clock = new FakeClock();
  const log: LogLine[] = [];
  const settings = testSettings({ clock, log: collectingLogger(log) });
  const exporter = new ScriptedExporter(clock, script);
  const parsed = configOf(config);
  const delivery = createDelivery({ exporter, signal: "logs", config: parsed, settings, random });
  const give = (payload: Payload, context: Partial<Context> = {}) =>
    delivery.consume(payload, { receivedMs: clock.monotonicMs(), ...context });
  const label = { exporter: "test" };
  return {
    delivery,
    exporter,
    clock,
    settings,
    log,
    give,
    send: (...names) => give(logsPayload(names)),
    counter: (name) => settings.meter.value(`otelcol_exporter_${name}_log_records`, label),
    queueSize: () =>
      settings.meter.value("otelcol_exporter_queue_size", { ...label, data_type: "logs" }),
  };
}

function collectingLogger(lines: LogLine[]): Logger {
  const at = (level: LogLine["level"]) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields });
  const logger: Logger = {
    debug() {},
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: () => logger,
  };
  return logger;
}

/** A request a client sent for each name, joined as a batch joins them. */
export const joined = (names: readonly string[]): Payload =>
  concat(names.map((name) => logsPayload([name])));

export const range = (count: number, prefix = "r") =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

export const unavailable = (retryAfterMs?: number) =>
  new TelemetryError("BACKEND_UNAVAILABLE", "not now", { retryable: true, retryAfterMs });

export const rejected = (code?: number) =>
  new TelemetryError("BACKEND_REJECTED", "no", {
    status: code === undefined ? undefined : { code, message: "no" },
  });

export const tooLarge = () => new TelemetryError("TOO_LARGE", "received message larger than max");

/** A script that takes what it can and refuses every payload with one of these records. */
export function rejecting(poisoned: ReadonlySet<string>, error = rejected): Script {
  return ({ names }) => {
    if (names.some((name) => poisoned.has(name))) throw error();
    return {};
  };
}

/** A push that stays open until it is aborted or the test ends it. */
export function hanging(): {
  readonly script: Script;
  readonly end: (result?: PushResult) => void;
} {
  const ends: ((result: PushResult) => void)[] = [];
  return {
    script: ({ abort }) =>
      new Promise((resolve, reject) => {
        ends.push(resolve);
        abort.addEventListener("abort", () => reject(abort.reason as Error), { once: true });
      }),
    end: (result = {}) => {
      for (const end of ends.splice(0)) end(result);
    },
  };
}

/** Says whether a promise has resolved. */
export function watch(promise: Promise<unknown>): { readonly over: boolean } {
  const state = { over: false };
  const wait = async () => {
    await promise;
    state.over = true;
  };
  void wait();
  return state;
}

/** Resolves with the error of a promise that must fail. */
export async function errorOf(promise: Promise<unknown>): Promise<TelemetryError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof TelemetryError) return outcome;
  throw new Error(`no TelemetryError: ${String(outcome)}`);
}
