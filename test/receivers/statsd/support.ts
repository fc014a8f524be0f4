import { Aggregator } from "../../../receivers/statsd/aggregator.ts";
import { config } from "../../../receivers/statsd/config.ts";
import { Intake } from "../../../receivers/statsd/intake.ts";
import type { z } from "../../../src/config/fields.ts";
import type { Logger } from "../../../src/log.ts";
import { encodeJson } from "../../../src/pdata/json/encode.ts";
import type { Payload } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type TestSettings, testSettings } from "../../support/settings.ts";

type Json = Record<string, unknown>;

/** A point with what it belongs to, in OTLP/JSON's words. */
export interface SentPoint {
  readonly name: string;
  readonly kind: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of a number point. */
  readonly value: number | undefined;
  readonly isInt: boolean;
  readonly temporality: unknown;
  readonly isMonotonic: boolean;
  /** Milliseconds since 1970; 0: unset. */
  readonly startMs: number;
  readonly timeMs: number;
  /** The whole point. */
  readonly json: Json;
}

const kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

/** All points of payloads, in order; what is written is checked as a receiver would. */
export function sentPoints(...payloads: readonly Payload[]): SentPoint[] {
  return payloads.flatMap((payload) => {
    for (const [i, part] of payload.parts.entries()) {
      if (verify("metrics", part) !== payload.partItems[i]) throw new Error("wrong item count");
    }
    const { resourceMetrics } = JSON.parse(encodeJson(payload)) as { resourceMetrics: Json[] };
    return resourceMetrics.flatMap((resource) =>
      (resource["scopeMetrics"] as Json[]).flatMap((scope) =>
        (scope["metrics"] as Json[]).flatMap(pointsOfMetric),
      ),
    );
  });
}

function pointsOfMetric(metric: Json): SentPoint[] {
  const kind = kinds.find((name) => metric[name] !== undefined)!;
  const data = metric[kind] as Json;
  return (data["dataPoints"] as Json[]).map((json) => ({
    name: metric["name"] as string,
    kind,
    attributes: attributesOf(json["attributes"]),
    value: valueOf(json),
    isInt: json["asInt"] !== undefined,
    temporality: data["aggregationTemporality"],
    isMonotonic: data["isMonotonic"] === true,
    startMs: msOf(json["startTimeUnixNano"]),
    timeMs: msOf(json["timeUnixNano"]),
    json,
  }));
}

const msOf = (ns: unknown) => Number(BigInt((ns as string | undefined) ?? 0) / 1_000_000n);

function valueOf(json: Json): number | undefined {
  const value = json["asInt"] ?? json["asDouble"];
  return value === undefined ? undefined : Number(value);
}

function attributesOf(list: unknown): Record<string, unknown> {
  return Object.fromEntries(
    ((list as Json[] | undefined) ?? []).map(({ key, value }) => [
      key as string,
      Object.values(value as Json)[0],
    ]),
  );
}

/** Collects what is said. */
export class TestLog implements Logger {
  readonly lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  #add(level: string, message: string, fields: object = {}): void {
    this.lines.push({ level, message, fields: { ...fields } });
  }
  debug(message: string, fields?: object): void {
    this.#add("debug", message, fields);
  }
  info(message: string, fields?: object): void {
    this.#add("info", message, fields);
  }
  warn(message: string, fields?: object): void {
    this.#add("warn", message, fields);
  }
  error(message: string, fields?: object): void {
    this.#add("error", message, fields);
  }
  with(): Logger {
    return this;
  }
  get warnings(): string[] {
    return this.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  }
}

type Keys = z.input<typeof config>;

/** An aggregator without sockets; time stands at 1,700,000,000 s. */
export class TestAggregator {
  readonly clock = new FakeClock();
  readonly log = new TestLog();
  readonly settings: TestSettings;
  readonly aggregator: Aggregator;
  readonly intake: Intake;

  constructor(keys: Keys = {}, options: Parameters<typeof testSettings>[0] = {}) {
    this.settings = testSettings({
      id: "statsd",
      clock: this.clock,
      log: this.log,
      ...options,
    });
    this.aggregator = new Aggregator(config.parse(keys), this.settings);
    this.intake = new Intake(this.aggregator, this.settings);
  }

  /** One packet of a sender. */
  send(packet: string | Buffer, sender = ""): this {
    const bytes = Buffer.from(packet);
    this.intake.takeLines(bytes, bytes.length, sender);
    return this;
  }

  payloads(): Payload<"metrics">[] {
    const payloads: Payload<"metrics">[] = [];
    this.aggregator.beginFlush();
    for (;;) {
      const payload = this.aggregator.nextPayload();
      if (payload === undefined) break;
      payloads.push(payload);
    }
    this.aggregator.endFlush();
    return payloads;
  }

  flush(): SentPoint[] {
    return sentPoints(...this.payloads());
  }

  refused(reason: string): number {
    return this.settings.meter.value("rmt_statsd_refused_lines", { receiver: "statsd", reason });
  }

  count(name: "rmt_statsd_lines" | "rmt_statsd_events"): number {
    return this.settings.meter.value(name, { receiver: "statsd" });
  }
}

/** name{k=v}=value, for short comparisons. */
export function shortly(points: readonly SentPoint[]): string[] {
  return points.map(({ name, attributes, value }) => {
    const pairs = Object.entries(attributes).map(([key, text]) => `${key}=${String(text)}`);
    return `${name}{${pairs.join(",")}} ${value}`;
  });
}
