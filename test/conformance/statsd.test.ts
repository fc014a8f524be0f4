/**
 * The Collector's own cases for its statsd receiver (testdata/collector/statsd; origin inside the files). Cases from
 * Go have Go's zero values for absent keys: counters are not monotonic, senders are told apart.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config } from "../../receivers/statsd/config.ts";
import { Line, lineTypes } from "../../receivers/statsd/line.ts";
import { observations } from "../../receivers/statsd/observers.ts";
import { refusalText } from "../../receivers/statsd/refusal-text.ts";
import { attributesOf } from "../../receivers/statsd/tags.ts";
import type { z } from "../../src/config/fields.ts";
import { type SentPoint, TestAggregator } from "../receivers/statsd/support.ts";
import { FakeClock } from "../support/fake-clock.ts";

function casesOf<T>(name: string): T[] {
  const path = join(__dirname, "..", "testdata", "collector", "statsd", `${name}.json`);
  return (JSON.parse(readFileSync(path, "utf8")) as { cases: T[] }).cases;
}

interface ParseCase {
  readonly name: string;
  readonly line: string;
  readonly enable_metric_type: boolean;
  readonly enable_simple_tags: boolean;
  readonly error?: string;
  readonly parsed?: Readonly<Record<string, unknown>>;
}

const types = observations(config.parse({}));

function parse(one: ParseCase) {
  const bytes = Buffer.from(one.line);
  const line = new Line();
  const refusal = line.parse(bytes, 0, bytes.length);
  if (refusal !== undefined) return { error: refusalText(refusal, line) };
  const tags = attributesOf(line, one.enable_simple_tags);
  if (tags === undefined) return { error: refusalText("tag", line) };
  if (one.enable_metric_type) tags.set("metric_type", types[line.typeCode]!.typeName);
  return {
    parsed: {
      name: bytes.subarray(0, line.nameEnd).toString(),
      value: line.values[0],
      relative: line.areSigned[0],
      type: lineTypes[line.typeCode],
      // What scales nothing is 1 here and 0 there.
      sample_rate: line.rate === 1 ? 0 : line.rate,
      tags: Object.fromEntries(tags),
      timestamp_ns: line.timestamp * 1e9,
    },
  };
}

describe("lines", () => {
  test.each(casesOf<ParseCase>("parse-a").map((one, i) => [`${i}: ${one.name}`, one] as const))(
    "%s",
    (_, one) => {
      const { error, parsed } = one;
      expect(parse(one)).toEqual(error === undefined ? { parsed } : { error });
    },
  );
});

interface ExpectedPoint {
  readonly otlp: string;
  readonly name: string;
  readonly value: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly temporality?: string;
  readonly monotonic?: boolean;
  readonly time_unix_s?: number;
}

interface ExpectedSamples {
  readonly name: string;
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly points: readonly number[];
  readonly weights: readonly number[];
}

interface AggregateCase {
  readonly name: string;
  readonly config: z.input<typeof config>;
  readonly last_interval_unix_s?: number;
  readonly now_unix_s?: number;
  readonly source: string;
  readonly lines: readonly string[];
  readonly last_line_error?: string;
  readonly expect?: {
    readonly gauges?: readonly ExpectedPoint[];
    readonly counters?: readonly ExpectedPoint[];
    readonly timer_points?: readonly ExpectedPoint[];
    readonly samples?: readonly ExpectedSamples[];
    readonly exponential_histogram?: Readonly<Record<string, unknown>>;
  };
}

async function aggregate(one: AggregateCase) {
  const startS = one.last_interval_unix_s ?? 611;
  const clock = new FakeClock(startS * 1000);
  const goZeroValues = { is_monotonic_counter: false, ignore_host: false };
  const t = new TestAggregator({ ...goZeroValues, ...one.config }, { clock });
  await clock.advance(((one.now_unix_s ?? 711) - startS) * 1000);
  for (const line of one.lines) t.send(line, one.source);
  return t;
}

function asExpected(point: SentPoint): ExpectedPoint {
  const common = {
    name: point.name,
    value: point.value!,
    attributes: point.attributes as Record<string, string>,
  };
  if (point.kind === "sum") {
    return {
      otlp: point.isInt ? "sum(int)" : "sum(double)",
      temporality: point.temporality === 1 ? "delta" : "cumulative",
      monotonic: point.isMonotonic,
      ...common,
    };
  }
  return { otlp: "gauge(double)", time_unix_s: point.timeMs / 1000, ...common };
}

/** gonum's stat.Quantile, kind Empirical. */
function empirical({ points, weights }: ExpectedSamples, share: number): number {
  const order = points.map((value, i) => ({ value, weight: weights[i]! }));
  order.sort((a, b) => a.value - b.value);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let cumulated = 0;
  for (const { value, weight } of order) {
    cumulated += weight;
    if (cumulated >= share * total) return value;
  }
  throw new Error("no samples");
}

