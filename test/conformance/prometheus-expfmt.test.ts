import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { Exemplar, Family, FamilyType, Sample } from "../../src/prometheus/family.ts";
import type { Label } from "../../src/prometheus/labels.ts";
import {
  contentTypeOf,
  defaultFormat,
  type Format,
  negotiate,
} from "../../src/prometheus/negotiate.ts";
import { renderFamilies } from "../../src/prometheus/text-writer.ts";
import { familiesOf } from "../support/parse-families.ts";

type NumberText = number | string;
type Pairs = [string, string][];

interface FamilyCase {
  family: {
    name: string;
    type: FamilyType | "untyped";
    help?: string;
    unit?: string;
    metrics: {
      labels?: Pairs;
      value?: NumberText;
      timestamp_ms?: number;
      created?: number;
      histogram?: {
        buckets: {
          le: NumberText;
          cumulative: number;
          exemplar?: { labels: Pairs; value: number; timestamp?: number };
        }[];
        count?: number;
        count_float?: number;
        sum: number;
      };
      summary?: { count: number; sum: number; quantiles: [number, number][] };
    }[];
  };
  out: string;
  options?: string[];
}

const number = (value: NumberText | undefined): number => {
  if (value === "+Inf" || value === "-Inf") return value === "+Inf" ? Infinity : -Infinity;
  return Number(value);
};
const labels = (pairs: Pairs | undefined): Label[] =>
  (pairs ?? []).map(([name, value]) => ({ name, value }));

function exemplarOf(
  exemplar: { labels: Pairs; value: number; timestamp?: number } | undefined,
): Exemplar | undefined {
  if (exemplar === undefined) return undefined;
  return {
    labels: labels(exemplar.labels),
    value: exemplar.value,
    timestampSeconds: exemplar.timestamp,
  };
}

function sampleOf(metric: FamilyCase["family"]["metrics"][number]): Sample {
  const base = { labels: labels(metric.labels), timestampMs: metric.timestamp_ms };
  if (metric.histogram !== undefined) {
    const { buckets, count, count_float: floatCount, sum } = metric.histogram;
    return {
      ...base,
      histogram: {
        buckets: buckets.map(({ le, cumulative, exemplar }) => ({
          le: number(le),
          count: cumulative,
          exemplar: exemplarOf(exemplar),
        })),
        count: floatCount ?? count ?? 0,
        sum,
      },
    };
  }
  if (metric.summary === undefined) return { ...base, value: number(metric.value) };
  const { count, sum, quantiles } = metric.summary;
  const pairs = quantiles.map(([quantile, value]) => ({ quantile, value }));
  return { ...base, summary: { count, sum, quantiles: pairs } };
}

function familyOf({ family, out }: FamilyCase): Family {
  const type = family.type === "untyped" ? "unknown" : family.type;
  return {
    ...family,
    // The test data writes histogram for upstream's GAUGE_HISTOGRAM too.
    type: out.includes("gaugehistogram") ? "gaugehistogram" : type,
    samples: family.metrics.map(sampleOf),
  };
}

const load = <T>(name: string) =>
  (
    JSON.parse(
      readFileSync(join(__dirname, "../testdata/promql/expfmt", `${name}.json`), "utf8"),
    ) as { cases: T[] }
  ).cases;

describe("expfmt", () => {
  const text: Format = { ...defaultFormat, escaping: "allow-utf-8" };
  test.each(load<FamilyCase>("text_create"))("text: $family.name, $family.type", (c) => {
    expect(renderFamilies([familyOf(c)], text)).toBe(c.out);
  });

  const openMetrics: Format = { kind: "openmetrics", version: "1.0.0", escaping: "allow-utf-8" };
  // _created lines are not written: see known-failures.md.
  const withoutCreated = (out: string) => out.replaceAll(/^\w+_created.*\n/gmu, "");
  test.each(load<FamilyCase>("openmetrics_create"))("OpenMetrics: $family.name $out", (c) => {
    expect(renderFamilies([familyOf(c)], openMetrics)).toBe(`${withoutCreated(c.out)}# EOF\n`);
  });

  interface AcceptCase {
    name: string;
    accept: string;
    content_type: string;
  }
  const accept = load<AcceptCase>("negotiate_openmetrics");
  const protobuf = (c: AcceptCase) => c.content_type.includes("protobuf");
  test.each(accept.filter((c) => !protobuf(c)))("Accept: $name", (c) => {
    const format = negotiate(c.accept, { openMetrics: true, defaultEscaping: "values" });
    expect(contentTypeOf(format)).toBe(c.content_type);
  });
  test("the four protobuf formats are not offered: text is served", () => {
    expect(accept.filter(protobuf)).toHaveLength(4);
    for (const c of accept.filter(protobuf)) {
      expect(negotiate(c.accept, { openMetrics: true }).kind).toBe("text");
    }
  });

  interface ParseCase {
    in: string;
    families: FamilyCase["family"][];
  }
  const parsed = load<ParseCase>("text_parse").map((c) => [JSON.stringify(c.in), c] as const);
  test.each(parsed)("parses %s", (_, c) => {
    const families = familiesOf(Buffer.from(c.in), "text-push");
    const out = c.in.replace("gauge_histogram", "gaugehistogram");
    const wanted = c.families.map((family) => familyOf({ family, out }));
    expect(byName(families)).toEqual(byName(wanted));
  });

  interface ErrorCase {
    in: string;
    error_prefix_utf8?: string;
  }
  const errors = load<ErrorCase>("text_parse_errors");
  const utf8 = errors.filter((c) => c.error_prefix_utf8 !== undefined);
  test.each(utf8.map((c) => [JSON.stringify(c.in), c] as const))("refuses %s", (_, c) => {
    const message = messageOf(() => familiesOf(bytesOf(c.in), "text-push"));
    expect(message.slice(0, c.error_prefix_utf8!.length)).toBe(c.error_prefix_utf8);
  });

  test("names are UTF-8: what only the legacy scheme refuses is taken", () => {
    const legacy = errors.filter((c) => c.error_prefix_utf8 === undefined);
    expect(legacy).toHaveLength(2);
    for (const c of legacy) expect(familiesOf(bytesOf(c.in), "text-push")).toHaveLength(1);
  });
});

/** JSON cannot say the byte 0xbd, it says U+FFFD; the case's message tells. */
const bytesOf = (input: string) => Buffer.from(input.replaceAll("\u{fffd}", "\u{bd}"), "latin1");

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

const finiteText = (_: string, value: unknown) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/** Families as plain values; upstream gives them in no order. */
const byName = (families: readonly Family[]): unknown =>
  JSON.parse(
    JSON.stringify(
      families
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, type, help, samples }) => ({ name, type, help, samples })),
      finiteText,
    ),
  );
