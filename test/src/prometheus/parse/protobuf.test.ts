import { describe, expect, test } from "@jest/globals";
import protobuf from "protobufjs";
import { TelemetryError } from "../../../../src/errors.ts";
import {
  type NativeHistogram,
  type ParsedFamily,
  stepsOf,
} from "../../../../src/prometheus/parse/parse.ts";
import { lengthDelimited, tag, varint } from "../../../support/otlp-random.ts";
import { familiesOf } from "../../../support/parse-families.ts";

/** io/prometheus/client/metrics.proto, as far as it is read. */
const proto = `
syntax = "proto3";
message LabelPair { string name = 1; string value = 2; }
enum MetricType { COUNTER = 0; GAUGE = 1; SUMMARY = 2; UNTYPED = 3; HISTOGRAM = 4; GAUGE_HISTOGRAM = 5; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Gauge { double value = 1; }
message Counter { double value = 1; Exemplar exemplar = 2; Timestamp start_timestamp = 3; }
message Quantile { double quantile = 1; double value = 2; }
message Summary { uint64 sample_count = 1; double sample_sum = 2; repeated Quantile quantile = 3; Timestamp start_timestamp = 4; }
message Untyped { double value = 1; }
message Histogram {
  uint64 sample_count = 1; double sample_count_float = 4; double sample_sum = 2; repeated Bucket bucket = 3;
  Timestamp start_timestamp = 15; sint32 schema = 5; double zero_threshold = 6; uint64 zero_count = 7;
  double zero_count_float = 8; repeated BucketSpan negative_span = 9; repeated sint64 negative_delta = 10;
  repeated double negative_count = 11; repeated BucketSpan positive_span = 12; repeated sint64 positive_delta = 13;
  repeated double positive_count = 14; repeated Exemplar exemplars = 16;
}
message Bucket { uint64 cumulative_count = 1; double cumulative_count_float = 4; double upper_bound = 2; Exemplar exemplar = 3; }
message BucketSpan { sint32 offset = 1; uint32 length = 2; }
message Exemplar { repeated LabelPair label = 1; double value = 2; Timestamp timestamp = 3; }
message Metric {
  repeated LabelPair label = 1; Gauge gauge = 2; Counter counter = 3; Summary summary = 4; Untyped untyped = 5;
  Histogram histogram = 7; int64 timestamp_ms = 6;
}
message MetricFamily { string name = 1; string help = 2; MetricType type = 3; repeated Metric metric = 4; string unit = 5; }
`;
const familyType = protobuf.parse(proto, { keepCase: true }).root.lookupType("MetricFamily");

/** Families as a client writes them. */
function encode(...families: object[]): Uint8Array {
  const parts = families.map((family) => {
    const message = familyType.fromObject(family);
    return familyType.encodeDelimited(message).finish();
  });
  return Buffer.concat(parts);
}

const parse = (...families: object[]): ParsedFamily[] =>
  familiesOf(encode(...families), "protobuf");

const label = [{ name: "a", value: "b" }];
const labels = [{ name: "a", value: "b" }];

