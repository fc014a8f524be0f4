/** Processors that convert temporality, run as stages before an edge that answers as the test says. */
import type { Settings, Stage } from "../../src/component.ts";
import type { LogFields, Logger } from "../../src/log.ts";
import type { Payload } from "../../src/pdata/payload.ts";
import { verify } from "../../src/pdata/verify.ts";
import { FakeClock } from "./fake-clock.ts";
import { metricsOf, metricsRequest, payloadOf } from "./otlp-objects.ts";
import { ScriptedEdge } from "./scripted-edge.ts";
import { type TestSettings, testSettings } from "./settings.ts";

export type MetricObject = Record<string, unknown>;

export class TestedStage {
  readonly clock: FakeClock;
  readonly edge = new ScriptedEdge<"metrics">();
  readonly settings: TestSettings;
  readonly said: { level: "info" | "warn"; message: string; fields: LogFields | undefined }[] = [];
  readonly stage: Stage;

  constructor(
    create: (settings: Settings, next: ScriptedEdge<"metrics">) => Stage,
    nowMs?: number,
  ) {
    this.clock = new FakeClock(nowMs);
    const note = (level: "info" | "warn") => (message: string, fields?: LogFields) =>
      void this.said.push({ level, message, fields });
    const silent = testSettings().log;
    const log: Logger = { ...silent, info: note("info"), warn: note("warn") };
    this.settings = testSettings({ id: "test", clock: this.clock, log });
    this.stage = create(this.settings, this.edge);
  }

  /** Hands a payload in and checks what comes out: well-formed, counted, the input as it was. */
  async consume(payload: Payload<"metrics">): Promise<Payload<"metrics"> | undefined> {
    const before = Buffer.concat(payload.parts);
    const { length } = this.edge.payloads;
    const unwritten = () => {
      if (!Buffer.concat(payload.parts).equals(before)) throw new Error("the input was written to");
    };
    await this.stage.consume(payload, { receivedMs: 0 }).catch((error: unknown) => {
      unwritten();
      throw error;
    });
    unwritten();
    const result = this.edge.payloads[length] as Payload<"metrics"> | undefined;
    for (const [i, part] of (result?.parts ?? []).entries()) {
      const items = verify("metrics", part);
      if (items !== result!.partItems[i])
        throw new Error(`${items} items, not ${result!.partItems[i]}`);
    }
    return result;
  }

  /** Metrics in, metrics out. */
  async run(metrics: readonly unknown[], resource?: unknown): Promise<MetricObject[]> {
    return metricsOf(await this.consume(payloadOf("metrics", metricsRequest(metrics, resource))));
  }

  get dropped(): Record<string, number> {
    return Object.fromEntries(this.settings.dropped);
  }

  noted(
    counter: "rmt_cumulative_to_delta_discontinuities" | "rmt_delta_to_cumulative_discontinuities",
    reason: string,
  ): number {
    return this.settings.meter.value(counter, { processor: "test", reason });
  }
}

/** Without zero values, empty lists and empty buckets at the end: what the Collector's cases compare. */
export function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, key === "bucketCounts" ? trimmed(inner) : withoutZeros(inner)])
    .filter(([key, inner]) => key === "sum" || !isZero(inner));
  return Object.fromEntries(entries.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

function trimmed(value: unknown): unknown {
  const counts = (value as (string | number)[]).map(String);
  while (counts.at(-1) === "0") counts.pop();
  return counts;
}

const isZero = (value: unknown) =>
  value === 0 || value === "0" || value === false || (Array.isArray(value) && value.length === 0);

type Point = Readonly<Record<string, unknown>>;

const withText = (key: string, value: string | undefined) =>
  value === undefined ? {} : { attributes: [{ key, value: { stringValue: value } }] };

/** Seconds as OTLP/JSON writes times. */
export const ns = (seconds: number): string => `${BigInt(Math.round(seconds * 1000)) * 1_000_000n}`;

/** A number point: bigint is an integer. Times in seconds; `host` is its attribute. */
export function numberPoint(
  [start, time]: readonly [number, number],
  value: number | bigint,
  host?: string,
): Point {
  const number =
    typeof value === "bigint" ? { asInt: String(value) } : { asDouble: jsonNumber(value) };
  return {
    startTimeUnixNano: ns(start),
    timeUnixNano: ns(time),
    ...number,
    ...withText("host", host),
  };
}

const jsonNumber = (value: number) => (Number.isFinite(value) ? value : String(value));

export function sumOf(
  temporality: 1 | 2,
  dataPoints: readonly Point[],
  { name = "requests", isMonotonic = true }: { name?: string; isMonotonic?: boolean } = {},
): MetricObject {
  return { name, sum: { aggregationTemporality: temporality, isMonotonic, dataPoints } };
}

export function histogramOf(
  temporality: 1 | 2,
  dataPoints: readonly Point[],
  name = "latency",
): MetricObject {
  return { name, histogram: { aggregationTemporality: temporality, dataPoints } };
}

/** A histogram point with the bounds 1, 2, 3 … unless given. */
export function histogramPoint(
  [start, time]: readonly [number, number],
  counts: readonly number[],
  more: Point = {},
): Point {
  return {
    startTimeUnixNano: ns(start),
    timeUnixNano: ns(time),
    count: String(counts.reduce((a, b) => a + b, 0)),
    bucketCounts: counts.map(String),
    explicitBounds: counts.slice(1).map((_, i) => i + 1),
    ...more,
  };
}

export function exponentialOf(
  temporality: 1 | 2,
  dataPoints: readonly Point[],
  name = "size",
): MetricObject {
  return { name, exponentialHistogram: { aggregationTemporality: temporality, dataPoints } };
}

export function exponentialPoint(
  [start, time]: readonly [number, number],
  scale: number,
  [offset, counts]: readonly [number, readonly number[]],
  more: Point = {},
): Point {
  return {
    startTimeUnixNano: ns(start),
    timeUnixNano: ns(time),
    count: String(counts.reduce((a, b) => a + b, 0)),
    scale,
    positive: { offset, bucketCounts: counts.map(String) },
    ...more,
  };
}

/** The points of the only metric. */
export function pointsOf(metrics: readonly MetricObject[]): MetricObject[] {
  if (metrics.length > 1) throw new Error(`${metrics.length} metrics`);
  const data = ["sum", "histogram", "exponentialHistogram"].map((key) => metrics[0]?.[key]);
  const found = data.find((value) => value !== undefined) as
    | { dataPoints?: MetricObject[] }
    | undefined;
  return found?.dataPoints ?? [];
}

/** Values of number points, integers as bigint. */
export const valuesOf = (metrics: readonly MetricObject[]): (number | bigint | string)[] =>
  pointsOf(metrics).map((point) =>
    point["asInt"] === undefined
      ? (point["asDouble"] as number | string)
      : BigInt(point["asInt"] as string),
  );