function expectSamples(points: readonly SentPoint[], samples: readonly ExpectedSamples[]): void {
  expect(points).toHaveLength(samples.length);
  for (const [i, sample] of samples.entries()) {
    const { name, kind, attributes, json } = points[i]!;
    expect({ name, kind, attributes }).toEqual({
      name: sample.name,
      kind: "summary",
      attributes: sample.attributes,
    });
    const sums = sample.points.map((value, j) => value * sample.weights[j]!);
    expect(Number(json["count"])).toBe(sample.weights.reduce((sum, weight) => sum + weight, 0));
    expect(json["sum"]).toBe(sums.reduce((sum, part) => sum + part, 0));
    for (const { quantile = 0, value = 0 } of json["quantileValues"] as {
      quantile?: number;
      value?: number;
    }[]) {
      expect(value).toBe(empirical(sample, quantile));
    }
  }
}

function expectHistogram(points: readonly SentPoint[], expected: Record<string, unknown>): void {
  expect(points).toHaveLength(1);
  const { name, temporality, attributes, json } = points[0]!;
  const { startTimeUnixNano: _start, timeUnixNano: _time, attributes: _attributes, ...rest } = json;
  // JSON leaves zeros out.
  const zeros = { zeroCount: "0", min: 0, max: 0, sum: 0, scale: 0 };
  const buckets = (side: unknown) =>
    side === undefined ? {} : { offset: 0, ...(side as Record<string, unknown>) };
  const { positive, negative } = rest;
  expect({
    name,
    temporality: temporality === 1 ? "delta" : temporality,
    attributes,
    ...zeros,
    ...rest,
    ...(positive === undefined ? {} : { positive: buckets(positive) }),
    ...(negative === undefined ? {} : { negative: buckets(negative) }),
  }).toEqual(expected);
}

describe("aggregates", () => {
  test.each(casesOf<AggregateCase>("aggregate-a").map((one) => [one.name, one] as const))(
    "%s",
    async (_, one) => {
      const t = await aggregate(one);
      if (one.last_line_error !== undefined) {
        expect(t.log.lines.at(-1)!.fields["error"]).toBe(one.last_line_error);
        return;
      }
      const points = t.flush();
      const { samples, exponential_histogram: histogram, ...numbers } = one.expect!;
      if (samples !== undefined) expectSamples(points, samples);
      else if (histogram !== undefined) expectHistogram(points, { ...histogram });
      else {
        const { gauges = [], counters = [], timer_points: timers = [] } = numbers;
        const expected = [...gauges, ...counters, ...timers];
        expect(inOrder(points.map(asExpected))).toEqual(inOrder(expected));
      }
    },
  );
});

const inOrder = (points: readonly ExpectedPoint[]) => {
  const textOf = ({ otlp, name, value }: ExpectedPoint) => `${otlp} ${name} ${value}`;
  return points.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
};