describe("types", () => {
  test("counter, gauge, untyped", () => {
    const exemplar = {
      label: [{ name: "trace_id", value: "7" }],
      value: 2,
      timestamp: { seconds: 5, nanos: 250_000_000 },
    };
    const start = { seconds: 1_700_000_000, nanos: 123_000_000 };
    expect(
      parse(
        {
          name: "c_total",
          help: "Help.",
          unit: "seconds",
          type: "COUNTER",
          metric: [
            { label, counter: { value: 3, exemplar, start_timestamp: start }, timestamp_ms: 1234 },
          ],
        },
        { name: "g", type: "GAUGE", metric: [{ gauge: { value: -1.5 } }] },
        { name: "u", type: "UNTYPED", metric: [{ untyped: { value: "NaN" } }] },
      ),
    ).toEqual([
      {
        name: "c_total",
        help: "Help.",
        unit: "seconds",
        type: "counter",
        samples: [
          {
            labels,
            value: 3,
            timestampMs: 1234,
            startTimestampMs: 1_700_000_000_123,
            exemplar: {
              labels: [{ name: "trace_id", value: "7" }],
              value: 2,
              timestampSeconds: 5.25,
            },
          },
        ],
      },
      { name: "g", type: "gauge", samples: [{ labels: [], value: -1.5 }] },
      { name: "u", type: "unknown", samples: [{ labels: [], value: NaN }] },
    ]);
  });

  test("summary", () => {
    const summary = {
      sample_count: 4,
      sample_sum: 10,
      quantile: [{ quantile: 0.5, value: 2 }],
      start_timestamp: { seconds: 9 },
    };
    expect(parse({ name: "s", type: "SUMMARY", metric: [{ label, summary }] })[0]!.samples).toEqual(
      [
        {
          labels,
          summary: { count: 4, sum: 10, quantiles: [{ quantile: 0.5, value: 2 }] },
          startTimestampMs: 9000,
        },
      ],
    );
  });

  test("a classic histogram, whole or with fractions", () => {
    const whole = {
      sample_count: 3,
      sample_sum: 4.5,
      bucket: [
        { cumulative_count: 1, upper_bound: 1, exemplar: { label, value: 0.5 } },
        { cumulative_count: 3, upper_bound: "Infinity" },
      ],
    };
    const fractions = {
      sample_count: 9,
      sample_count_float: 2.5,
      bucket: [{ cumulative_count: 9, cumulative_count_float: 1.5, upper_bound: 1 }],
    };
    const samples = parse({
      name: "h",
      type: "HISTOGRAM",
      metric: [{ histogram: whole }, { histogram: fractions }],
    })[0]!.samples;
    expect(samples[0]!.histogram).toEqual({
      count: 3,
      sum: 4.5,
      buckets: [
        { le: 1, count: 1, exemplar: { labels, value: 0.5 } },
        { le: Infinity, count: 3 },
      ],
    });
    expect(samples[1]!.histogram).toMatchObject({ count: 2.5, buckets: [{ le: 1, count: 1.5 }] });
  });
});

describe("native histograms", () => {
  const nativeOf = (histogram: object): NativeHistogram | undefined =>
    parse({ name: "n", type: "HISTOGRAM", metric: [{ histogram }] })[0]!.samples[0]!.histogram!
      .native;

  test("differences become counts, spans their first index", () => {
    expect(
      nativeOf({
        sample_count: 12,
        schema: -1,
        zero_threshold: 0.001,
        zero_count: 2,
        positive_span: [
          { offset: -2, length: 2 },
          { offset: 3, length: 1 },
        ],
        positive_delta: [1, 2, -1],
        negative_span: [{ offset: 4, length: 1 }],
        negative_delta: [4],
        exemplars: [{ label, value: 1, timestamp: { seconds: 3 } }],
      }),
    ).toEqual({
      schema: -1,
      zeroThreshold: 0.001,
      zeroCount: 2,
      positive: [
        { firstIndex: -2, counts: [1, 3] },
        { firstIndex: 3, counts: [2] },
      ],
      negative: [{ firstIndex: 4, counts: [4] }],
      exemplars: [{ labels, value: 1, timestampSeconds: 3 }],
    });
  });

  test("counts of a float histogram stand as they are", () => {
    expect(
      nativeOf({
        sample_count_float: 3.5,
        schema: 3,
        zero_count_float: 0.5,
        positive_span: [{ offset: 0, length: 2 }],
        positive_count: [1.5, 1.5],
      }),
    ).toMatchObject({
      schema: 3,
      zeroCount: 0.5,
      positive: [{ firstIndex: 0, counts: [1.5, 1.5] }],
    });
  });

  test("an empty span marks one without observations; without any it is a classic one", () => {
    expect(nativeOf({ positive_span: [{ offset: 0, length: 0 }] })).toMatchObject({ positive: [] });
    expect(nativeOf({ sample_count: 0 })).toBeUndefined();
  });

  test.each([
    ["more buckets than counts", { positive_span: [{ length: 3 }], positive_delta: [1] }],
    ["too many buckets", { positive_span: [{ length: 4_000_000_000 }] }],
    [
      "too many buckets",
      { negative_span: [{ length: 60_000 }, { length: 60_000 }], negative_delta: [1] },
    ],
  ])("refuses %s", (message, histogram) => {
    expect(() => nativeOf(histogram)).toThrow(message);
  });
});

