/** Prometheus' own cases of model/textparse: what lines become, and what is refused with which text. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { openMetricsFloat } from "../../src/prometheus/number-text.ts";
import type { Entry, SeriesEntry } from "../../src/prometheus/parse/entry.ts";
import { OpenMetricsParser } from "../../src/prometheus/parse/openmetrics-parser.ts";
import type { ParsedFamily } from "../../src/prometheus/parse/parse.ts";
import { TextScrapeParser } from "../../src/prometheus/parse/text-scrape-parser.ts";
import { familiesOf } from "../support/parse-families.ts";

const folder = join(__dirname, "../testdata/promql/textparse");
const load = (name: string): unknown =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));

interface Exemplar {
  labels: Record<string, string>;
  value: number;
  timestamp_ms?: number;
}

interface Expected {
  help?: string;
  type?: string;
  unit?: string;
  comment?: string;
  series_text?: string;
  labels?: Record<string, string>;
  value?: number | "NaN";
  timestamp_ms?: number;
  start_timestamp_ms?: number;
  exemplars?: Exemplar[];
}

interface MainCase {
  input: string;
  expected: Expected[];
}

type Parser = TextScrapeParser | OpenMetricsParser;

function entriesOf(parser: Parser): Entry[] {
  const entries: Entry[] = [];
  for (let entry = parser.next(); entry !== undefined; entry = parser.next()) entries.push(entry);
  return entries;
}

/** The labels as Prometheus stores them: le of histograms and quantile of summaries in OpenMetrics' form. */
function labelsOf(entry: SeriesEntry, type: string | undefined): Record<string, string> {
  const labels: Record<string, string> = { __name__: entry.name };
  for (const { name, value } of entry.labels) {
    const isBound =
      (type === "histogram" && name === "le") || (type === "summary" && name === "quantile");
    labels[name] = isBound ? openMetricsFloat(Number(value.replace("Inf", "Infinity"))) : value;
  }
  return labels;
}

/** Entries in the form of the test data, without start times. */
function shown(entries: readonly Entry[], skipCreated: boolean): Expected[] {
  let type: string | undefined;
  const found: Expected[] = [];
  for (const entry of entries) {
    if (entry.kind === "comment") found.push({ comment: entry.text });
    else if (entry.kind === "help") found.push({ help: entry.text, series_text: entry.name });
    else if (entry.kind === "unit") found.push({ unit: entry.text, series_text: entry.name });
    else if (entry.kind === "type") {
      type = entry.type;
      found.push({ type, series_text: entry.name });
    } else if (!(skipCreated && isCreated(entry, type))) {
      found.push(shownSeries(entry, type));
    }
  }
  return found;
}

const isCreated = (entry: SeriesEntry, type: string | undefined) =>
  entry.name.endsWith("_created") && ["counter", "summary", "histogram"].includes(type ?? "");

function shownSeries(entry: SeriesEntry, type: string | undefined): Expected {
  const { value, timestampMs, exemplar } = entry;
  return {
    labels: labelsOf(entry, type),
    value: Number.isNaN(value) ? "NaN" : value,
    ...(timestampMs === undefined ? {} : { timestamp_ms: timestampMs }),
    ...(exemplar === undefined
      ? {}
      : {
          exemplars: [
            {
              labels: Object.fromEntries(exemplar.labels.map((l) => [l.name, l.value])),
              value: exemplar.value,
              ...(exemplar.timestampSeconds === undefined
                ? {}
                : { timestamp_ms: Math.trunc(exemplar.timestampSeconds * 1000) }),
            },
          ],
        }),
  };
}

/** What the case says of a line, as far as an entry tells it. Zero values are left out upstream. */
function expectedOf(line: Expected): Expected {
  const { series_text, ...rest } = line;
  delete rest.start_timestamp_ms;
  if (rest.labels !== undefined) return { ...rest, value: rest.value ?? 0 };
  if (rest.comment !== undefined) return rest;
  return { ...rest, series_text: series_text! };
}

describe.each([
  ["prom_main", (bytes: Buffer) => new TextScrapeParser(bytes), false],
  ["openmetrics_main", (bytes: Buffer) => new OpenMetricsParser(bytes), true],
] as const)("%s", (name, parserOf, skipCreated) => {
  const { input, expected } = load(name) as MainCase;
  const entries = shown(entriesOf(parserOf(Buffer.from(input))), skipCreated);
  const wanted = expected.map(expectedOf);

  test("gives as many entries", () => {
    expect(entries).toHaveLength(wanted.length);
  });

  test.each(wanted.map((entry, i) => [`${i} ${JSON.stringify(entry)}`, i] as const))(
    "%s",
    (_, i) => {
      expect(entries[i]).toEqual(wanted[i]);
    },
  );
});

