import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import type { Declared } from "../../../../src/instrument/metrics/attribute-rules.ts";
import { type Attributes, Bench } from "../../../support/instrument-points.ts";

const value = fc.oneof(
  fc.constantFrom("a", "b", "1", "true", ""),
  fc.constantFrom(0, 1, -1, 1.5, 2 ** 40, -(2 ** 40)),
  fc.boolean(),
  fc.constant(undefined),
);
const shuffledEntries = fc
  .dictionary(fc.constantFrom("k", "l", "m", "n"), value)
  .chain((attributes) =>
    fc.shuffledSubarray(Object.entries(attributes), { minLength: Object.keys(attributes).length }),
  );
const keyOf = (attributes: object) =>
  JSON.stringify(
    Object.entries(attributes)
      .filter(([, v]) => v !== undefined)
      .toSorted(([x], [y]) => (x < y ? -1 : 1)),
  );
/** None, in an order of their own, or with lists of values that all are in. */
const declarations = fc.constantFrom<Declared | undefined>(undefined, ["m", "k", "n", "l"], {
  l: "any",
  k: ["a", "b", "1", "true", "", 0, 1, -1, 1.5, 2 ** 40, -(2 ** 40), true, false],
  n: "any",
  m: "any",
});

describe("attribute sets", () => {
  test("property: every set is one series, in whatever order its keys are written", () => {
    fc.assert(
      fc.property(
        fc.array(shuffledEntries, { maxLength: 60 }),
        fc.boolean(),
        declarations,
        (sets, isBound, declared) => {
          const bench = new Bench();
          const counter = bench.meter.counter(
            "c",
            declared === undefined ? {} : { attributes: declared },
          );
          const expected = new Map<string, number>();
          for (const entries of sets) {
            const attributes = Object.fromEntries(entries) as Attributes;
            if (isBound) counter.bind(attributes).add(1);
            else counter.add(1, attributes);
            expected.set(keyOf(attributes), (expected.get(keyOf(attributes)) ?? 0) + 1);
          }
          const got = bench.collect().map((p) => [keyOf(p.attributes), p.value] as const);
          expect(new Map(got)).toEqual(expected);
          expect(got).toHaveLength(expected.size);
        },
      ),
    );
  });

  test("property: what is kept of a set is read back as it was given", () => {
    const anyValue = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 30 }),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).filter((v) => !Object.is(v, -0)),
    );
    const anyKey = fc.string({ unit: "grapheme", maxLength: 30 });
    fc.assert(
      fc.property(fc.array(fc.dictionary(anyKey, anyValue), { maxLength: 20 }), (sets) => {
        const bench = new Bench();
        const counter = bench.meter.counter("c");
        for (const set of sets) counter.add(1, set);
        const [family] = bench.meter.families;
        const read = Array.from({ length: family!.rows }, (_, row) => family!.attributesOf(row));
        expect(new Set(read.map((pairs) => keyOf(Object.fromEntries(pairs))))).toEqual(
          new Set(sets.map(keyOf)),
        );
      }),
    );
  });

  test("1, true and their texts are different values", () => {
    const bench = new Bench();
    const counter = bench.meter.counter("c");
    for (const k of [1, true, "1", "true"]) counter.add(1, { k });
    expect(bench.collect().map((p) => p.attributes["k"])).toEqual([1, true, "1", "true"]);
  });

  test("undefined is absent; null and others are left out and said", () => {
    const bench = new Bench();
    const counter = bench.meter.counter("c");
    counter.add(1, { a: "x", b: undefined });
    counter.add(1, { a: "x" });
    for (const wrong of [null, {}, [], Number.NaN, Symbol("x"), 5n]) {
      counter.add(1, { b: wrong as string, a: "x" });
      counter.add(1, { b: wrong as string, a: "x" });
    }
    expect(bench.collect()).toMatchObject([{ attributes: { a: "x" }, value: 14 }]);
    expect(bench.codes).toEqual(["invalid_attributes"]);
  });

  test.each([["text"], [7], [null], [Symbol("x")]])("%p instead of attributes is none", (wrong) => {
    const bench = new Bench();
    bench.meter.counter("c").add(1, wrong as unknown as Attributes);
    expect(bench.collect()).toMatchObject([{ attributes: {}, value: 1 }]);
  });

  test("a getter that throws does not reach the application", () => {
    const bench = new Bench();
    const hostile = {
      get a(): string {
        throw new Error("trap");
      },
    };
    bench.meter.counter("c").add(1, hostile);
    bench.meter.counter("c").bind(hostile).add(1);
    bench.meter.histogram("h").record(1, hostile);
    bench.meter.gauge("g").record(1, hostile);
    expect(new Set(bench.codes)).toEqual(new Set(["invalid_attributes"]));
  });

  test("long texts are cut, so that two of one beginning are one series", () => {
    const bench = new Bench();
    const counter = bench.meter.counter("c");
    counter.add(1, { a: `${"x".repeat(1024)}1` });
    counter.add(1, { a: `${"x".repeat(1024)}2` });
    expect(bench.collect()).toMatchObject([{ attributes: { a: "x".repeat(1024) }, value: 2 }]);
  });

  test("of more than 128 attributes the first are kept", () => {
    const bench = new Bench();
    bench.meter
      .counter("c")
      .add(1, Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i + 100}`, i])));
    expect(Object.keys(bench.collect()[0]!.attributes)).toHaveLength(128);
    expect(bench.codes).toEqual(["invalid_attributes"]);
  });
});

describe("the limit of series", () => {
  test("further sets are counted together, exactly; known ones stay themselves", () => {
    const bench = new Bench({ maxSeries: 3 });
    const counter = bench.meter.counter("c");
    for (let i = 0; i < 10; i++) counter.add(1, { i });
    for (let i = 0; i < 10; i++) counter.bind({ i }).add(1);
    const points = bench.collect();
    expect(points.map((p) => [p.attributes, p.value])).toEqual([
      [{ i: 0 }, 2],
      [{ i: 1 }, 2],
      [{ i: 2 }, 2],
      [{ "otel.metric.overflow": true }, 14],
    ]);
    expect(bench.meter.families[0]!.overflowed).toBe(14);
  });

  test("an instrument may have a limit of its own", () => {
    const bench = new Bench();
    const histogram = bench.meter.histogram("h", { maxSeries: 1 });
    for (let i = 0; i < 5; i++) histogram.record(i, { i });
    expect(bench.collect().map((p) => p.count)).toEqual([1, 4]);
  });

  test("many orders of the same keys cost no series and stay right beyond what is remembered", () => {
    const bench = new Bench({ maxSeries: 1 });
    const counter = bench.meter.counter("c");
    const keys = ["a", "b", "c", "d", "e"];
    for (let n = 0; n < 200; n++) {
      const order = keys.toSorted(
        (x, y) => ((x.charCodeAt(0) * (n + 7)) % 11) - ((y.charCodeAt(0) * (n + 7)) % 11),
      );
      counter.add(1, Object.fromEntries(order.map((key) => [key, 1])));
    }
    expect(bench.collect()).toMatchObject([{ value: 200 }]);
  });
});

describe("declared attributes", () => {
  test("a value that is not listed becomes _OTHER, without growing", () => {
    const bench = new Bench({ maxSeries: 4 });
    const counter = bench.meter.counter("c", {
      attributes: { method: ["GET", "POST"], route: "any" },
    });
    for (let i = 0; i < 50; i++) counter.add(1, { route: "/", method: `M${i}` });
    counter.add(1, { method: "GET", route: "/" });
    expect(bench.collect().map((p) => [p.attributes, p.value])).toEqual([
      [{ method: "_OTHER", route: "/" }, 50],
      [{ method: "GET", route: "/" }, 1],
    ]);
    expect(bench.said).toEqual([]);
  });

  test("undeclared keys are left out and said; declared ones may be missing", () => {
    const bench = new Bench();
    const counter = bench.meter.counter("c", { attributes: ["a", "b"] });
    counter.add(1, { b: "y", a: "x" });
    counter.add(1, { a: "x", user: "42", b: "y" } as { a: string; b: string });
    counter.add(1, { b: "y" });
    expect(bench.collect().map((p) => [p.attributes, p.value])).toEqual([
      [{ a: "x", b: "y" }, 2],
      [{ b: "y" }, 1],
    ]);
    expect(bench.said).toEqual([
      { code: "invalid_attributes", message: 'c: attribute "user" is not declared and left out' },
    ]);
  });
});
