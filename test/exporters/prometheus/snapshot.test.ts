/** A page shows one moment, whatever is booked, begins or ends between its slices. */
import { describe, expect, test } from "@jest/globals";
import { Accumulator } from "../../../exporters/prometheus/accumulator.ts";
import { config, strategyOf } from "../../../exporters/prometheus/config.ts";
import { Labeller } from "../../../exporters/prometheus/labels-of.ts";
import type { ExporterMemos } from "../../../exporters/prometheus/memos.ts";
import { Registry } from "../../../exporters/prometheus/registry.ts";
import { Scraper } from "../../../exporters/prometheus/scrape.ts";
import { SeriesInterner } from "../../../src/pdata/series/interner.ts";
import { namingOf } from "../../../src/prometheus/names.ts";
import { defaultFormat, type Format } from "../../../src/prometheus/negotiate.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";
import { at, distribution, gauge, largeMetric, payloadOf, request, sum, value } from "./support.ts";

/** Series of a family; a slice has 32 of them. */
const many = Array.from({ length: 100 }, (_, k) => k);
const openMetrics: Format = { kind: "openmetrics", version: "1.0.0", escaping: "underscores" };
const never = new AbortController().signal;

/** The parts of an exporter, with a clock whose every look ends a slice of a page. */
class Parts {
  readonly #clock = new FakeClock();
  readonly settings = testSettings({ clock: this.#clock });
  readonly registry: Registry;
  readonly scraper: Scraper;
  readonly #accumulator: Accumulator;
  /** Called after the first slice of a page. */
  meanwhile: () => void = () => undefined;
  slices = 0;

  constructor() {
    const parsed = config.parse({ endpoint: "127.0.0.1:0", metric_expiration: "1m" });
    const naming = namingOf(strategyOf(parsed), "");
    const labeller = new Labeller(parsed, naming);
    this.registry = new Registry(this.settings, labeller, naming, parsed.metric_expiration);
    const interner = new SeriesInterner<ExporterMemos>(1_000_000);
    const shows = { exemplars: true, timestamps: false };
    this.#accumulator = new Accumulator(this.registry, interner, shows);
    const stepping = new FakeClock();
    stepping.monotonicMs = () => this.#look();
    this.scraper = new Scraper(this.registry, stepping, false);
  }

  #look(): number {
    this.slices++;
    if (this.slices === 2) this.meanwhile();
    return 1000 * this.slices;
  }

  /** Returns what books the metrics, at once. */
  async booking(...metrics: readonly object[]): Promise<() => void> {
    const payload = await payloadOf(request(metrics));
    return () => this.#accumulator.book(payload);
  }

  async book(...metrics: readonly object[]): Promise<void> {
    (await this.booking(...metrics))();
  }

  advance = (ms: number) => void (this.#clock.monotonicMs = later(this.#clock.monotonicMs(), ms));

  async page(format = defaultFormat, abort = never): Promise<string> {
    const chunks: Buffer[] = [];
    this.slices = 0;
    await this.scraper.write(format, (chunk) => chunks.push(chunk), abort);
    return Buffer.concat(chunks).toString();
  }
}

const later = (nowMs: number, ms: number) => () => nowMs + ms;
const ks = (make: (k: number) => object) => many.map((k) => make(k));
const withK = (k: number) => ({ attributes: [{ key: "k", value: { intValue: k } }] });
const manyGauges = (n = 1) =>
  gauge(
    "m",
    ks((k) => value(n, { k })),
  );

/** All kinds; `n` makes the values differ. */
const allKinds = (n: number) => [
  gauge(
    "gauge",
    ks((k) => value(n, { k })),
  ),
  sum(
    "delta",
    ks((k) => value(1, { k })),
    { aggregationTemporality: 1 },
  ),
  sum(
    "traced",
    ks((k) => ({ ...value(n, { k }), exemplars: [{ asDouble: n, spanId: "b7ad6b7169203331" }] })),
  ),
  distribution(
    "histogram",
    "histogram",
    ks((k) => ({ count: 3, sum: n, bucketCounts: [n, 2], explicitBounds: [1], ...withK(k) })),
    { aggregationTemporality: 1 },
  ),
  distribution(
    "exponentialHistogram",
    "exponential",
    ks((k) => ({
      scale: 3 - n,
      count: 1,
      positive: { offset: n * 40, bucketCounts: [1] },
      zeroCount: n - 1,
      ...withK(k),
    })),
    { aggregationTemporality: 1 },
  ),
  distribution(
    "summary",
    "summary",
    ks((k) => ({ count: n, sum: n, quantileValues: [{ quantile: 0.5, value: n }], ...withK(k) })),
  ),
];

describe("points that come while a page is written", () => {
  test.each([
    ["text", defaultFormat],
    ["OpenMetrics", openMetrics],
  ])("are on the next page, of every kind: %s", async (_, format) => {
    const parts = new Parts();
    await parts.book(...allKinds(1));
    const before = await parts.page(format);
    const twice = await parts.booking(...allKinds(2));
    parts.meanwhile = () => {
      twice();
      twice();
    };
    const during = await parts.page(format);
    expect(parts.slices).toBeGreaterThan(20);
    // Buckets that a family got meanwhile may show, the same ones for all series; counts may not.
    const withoutNewBuckets = (page: string) =>
      page.split("\n").filter((line) => !line.startsWith("exponential_bucket"));
    expect(withoutNewBuckets(during)).toEqual(withoutNewBuckets(before));
    parts.meanwhile = () => undefined;
    expect(await parts.page(format)).not.toBe(before);
  });

  test("all series of an exponential histogram have one list of bounds", async () => {
    const parts = new Parts();
    const points = (offset: number, scale: number) =>
      ks((k) => ({ scale, count: 1, positive: { offset, bucketCounts: [1] }, ...withK(k) }));
    await parts.book(distribution("exponentialHistogram", "e", points(0, 3)));
    parts.meanwhile = await parts.booking(distribution("exponentialHistogram", "e", points(-3, 1)));
    const before = await parts.page();
    expect(before).toContain('e_bucket{k="99",le="1.0905077326652577"} 1\n');
    parts.meanwhile = () => undefined;
    expect(await parts.page()).toContain('e_bucket{k="99",le="0.5"} 1\n');
  });
});

describe("series that begin or end while a page is written", () => {
  test("new series and new families are on the next page", async () => {
    const parts = new Parts();
    await parts.book(manyGauges());
    const before = await parts.page();
    parts.meanwhile = await parts.booking(
      gauge("a", [value(2)]),
      gauge("m", [value(2, { k: "new" })]),
      gauge("z", [value(2)]),
    );
    expect(await parts.page()).toBe(before);
    const next = await parts.page();
    for (const line of ["a 2", 'm{k="new"} 2', "z 2"]) expect(next).toContain(`${line}\n`);
  });

  test("a series that its sender ended is on this page, also when it comes back at once", async () => {
    const parts = new Parts();
    const ended = { timeUnixNano: at(2), flags: 1 };
    await parts.book(manyGauges());
    const before = await parts.page();
    const end = await parts.booking(
      gauge(
        "m",
        [50, 60].map((k) => ({ ...ended, ...withK(k) })),
      ),
    );
    const back = await parts.booking(gauge("m", [{ ...value(9, { k: 60 }), timeUnixNano: at(3) }]));
    parts.meanwhile = () => {
      end();
      back();
    };
    expect(await parts.page()).toBe(before);
    const next = (await parts.page()).split("\n");
    expect(next.filter((line) => /k="[56]0"/u.test(line))).toEqual(['m{k="60"} 9']);
  });

  test("a series that expires is on this page; sweeping waits", async () => {
    const parts = new Parts();
    await parts.book(manyGauges());
    const before = await parts.page();
    parts.meanwhile = () => {
      parts.advance(600_000);
      void parts.registry.sweep();
    };
    expect(await parts.page()).toBe(before);
    expect(parts.registry.seriesCount).toBe(100);
    expect(await parts.page()).toBe("");
    await parts.registry.sweep();
    expect(parts.registry.seriesCount).toBe(0);
  });

  test("a series that had expired before is not on this page although a point comes", async () => {
    const parts = new Parts();
    await parts.book(manyGauges());
    parts.advance(50_000);
    await parts.book(gauge("m", [value(2, { k: 1 })]));
    parts.advance(30_000);
    expect(await parts.page()).toBe('# TYPE m gauge\nm{k="1"} 2\n');
    parts.meanwhile = await parts.booking(gauge("m", [value(3, { k: 98 })]));
    expect(await parts.page()).toBe('# TYPE m gauge\nm{k="1"} 2\n');
    expect(await parts.page()).toBe('# TYPE m gauge\nm{k="1"} 2\nm{k="98"} 3\n');
  });
});

test("the event loop has its turn after so many lines, not only so many series", async () => {
  const parts = new Parts();
  await parts.book(largeMetric(30));
  expect((await parts.page()).split("\n")).toHaveLength(30 * 2000 + 2);
  // Two looks a slice.
  expect(parts.slices).toBeGreaterThanOrEqual(20);
});

describe("several pages", () => {
  test("are written one after the other, each of its own moment", async () => {
    const parts = new Parts();
    await parts.book(manyGauges());
    parts.meanwhile = await parts.booking(manyGauges(2));
    const pages = await Promise.all([parts.page(), parts.page(openMetrics)]);
    const values = pages.map((page) => new Set(page.match(/(?<=\} ).*/gu)));
    expect(values).toEqual([new Set(["1"]), new Set(["2.0"])]);
  });

  test("one that is aborted ends, and does not harm the next", async () => {
    const parts = new Parts();
    await parts.book(manyGauges());
    const gone = new AbortController();
    parts.meanwhile = () => gone.abort(new Error("the client has gone"));
    const waiting = parts.page(defaultFormat, gone.signal);
    const alsoGone = parts.page(defaultFormat, gone.signal);
    await expect(waiting).rejects.toThrow("the client has gone");
    // The second was not begun.
    await expect(alsoGone).rejects.toThrow("the client has gone");
    expect(parts.slices).toBeLessThan(5);
    expect(parts.registry.scraping).toBe(false);
    parts.meanwhile = () => undefined;
    expect((await parts.page()).split("\n")).toHaveLength(102);
  });
});
