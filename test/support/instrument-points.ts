/** What instruments send, read by the foreign codec. */

import { InstrumentRegistry } from "../../src/instrument/metrics/meter.ts";
import { Problems } from "../../src/instrument/problems.ts";
import type { Runtime } from "../../src/instrument/runtime.ts";
import { type EncodedRequest, Encoder } from "../../src/instrument/sending/encoder.ts";
import { requestTypes } from "./otlp-proto.ts";

type Json = Record<string, unknown>;
export type Attributes = Record<string, string | number | boolean>;

export interface Point {
  readonly metric: string;
  readonly unit: string | undefined;
  readonly kind: "gauge" | "sum" | "histogram" | "exponentialHistogram";
  readonly temporality: number | undefined;
  readonly isMonotonic: boolean | undefined;
  readonly attributes: Attributes;
  readonly startNanos: string;
  readonly timeNanos: string;
  readonly value: number | undefined;
  readonly count: number | undefined;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly buckets: readonly number[] | undefined;
  readonly bounds: readonly number[] | undefined;
  readonly fields: Json;
}

const kinds = ["gauge", "sum", "histogram", "exponentialHistogram"] as const;
const list = (value: unknown) => (value ?? []) as Json[];

export function decodeRequest(body: Uint8Array): Json {
  const type = requestTypes.metrics;
  return type.toObject(type.decode(body), { longs: String, bytes: String });
}

export function resourceOf(body: Uint8Array): Attributes {
  const [first] = list(decodeRequest(body)["resourceMetrics"]);
  return attributesOf((first!["resource"] as Json)["attributes"]);
}

export function pointsOf(body: Uint8Array): Point[] {
  return list(decodeRequest(body)["resourceMetrics"])
    .flatMap((resource) => list(resource["scopeMetrics"]))
    .flatMap((scope) => list(scope["metrics"]))
    .flatMap(pointsOfMetric);
}

function pointsOfMetric(metric: Json): Point[] {
  const kind = kinds.find((name) => metric[name] !== undefined)!;
  const data = metric[kind] as Json;
  return list(data["dataPoints"]).map((fields) => ({
    metric: metric["name"] as string,
    unit: metric["unit"] as string | undefined,
    kind,
    temporality: data["aggregationTemporality"] as number | undefined,
    isMonotonic: data["isMonotonic"] as boolean | undefined,
    attributes: attributesOf(fields["attributes"]),
    startNanos: fields["startTimeUnixNano"] as string,
    timeNanos: fields["timeUnixNano"] as string,
    value: fields["asDouble"] as number | undefined,
    count: fields["count"] === undefined ? undefined : Number(fields["count"]),
    sum: fields["sum"] as number | undefined,
    min: fields["min"] as number | undefined,
    max: fields["max"] as number | undefined,
    buckets: (fields["bucketCounts"] as string[] | undefined)?.map(Number),
    bounds: fields["explicitBounds"] as number[] | undefined,
    fields,
  }));
}

function attributesOf(pairs: unknown): Attributes {
  return Object.fromEntries(
    list(pairs).map(({ key, value }) => {
      const any = value as Json;
      const int = any["intValue"];
      const other = any["stringValue"] ?? any["boolValue"] ?? any["doubleValue"];
      return [key, int === undefined ? other : Number(int)];
    }),
  ) as Attributes;
}

/** A registry without a process around it, collected at will; for helpers that need a start: `setRuntime(bench)`. */
export class Bench implements Runtime {
  readonly said: { readonly code: string; readonly message: string }[] = [];
  readonly meter: InstrumentRegistry;
  readonly problems: Problems;
  readonly isDisabled = false;
  readonly isDelta: boolean;
  #previousMs = 1000;
  nowMs = 2000;

  constructor(options: { readonly maxSeries?: number; readonly isDelta?: boolean } = {}) {
    this.problems = new Problems((problem) => this.said.push(problem));
    this.meter = new InstrumentRegistry(options.maxSeries ?? 2000, this.problems);
    this.isDelta = options.isDelta ?? false;
  }

  get codes(): string[] {
    return this.said.map(({ code }) => code);
  }

  *steps(
    limits: { readonly maxRequestBytes?: number; readonly sliceMs?: number } = {},
  ): Generator<EncodedRequest | undefined> {
    const encoder = new Encoder({
      resource: [["service.name", "test"]],
      isDelta: this.isDelta,
      maxRequestBytes: limits.maxRequestBytes ?? 1024 * 1024,
      sliceMs: limits.sliceMs ?? 1000,
    });
    const times = { startMs: 1000, previousMs: this.#previousMs, nowMs: this.nowMs };
    this.#previousMs = this.nowMs;
    yield* encoder.encode(this.meter.families, times);
  }

  collect(): Point[] {
    return [...this.steps()].flatMap((step) => (step === undefined ? [] : pointsOf(step.body)));
  }
}
