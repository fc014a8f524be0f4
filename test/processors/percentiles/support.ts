import { config } from "../../../processors/percentiles/config.ts";
import { PercentilesStage } from "../../../processors/percentiles/stage.ts";
import type { z } from "../../../src/config/fields.ts";
import type { LogFields, Logger } from "../../../src/log.ts";
import { encodeJson } from "../../../src/pdata/json/encode.ts";
import type { Payload } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { metricsRequest, payloadOf } from "../../support/otlp-objects.ts";
import { ScriptedEdge } from "../../support/scripted-edge.ts";
import { testBudget, testSettings } from "../../support/settings.ts";

export type Json = Record<string, unknown>;
type Values = Readonly<Record<string, string | number | boolean>>;

/** A whole minute. */
export const t0 = 1_700_000_040_000;
export const context = { receivedMs: 0 };

export const attributesOf = (values: Values = {}): Json[] =>
  Object.entries(values).map(([key, value]) => ({ key, value: anyValue(value) }));

function anyValue(value: string | number | boolean): Json {
  if (typeof value === "string") return { stringValue: value };
  return typeof value === "boolean" ? { boolValue: value } : { intValue: String(value) };
}

/** A wall clock that can be set, beside monotonic time. */
export class JumpingClock extends FakeClock {
  offsetMs = 0;
  override now(): number {
    return super.now() + this.offsetMs;
  }
}

export class CapturedLog implements Logger {
  readonly lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
  readonly #at = (level: string) => (message: string, fields?: LogFields) =>
    void this.lines.push({ level, message, fields });
  readonly debug = this.#at("debug");
  readonly info = this.#at("info");
  readonly warn = this.#at("warn");
  readonly error = this.#at("error");
  with(): Logger {
    return this;
  }
  /** Lines of a reason. */
  of(reason: string): string[] {
    return this.lines.filter(({ fields }) => fields?.["reason"] === reason).map((l) => l.message);
  }
}

/** A point that came out, with what it belongs to. */
export interface OutPoint {
  readonly name: string;
  readonly kind: string;
  readonly unit: unknown;
  readonly description: unknown;
  readonly scope: string | undefined;
  readonly resource: Values;
  readonly attributes: Values;
  /** A gauge's value. */
  readonly value: number | undefined;
  readonly startMs: number;
  readonly timeMs: number;
  readonly isStale: boolean;
  readonly json: Json;
}

const kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

export function outPoints(payload: Payload): OutPoint[] {
  for (const [i, part] of payload.parts.entries()) {
    if (verify("metrics", part) !== payload.partItems[i]) throw new Error("wrong item count");
  }
  const { resourceMetrics } = JSON.parse(encodeJson(payload)) as { resourceMetrics: Json[] };
  return resourceMetrics.flatMap((resource) =>
    (resource["scopeMetrics"] as Json[]).flatMap((scope) =>
      (scope["metrics"] as Json[]).flatMap((metric) => pointsOf(resource, scope, metric)),
    ),
  );
}

function pointsOf(resource: Json, scope: Json, metric: Json): OutPoint[] {
  const kind = kinds.find((name) => metric[name] !== undefined)!;
  const { dataPoints } = metric[kind] as { dataPoints: Json[] };
  return dataPoints.map((json) => ({
    name: metric["name"] as string,
    kind,
    unit: metric["unit"],
    description: metric["description"],
    scope: (scope["scope"] as Json | undefined)?.["name"] as string | undefined,
    resource: valuesOf((resource["resource"] as Json | undefined)?.["attributes"]),
    attributes: valuesOf(json["attributes"]),
    value: json["asDouble"] === undefined ? undefined : Number(json["asDouble"]),
    startMs: Number(BigInt((json["startTimeUnixNano"] as string | undefined) ?? 0) / 1_000_000n),
    timeMs: Number(BigInt((json["timeUnixNano"] as string | undefined) ?? 0) / 1_000_000n),
    isStale: json["flags"] === 1,
    json,
  }));
}