describe("start times", () => {
  const { input, expected } = load("openmetrics_main") as MainCase;
  const families = familiesOf(Buffer.from(input), "openmetrics");
  const series = expected.filter(({ labels }) => labels !== undefined);

  test.each(series.map((entry, i) => [`${i} ${JSON.stringify(entry.labels)}`, entry] as const))(
    "%s",
    (_, { labels, start_timestamp_ms: start }) => {
      expect(startOf(families, labels!)).toBe(start);
    },
  );
});

/** The start time of the sample that this series is part of. */
function startOf(families: readonly ParsedFamily[], labels: Record<string, string>) {
  const { __name__: name, ...rest } = labels;
  const found = families.flatMap((family) => {
    const isComposite = ["histogram", "gaugehistogram", "summary"].includes(family.type);
    const names = isComposite
      ? ["", "_bucket", "_count", "_sum"].map((suffix) => family.name + suffix)
      : [family.name];
    if (!names.includes(name!)) return [];
    return family.samples.filter((sample) => {
      const own = Object.fromEntries(sample.labels.map((l) => [l.name, l.value]));
      const others = Object.entries(rest).filter(
        ([key]) => !isComposite || (key !== "le" && key !== "quantile"),
      );
      return textOf(Object.entries(own)) === textOf(others);
    });
  });
  expect(found.length).toBeGreaterThan(0);
  return found[0]!.startTimestampMs;
}

const textOf = (pairs: readonly (readonly [string, string])[]) =>
  pairs
    .map((pair) => JSON.stringify(pair))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join("");

interface ErrorCase {
  input: string;
  error: string;
}

/** The bytes of an input: JSON cannot say 0xff, it says U+FFFD. */
const bytesOf = (input: string) => {
  const parts = input.split("\u{fffd}").map((part) => Buffer.from(part));
  return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.of(0xff), part])));
};

const isAccepted = (error: string) => error === "" || error === "EOF";

describe.each([
  ["prom_errors", (bytes: Buffer) => new TextScrapeParser(bytes)],
  ["prom_nullbyte", (bytes: Buffer) => new TextScrapeParser(bytes)],
  ["openmetrics_errors", (bytes: Buffer) => new OpenMetricsParser(bytes)],
  ["openmetrics_nullbyte", (bytes: Buffer) => new OpenMetricsParser(bytes)],
] as const)("%s", (name, parserOf) => {
  const { cases } = load(name) as { cases: ErrorCase[] };
  test.each(cases.map((c) => [JSON.stringify(c.input), c] as const))("%s", (_, c) => {
    const parse = () => entriesOf(parserOf(bytesOf(c.input)));
    if (isAccepted(c.error)) expect(parse).not.toThrow();
    else expect(parse).toThrow(expect.objectContaining({ message: c.error }));
  });
});

describe("files of real size", () => {
  const read = (name: string) => readFileSync(join(folder, name));

  test("alltypes.237mfs.prom.txt: all families and lines", () => {
    const bytes = read("alltypes.237mfs.prom.txt");
    const lines = bytes.toString().split("\n");
    const series = entriesOf(new TextScrapeParser(bytes)).filter((e) => e.kind === "series");
    expect(series).toHaveLength(lines.filter((line) => !/^(#|$)/u.test(line)).length);
    for (const rules of ["text-scrape", "text-push"] as const) {
      expect(familiesOf(bytes, rules)).toHaveLength(237);
    }
    expect(familiesOf(bytes, "text-push")).toEqual(familiesOf(bytes, "text-scrape"));
  });

  test("alltypes.5mfs.om.txt: five families", () => {
    const families = familiesOf(read("alltypes.5mfs.om.txt"), "openmetrics");
    expect(families.map(({ name, type }) => `${name} ${type}`)).toEqual([
      "go_build_info gauge",
      "promhttp_metric_handler_errors_total counter",
      "rpc_durations_histogram_seconds histogram",
      "rpc_durations_seconds summary",
      "rpc_requests_total counter",
    ]);
    const [histogram] = families[2]!.samples;
    expect(histogram!.startTimestampMs).toBe(1726839813016);
    expect(histogram!.histogram!.buckets[7]).toEqual({
      le: -0.0002899999999999998,
      count: 3,
      exemplar: {
        labels: [{ name: "dummyID", value: "17783" }],
        value: -0.0003825067330956884,
        timestampSeconds: 1726839814.2239082,
      },
    });
  });

  test("1histogram.om.txt: a sample for each port", () => {
    const families = familiesOf(read("1histogram.om.txt"), "openmetrics");
    expect(families).toHaveLength(1);
    expect(families[0]!.samples).toHaveLength(3);
    for (const { histogram } of families[0]!.samples) {
      expect(histogram).toMatchObject({ count: 1, sum: 10 });
      expect(histogram!.buckets).toHaveLength(12);
    }
  });
});
