import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { TelemetryError } from "../../../../src/errors.ts";
import type { Family } from "../../../../src/prometheus/family.ts";
import type { Format } from "../../../../src/prometheus/negotiate.ts";
import {
  type ExpositionFormat,
  formatOf,
  parseFamilies,
} from "../../../../src/prometheus/parse/parse.ts";
import { TextCache } from "../../../../src/prometheus/parse/text-cache.ts";
import { renderFamilies } from "../../../../src/prometheus/text-writer.ts";
import { familiesOf } from "../../../support/parse-families.ts";

const parse = (text: string, format: ExpositionFormat) => familiesOf(Buffer.from(text), format);

test.each([
  ["text/plain; version=0.0.4; charset=utf-8", "text-push"],
  ["Text/Plain", "text-push"],
  ["application/openmetrics-text; version=1.0.0", "openmetrics"],
  [
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    "protobuf",
  ],
  [
    'application/vnd.google.protobuf;encoding="delimited";proto="io.prometheus.client.MetricFamily"',
    "protobuf",
  ],
  [
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text",
    undefined,
  ],
  ["application/json", undefined],
  [undefined, undefined],
])("Content-Type %s is %s", (contentType, format) => {
  expect(formatOf(contentType, "push")).toBe(format);
});

test("the caller chooses the rules of the text format", () => {
  expect(formatOf("text/plain", "scrape")).toBe("text-scrape");
  // Prometheus scrapes what the Pushgateway refuses.
  for (const text of ['a{b="c" d="e"} 1\n', 'a{b="\\x"} 1\n', "a 1"]) {
    expect(parse(text, "text-scrape")).toHaveLength(1);
    expect(() => parse(text, "text-push")).toThrow("text format parsing error in line 1");
  }
});

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const value = fc.oneof(finite, fc.constantFrom(0, 1, -0, NaN, Infinity, -Infinity, 123456789012));
const count = fc.nat(1_000_000);
const nameText = fc.oneof(
  fc.stringMatching(/^[a-z_:][a-z0-9_:]{0,12}$/u),
  fc.constantFrom("with.dots", 'quo"te', "back\\slash", "größe", "new\nline", "{}"),
);
const labelName = nameText.filter((name) => !/^(le|quantile|__name__)$/u.test(name));
const labels = fc
  .uniqueArray(fc.record({ name: labelName, value: fc.string({ unit: "grapheme" }) }), {
    maxLength: 3,
    selector: ({ name }) => name,
  })
  .filter((list) => list.every((label) => label.value.isWellFormed()));
const time = fc.option(fc.nat(4_000_000_000_000), { nil: undefined });
const bounds = fc
  .uniqueArray(finite, { maxLength: 4 })
  .map((list) => list.toSorted((a, b) => a - b));