const valuesOf = (list: unknown): Values =>
  Object.fromEntries(
    ((list ?? []) as { key: string; value?: Values }[]).map(({ key, value }) => [
      key,
      Object.values(value ?? {})[0] ?? "",
    ]),
  );

interface RunOptions {
  readonly clock?: FakeClock;
  readonly budgetBytes?: number;
}

/** The processor before an edge that takes everything, one aligned minute after another. */
export class Running {
  readonly clock: FakeClock;
  readonly log = new CapturedLog();
  readonly settings: ReturnType<typeof testSettings>;
  readonly edge = new ScriptedEdge<"metrics">();
  readonly stage: PercentilesStage;
  /** Payloads that went in, and were passed on. */
  readonly sent = new Set<Payload<"metrics">>();
  #read = 0;

  constructor(keys: z.input<typeof config> = {}, options: RunOptions = {}) {
    this.clock = options.clock ?? new FakeClock(t0);
    const budget = testBudget(options.budgetBytes);
    this.settings = testSettings({
      id: "percentiles",
      clock: this.clock,
      log: this.log,
      budget,
    });
    this.stage = new PercentilesStage(config.parse(keys), this.settings, this.edge);
    void this.stage.start();
  }

  /** Metrics in one request; checks that it goes on as it came. */
  async send(metrics: unknown, resource?: Values): Promise<void> {
    const payload = payloadOf(
      "metrics",
      metricsRequest(metrics, resource && { attributes: attributesOf(resource) }),
    );
    await this.give(payload);
  }

  async give(payload: Payload<"metrics">): Promise<void> {
    const before = Buffer.concat(payload.parts);
    this.sent.add(payload);
    await this.stage.consume(payload, context);
    if (!Buffer.concat(payload.parts).equals(before)) throw new Error("the input was written to");
  }

  /** What the processor made since the last call, window by window. */
  made(): OutPoint[] {
    const fresh = this.edge.payloads.slice(this.#read);
    this.#read = this.edge.payloads.length;
    return fresh
      .filter((payload) => !this.sent.has(payload as Payload<"metrics">))
      .flatMap(outPoints);
  }

  /** Lets time pass and returns what was made. */
  async after(ms = 60_000): Promise<OutPoint[]> {
    await this.clock.advance(ms);
    return this.made();
  }

  ignored(reason: string): number {
    return this.settings.meter.value("rmt_percentiles_ignored_points", {
      processor: "percentiles",
      reason,
    });
  }

  get sampled(): number {
    return this.settings.meter.value("rmt_percentiles_sampled_points", {
      processor: "percentiles",
    });
  }

  get overflowed(): number {
    return this.settings.meter.value("rmt_series_overflow_points", { component: "percentiles" });
  }

  get timeUnixNano(): string {
    return `${this.clock.now()}000000`;
  }
}

/** `name value` of gauges, sorted; stale points without a value. */
export const shortly = (points: readonly OutPoint[]): string[] =>
  points
    .map(({ name, value, isStale }) => (isStale ? `${name} stale` : `${name} ${short(value!)}`))
    .toSorted();

const short = (value: number) => String(Number(value.toPrecision(5)));

export const gauge = (name: string, dataPoints: unknown[], rest: Json = {}): Json => ({
  name,
  gauge: { dataPoints },
  ...rest,
});

export const number = (value: number | string, timeUnixNano?: string, labels?: Values): Json => ({
  timeUnixNano,
  asDouble: value,
  attributes: attributesOf(labels),
});

interface HistogramKeys {
  readonly bounds: readonly number[];
  readonly counts: readonly (number | string)[];
  readonly labels?: Values;
  readonly rest?: Json;
}

/** A point of an explicit histogram. */
export const histogramPoint = ({ bounds, counts, labels, rest }: HistogramKeys): Json => ({
  explicitBounds: bounds,
  bucketCounts: counts.map(String),
  count: String(counts.reduce<number>((sum, count) => sum + Number(count), 0)),
  attributes: attributesOf(labels),
  ...rest,
});

export const histogram = (name: string, aggregationTemporality: number, ...dataPoints: Json[]) => ({
  name,
  histogram: { aggregationTemporality, dataPoints },
});