describe("what is refused", () => {
  const family = (body: Buffer) => {
    const bytes = Buffer.concat([varint(BigInt(body.length)), body]);
    return () => familiesOf(bytes, "protobuf");
  };
  const name = lengthDelimited(1, Buffer.from("m"));
  const withHistogram = (fields: object) => ({
    name: "m",
    type: "HISTOGRAM",
    metric: [{ histogram: fields }],
  });
  const histogram = (fields: object) => parse(withHistogram(fields));
  const limitedTo9 = (fields: object) => () =>
    familiesOf(encode(withHistogram(fields)), "protobuf", {
      maxLabels: 2,
      maxLineBytes: 100,
      maxSamples: 9,
    });

  test.each([
    [
      "a length beyond the end",
      () => familiesOf(Buffer.of(200, 1, 10), "protobuf"),
      "unexpected EOF",
    ],
    ["an endless varint", () => familiesOf(Buffer.alloc(12, 0xff), "protobuf"), "integer overflow"],
    [
      "a nested length beyond its message",
      family(Buffer.concat([name, tag(4, 2), varint(99n)])),
      "unexpected EOF",
    ],
    ["field number 0", family(Buffer.of(2, 0)), "invalid field number"],
    ["a group", family(Buffer.concat([name, tag(9, 3)])), "wire type 3"],
    ["another wire type", family(Buffer.concat([tag(1, 0), varint(1n)])), "wire type 0, not 2"],
    ["a name that is no UTF-8", family(lengthDelimited(1, Buffer.of(0xff))), "invalid UTF-8"],
    ["no name", family(lengthDelimited(2, Buffer.from("h"))), "without a name"],
    [
      "an unknown type",
      family(Buffer.concat([name, tag(3, 0), varint(17n)])),
      "unknown metric type 17",
    ],
    [
      "a value of another type",
      () => parse({ name: "m", type: "GAUGE", metric: [{ counter: { value: 1 } }] }),
      'metric "m" has no gauge value',
    ],
    [
      "more labels than allowed",
      () =>
        familiesOf(
          encode({ name: "m", metric: [{ label: [...label, ...label, ...label], counter: {} }] }),
          "protobuf",
          { maxLabels: 2, maxLineBytes: 100, maxSamples: 9 },
        ),
      "too many labels",
    ],
    [
      "more samples than allowed",
      () =>
        familiesOf(
          encode({
            name: "m",
            type: "HISTOGRAM",
            metric: [{ histogram: { bucket: Array.from({ length: 9 }, () => ({})) } }],
          }),
          "protobuf",
          { maxLabels: 2, maxLineBytes: 100, maxSamples: 9 },
        ),
      "more than 9 samples",
    ],
    [
      "more native buckets than what as many samples weigh",
      limitedTo9({ positive_delta: Array.from({ length: 72 }, () => 1) }),
      "more than 9 samples",
    ],
    [
      "more exemplars than samples are allowed",
      limitedTo9({ exemplars: Array.from({ length: 9 }, () => ({ value: 1 })) }),
      "more than 9 samples",
    ],
    [
      "a native histogram of too many deltas",
      () => histogram({ positive_delta: Array.from({ length: 65_537 }, () => 1) }),
      "more than 65536 repeated numbers",
    ],
    [
      "a native histogram of too many counts",
      () => histogram({ negative_count: Array.from({ length: 65_537 }, () => 1) }),
      "more than 65536 repeated numbers",
    ],
    [
      "a histogram of too many buckets",
      () => histogram({ bucket: Array.from({ length: 65_537 }, () => ({})) }),
      "too many buckets",
    ],
    [
      "a label without a name",
      () => parse({ name: "m", metric: [{ label: [{ value: "x" }], counter: {} }] }),
      'invalid label name ""',
    ],
  ])("%s", (_, act, message) => {
    let error: unknown;
    try {
      act();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TelemetryError);
    expect(error).toMatchObject({ code: "MALFORMED_DATA", retryable: false });
    expect((error as Error).message).toContain(message);
  });
});

test("a large sample is a step of its own", () => {
  const histogram = { positive_delta: Array.from({ length: 512 }, () => -1) };
  const metric = Array.from({ length: 5 }, () => ({ histogram }));
  const steps = [...stepsOf(encode({ name: "m", type: "HISTOGRAM", metric }), "protobuf")];
  expect(steps.length).toBeGreaterThanOrEqual(5);
});

test("unknown fields are passed over, families without samples left out", () => {
  const known = familyType.encode(
    familyType.fromObject({ name: "g", type: "GAUGE", metric: [{ gauge: { value: 1 } }] }),
  );
  const body = Buffer.concat([lengthDelimited(99, Buffer.from("x")), known.finish()]);
  const bytes = Buffer.concat([
    encode({ name: "empty", type: "GAUGE" }),
    varint(BigInt(body.length)),
    body,
  ]);
  expect(familiesOf(bytes, "protobuf").map((f) => f.name)).toEqual(["g"]);
});