const samples = {
  value: fc.record({ labels, timestampMs: time, value }),
  histogram: fc.record({
    labels,
    timestampMs: time,
    histogram: fc.record({
      buckets: bounds.map((list) => list.map((le, i) => ({ le, count: i }))),
      count,
      sum: finite,
    }),
  }),
  summary: fc.record({
    labels,
    timestampMs: time,
    summary: fc.record({
      quantiles: bounds.map((list) => list.map((quantile) => ({ quantile, value: 1.5 }))),
      count,
      sum: finite,
    }),
  }),
};
const anyFamily = fc.oneof(
  ...(["gauge", "unknown", "counter"] as const).map((type) =>
    fc.record({
      type: fc.constant(type),
      samples: fc.array(samples.value, { minLength: 1, maxLength: 3 }),
    }),
  ),
  fc.record({
    type: fc.constant("histogram" as const),
    samples: fc.array(samples.histogram, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("summary" as const),
    samples: fc.array(samples.summary, { minLength: 1, maxLength: 3 }),
  }),
);
/** Names of families end so that none is a part of another; labels of a family's samples differ. */
const families = fc
  .array(fc.tuple(nameText, anyFamily, fc.string({ unit: "grapheme" })), { maxLength: 4 })
  .map((list) =>
    list.map(
      ([name, body, help], i): Family => ({
        ...body,
        name: `${name}${i}x${body.type === "counter" ? "_total" : ""}`,
        help,
        samples: body.samples.map((sample, n) => ({
          ...sample,
          labels: [...sample.labels, { name: "n", value: String(n) }].filter(
            (label, at, all) => all.findIndex((other) => other.name === label.name) === at,
          ),
        })) as Family["samples"],
      }),
    ),
  );

/** As both sides write it: +Inf is a bucket, empty help is none, -0 is 0. */
const comparable = (list: readonly Family[]): unknown =>
  JSON.parse(
    JSON.stringify(list, (key, one: unknown) => {
      if (key === "help" && one === "") return undefined;
      if (key === "buckets") return (one as { le: number }[]).filter(({ le }) => le !== Infinity);
      return typeof one === "number" && !Number.isFinite(one) ? String(one) : one;
    }),
  );

describe("what the writer writes is read back", () => {
  const formats: [ExpositionFormat, Format][] = [
    ["text-push", { kind: "text", version: "0.0.4", escaping: "allow-utf-8" }],
    ["text-scrape", { kind: "text", version: "0.0.4", escaping: "allow-utf-8" }],
    ["openmetrics", { kind: "openmetrics", version: "1.0.0", escaping: "allow-utf-8" }],
  ];
  test.each(formats)("%s", (format, written) => {
    const property = fc.property(families, (list) => {
      const text = renderFamilies(list, written);
      expect(comparable(parse(text, format))).toEqual(comparable(list));
    });
    fc.assert(property, { numRuns: 200, seed: 3 });
  });
});

describe("OpenMetrics", () => {
  const om = (text: string) => parse(`${text}# EOF\n`, "openmetrics");

  test("a family is named as its samples", () => {
    const found = om(
      `# TYPE a counter\n# UNIT b_seconds seconds\n# TYPE b_seconds gauge\n# TYPE i info\n` +
        `a_total 1\na_created 5\nb_seconds 2\ni_info{v="1"} 1\n`,
    );
    expect(found.map(({ name, type, unit }) => [name, type, unit])).toEqual([
      ["a_total", "counter", undefined],
      ["b_seconds", "gauge", "seconds"],
      ["i_info", "info", undefined],
    ]);
    expect(found[0]!.samples).toEqual([
      expect.objectContaining({ value: 1, startTimestampMs: 5000 }),
    ]);
  });

  test("gauge histograms have gcount and gsum", () => {
    const [family] = om(`# TYPE g gaugehistogram\ng_bucket{le="+Inf"} 3\ng_gcount 3\ng_gsum -2\n`);
    expect(family!.samples[0]!.histogram).toMatchObject({ count: 3, sum: -2 });
  });

  test("times are cut to milliseconds, not to one less; absurd ones are refused", () => {
    const timeOf = (text: string) => om(`a 1 ${text}\n`)[0]!.samples[0]!.timestampMs;
    expect(timeOf("2152923161.798")).toBe(2152923161798);
    expect(timeOf("1.2349")).toBe(1234);
    expect(timeOf("-1.2349")).toBe(-1234);
    expect(() => timeOf("1e300")).toThrow("invalid timestamp 1e+300");
    expect(() => timeOf("+Inf")).toThrow("invalid timestamp +Inf");
  });

  test("a start time without a value is no sample", () => {
    expect(om("# TYPE a counter\na_created 5\n")).toEqual([]);
  });

  test("an exemplar stands at its bucket, its time in seconds", () => {
    const [family] = om(
      `# TYPE h histogram\nh_bucket{le="1"} 1 # {trace_id="7"} 0.5 1.25\nh_bucket{le="+Inf"} 1\n`,
    );
    expect(family!.samples[0]!.histogram!.buckets[0]!.exemplar).toEqual({
      labels: [{ name: "trace_id", value: "7" }],
      value: 0.5,
      timestampSeconds: 1.25,
    });
  });
});

describe("bounds", () => {
  const limits = { maxLineBytes: 100, maxLabels: 3, maxSamples: 100 };
  const formats = ["text-push", "text-scrape", "openmetrics"] as const;

  test.each(formats)("%s: length of a line", (format) => {
    const text = `a{b="${"x".repeat(200)}"} 1\n# EOF\n`;
    expect(() => familiesOf(Buffer.from(text), format, limits)).toThrow("line is longer than 100");
  });

  test.each(formats)("%s: many lines within the bound", (format) => {
    const text = `${'a{b="c"} 1\n'.repeat(100)}# EOF\n`;
    expect(familiesOf(Buffer.from(text), format, limits)[0]!.samples).toHaveLength(100);
  });

  test.each(formats)("%s: number of samples", (format) => {
    const text = `# TYPE a histogram\n${'a_bucket{le="1"} 1\n'.repeat(101)}# EOF\n`;
    expect(() => familiesOf(Buffer.from(text), format, limits)).toThrow("more than 100 samples");
  });

  test.each(formats)("%s: names that have no samples", (format) => {
    const names = Array.from({ length: 101 }, (_, i) => `# TYPE a${i} gauge\n`);
    const text = `${names.join("")}# EOF\n`;
    expect(() => familiesOf(Buffer.from(text), format, limits)).toThrow("more than 100 samples");
  });

  test("a quoted text over many lines", () => {
    const text = `a{b="${"x\n".repeat(200)}"} 1\n`;
    expect(() => familiesOf(Buffer.from(text), "text-scrape", limits)).toThrow(
      "expected label value",
    );
  });

  test.each(formats)("%s: labels of a sample", (format) => {
    const text = `a{b="",c="",d="",e=""} 1\n# EOF\n`;
    expect(() => familiesOf(Buffer.from(text), format, limits)).toThrow("too many labels");
  });
});

test("a large body is parsed in slices, and an error rejects", async () => {
  const body = Buffer.from('metric{label="value"} 1\n'.repeat(100_000));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 0);
  const [family] = await parseFamilies(body, "text-push");
  clearInterval(timer);
  expect(family!.samples).toHaveLength(100_000);
  expect(ticks).toBeGreaterThan(2);
  await expect(parseFamilies(Buffer.from("a"), "openmetrics")).rejects.toBeInstanceOf(
    TelemetryError,
  );
});

test("texts from the cache are the texts of their bytes", () => {
  const property = fc.property(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.tuple(fc.nat(300), fc.nat(120)), { maxLength: 50 }),
    (bytes, ranges) => {
      const cache = new TextCache(bytes);
      for (const [from, length] of [...ranges, ...ranges]) {
        const start = Math.min(from, bytes.length);
        const end = Math.min(start + length, bytes.length);
        expect(cache.text(start, end)).toBe(Buffer.from(bytes.subarray(start, end)).toString());
      }
    },
  );
  fc.assert(property, { numRuns: 200, seed: 5 });
});
