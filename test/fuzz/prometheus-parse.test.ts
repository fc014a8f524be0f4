/**
 * Anything for the exposition parsers: they give families or refuse with MALFORMED_DATA, in time that follows
 * the length of the input; what the strict rules for pushed text take, the rules for scraping take alike.
 *
 * Runs 2 seconds a property, a minute with NIGHTLY=1. A failure prints the seed and the input.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { TelemetryError } from "../../src/errors.ts";
import type { ExpositionFormat, ParsedFamily } from "../../src/prometheus/parse/parse.ts";
import { familiesOf } from "../support/parse-families.ts";

const isNightly = process.env["NIGHTLY"] === "1";
const budgetMs = isNightly ? 60_000 : 2000;
const options: fc.Parameters<unknown> = {
  numRuns: 1_000_000,
  interruptAfterTimeLimit: budgetMs,
  markInterruptAsFailure: false,
  seed: isNightly ? Date.now() % 1_000_000_000 : 11,
};
const timeoutMs = budgetMs * 3 + 10_000;

const folder = join(__dirname, "../testdata/promql");
const cases = (path: string, key: string) =>
  (
    JSON.parse(readFileSync(join(folder, path), "utf8")) as { cases: Record<string, string>[] }
  ).cases.map((c) => c[key]!);
const inputs = [
  ...cases("textparse/prom_errors.json", "input"),
  ...cases("textparse/openmetrics_errors.json", "input"),
  ...cases("textparse/openmetrics_nullbyte.json", "input"),
  ...cases("expfmt/text_parse.json", "in"),
  ...cases("expfmt/text_parse_errors.json", "in"),
  readFileSync(join(folder, "textparse/alltypes.5mfs.om.txt"), "utf8"),
  (
    JSON.parse(readFileSync(join(folder, "textparse/openmetrics_main.json"), "utf8")) as {
      input: string;
    }
  ).input,
];

const pieces = [
  ..."# HELP |# TYPE |# UNIT |# EOF\n|counter|histogram|summary|gauge|a|_total|_bucket|_count|_sum|_created".split(
    "|",
  ),
  ...'{ } = , " \\ \n \t 1 -1.5 1e9 NaN +Inf 0x1 _ le="1" quantile="0.5" \\n \\" : #'.split(" "),
  " ",
  "\u{0}",
  "é",
  "日本",
  '{"quoted.name"',
];

const grammar = fc
  .array(fc.constantFrom(...pieces), { maxLength: 40 })
  .map((list) => Buffer.from(list.join("")));

/** A known input with some bytes replaced, cut out or doubled. */
const mutation = fc
  .tuple(
    fc.constantFrom(...inputs),
    fc.array(fc.tuple(fc.nat(), fc.nat(8), fc.constantFrom(...pieces)), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([input, edits]) => {
    let bytes = Buffer.from(input);
    for (const [position, length, piece] of edits) {
      const at = position % (bytes.length + 1);
      const rest = bytes.subarray(Math.min(bytes.length, at + length));
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(piece), rest]);
    }
    return bytes;
  });

const anything = fc.oneof(
  grammar,
  mutation,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

/** The families, or undefined: refused as it should be. */
function parsed(bytes: Uint8Array, format: ExpositionFormat): ParsedFamily[] | undefined {
  const before = performance.now();
  try {
    return familiesOf(bytes, format);
  } catch (error) {
    expect(error).toBeInstanceOf(TelemetryError);
    expect(error).toMatchObject({ code: "MALFORMED_DATA", retryable: false });
    expect((error as Error).message.length).toBeLessThan(6000);
    return undefined;
  } finally {
    expect(performance.now() - before).toBeLessThan(5000);
  }
}

function expectSound(families: readonly ParsedFamily[]): void {
  const names = new Set<string>();
  for (const { name, samples } of families) {
    expect(names).not.toContain(name);
    names.add(name);
    expect(samples.length).toBeGreaterThan(0);
  }
}

test.each(["text-push", "text-scrape", "openmetrics"] as const)(
  "%s: families or MALFORMED_DATA",
  (format) => {
    const property = fc.property(anything, (bytes) => {
      const families = parsed(bytes, format);
      if (families !== undefined) expectSound(families);
    });
    expect(() => fc.assert(property, options)).not.toThrow();
  },
  timeoutMs,
);

test(
  "protobuf: families or MALFORMED_DATA",
  () => {
    const varint = fc.nat(255).map((byte) => Buffer.of(byte));
    const field = fc
      .tuple(
        fc.integer({ min: 1, max: 16 }),
        fc.constantFrom(0, 1, 2, 5),
        fc.uint8Array({ maxLength: 30 }),
      )
      .map(([number, type, body]) => {
        const head = Buffer.from(number > 15 ? [0x80 | type, 0x01] : [(number << 3) | type]);
        if (type === 2) return Buffer.concat([head, Buffer.of(body.length), body]);
        return Buffer.concat([
          head,
          Buffer.from(body).subarray(0, type === 0 ? 1 : type === 1 ? 8 : 4),
        ]);
      });
    const message = fc.array(fc.oneof(field, field, varint), { maxLength: 8 }).map((list) => {
      const body = Buffer.concat([Buffer.of(0x0a, 1, 0x61), ...list]);
      return Buffer.concat([Buffer.from([0x80 | (body.length & 127), body.length >> 7]), body]);
    });
    const property = fc.property(fc.oneof(message, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      parsed(bytes, "protobuf");
    });
    expect(() => fc.assert(property, options)).not.toThrow();
  },
  timeoutMs,
);

test(
  "what a push takes, a scrape takes alike",
  () => {
    const property = fc.property(anything, (bytes) => {
      // A scrape knows no gauge histograms, no times before 1970 and reads NUL in its own way.
      const text = bytes.toString("latin1");
      fc.pre(!/gauge_?histogram|\0|-1/iu.test(text));
      const pushed = parsed(bytes, "text-push");
      const scraped = pushed === undefined ? undefined : parsed(bytes, "text-scrape");
      // It does not take these either: types in capitals, blanks around them, a comment's keyword behind a bare #.
      if (pushed === undefined || scraped === undefined) return;
      expect(scraped.map(({ name }) => name)).toEqual(pushed.map(({ name }) => name));
    });
    expect(() => fc.assert(property, options)).not.toThrow();
  },
  timeoutMs,
);

test("hostile bodies take time in proportion to their length", () => {
  const megabyte = 1_000_000;
  const hostile = [
    "a".repeat(megabyte),
    "{".repeat(megabyte),
    `a{b="${"\\".repeat(megabyte)}`,
    `a{${'b="c",'.repeat(megabyte / 6)}`,
    "#".repeat(megabyte),
    "\n".repeat(megabyte),
    `# HELP a ${"\\n".repeat(megabyte / 2)}\n`,
    `a ${"1".repeat(megabyte)}\n`,
    'a{b="c"} 1\n'.repeat(megabyte / 11),
    "# TYPE a histogram\n".concat('a_bucket{le="1"} 1\n'.repeat(megabyte / 19)),
  ];
  const taken = hostile.flatMap((text) =>
    (["text-push", "text-scrape", "openmetrics"] as const).map(
      (format) => parsed(Buffer.from(text), format) !== undefined,
    ),
  );
  // The empty lines and the two plain bodies, by both rules of text; the others are too long a line.
  expect(taken.filter((isTaken) => isTaken)).toHaveLength(6);
});
