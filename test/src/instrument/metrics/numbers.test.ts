import { describe, expect, test } from "@jest/globals";
import type { InstrumentOptions } from "../../../../src/instrument/types.ts";
import { Bench } from "../../../support/instrument-points.ts";

describe("counters", () => {
  test("a cumulative sum of what was added, bound or not", () => {
    const bench = new Bench();
    const counter = bench.meter.counter("jobs", { unit: "{job}", description: "Jobs done." });
    const bound = counter.bind({ queue: "a" });
    bound.add(2);
    counter.add(3, { queue: "a" });
    counter.add(0.5);
    const points = bench.collect();
    expect(points).toHaveLength(2);
    expect(points[0]).toMatchObject({
      metric: "jobs",
      unit: "{job}",
      kind: "sum",
      temporality: 2,
      isMonotonic: true,
      attributes: { queue: "a" },
      startNanos: "1000000000",
      timeNanos: "2000000000",
      value: 5,
    });
    expect(points[1]).toMatchObject({ attributes: {}, value: 0.5 });
    bound.add(1);
    expect(bench.collect()[0]!.value).toBe(6);
  });

  test("delta: what was added since, from the collection before; nothing where nothing was", () => {
    const bench = new Bench({ isDelta: true });
    const counter = bench.meter.counter("jobs");
    counter.add(3);
    counter.bind({ idle: true });
    expect(bench.collect()).toMatchObject([{ value: 3, temporality: 1, startNanos: "1000000000" }]);
    expect(bench.collect()).toEqual([]);
    counter.add(4);
    bench.nowMs = 3000;
    expect(bench.collect()).toMatchObject([
      { value: 4, startNanos: "2000000000", timeNanos: "3000000000" },
    ]);
  });

  test.each([
    ["negative", -1],
    ["NaN", Number.NaN],
    ["Infinity", Infinity],
    ["a bigint", 1n],
    ["a symbol", Symbol("x")],
    ["a text", "1"],
    ["nothing", undefined],
    [
      "an object that throws",
      {
        valueOf: () => {
          throw new Error("no");
        },
      },
    ],
  ])("%s is not added and said once", (_, value) => {
    const bench = new Bench();
    const counter = bench.meter.counter("jobs");
    const bound = counter.bind({});
    for (let i = 0; i < 3; i++) {
      counter.add(value as number);
      bound.add(value as number);
    }
    expect(bench.collect()[0]!.value).toBe(0);
    expect(bench.codes).toEqual(["invalid_value"]);
  });
});

describe("up-down counters", () => {
  test("go both ways and are cumulative also where delta is preferred", () => {
    const bench = new Bench({ isDelta: true });
    const active = bench.meter.upDownCounter("active");
    active.add(5);
    active.bind({}).add(-2);
    expect(bench.collect()).toMatchObject([{ value: 3, temporality: 2, startNanos: "1000000000" }]);
    expect(bench.collect()[0]!.value).toBe(3);
    expect(bench.collect()[0]!.isMonotonic ?? false).toBe(false);
  });
});

describe("gauges", () => {
  test("the last value; none before the first", () => {
    const bench = new Bench();
    const gauge = bench.meter.gauge("level");
    const bound = gauge.bind({ n: 1 });
    expect(bench.collect()).toEqual([]);
    bound.record(-4);
    gauge.record(7, { n: 1 });
    gauge.record(Number.NaN, { n: 1 });
    expect(bench.collect()).toMatchObject([
      { kind: "gauge", temporality: undefined, value: 7, attributes: { n: 1 } },
    ]);
  });
});

describe("observed instruments", () => {
  test("are asked at each collection; what is not said is not sent", () => {
    const bench = new Bench();
    let pools: readonly string[] = ["a", "b"];
    const observed = bench.meter.observe("pool.size", "gauge", {}, (observe) => {
      for (const pool of pools) observe(pool.length + 9, { pool });
    });
    expect(bench.collect().map(({ attributes }) => attributes)).toEqual([
      { pool: "a" },
      { pool: "b" },
    ]);
    pools = ["b"];
    expect(bench.collect()).toMatchObject([{ attributes: { pool: "b" }, value: 10 }]);
    observed[Symbol.dispose]();
    expect(bench.collect()).toEqual([]);
  });

  test("a counter's total becomes deltas; one that fell began anew", () => {
    const bench = new Bench({ isDelta: true });
    let total = 10;
    bench.meter.observe("ticks", "counter", {}, (observe) => observe(total));
    expect(bench.collect()[0]!.value).toBe(10);
    total = 15;
    expect(bench.collect()[0]!.value).toBe(5);
    total = 3;
    expect(bench.collect()[0]!.value).toBe(3);
  });

  test("a callback that adds itself again does not go on for ever", () => {
    const bench = new Bench();
    let calls = 0;
    const read = () => {
      if (++calls < 1000) bench.meter.observe("a", "gauge", {}, read);
    };
    read();
    bench.collect();
    expect(calls).toBe(2);
  });

  test("a callback that throws is said, the others are asked", () => {
    const bench = new Bench();
    bench.meter.observe("a", "gauge", {}, () => {
      throw new Error("no database");
    });
    bench.meter.observe("b", "upDownCounter", {}, (observe) => observe(-1));
    expect(bench.collect()).toMatchObject([{ metric: "b", value: -1 }]);
    expect(bench.said).toEqual([
      { code: "observe_failed", message: "a: cannot observe: no database" },
    ]);
  });
});

describe("observed values that meet in one series", () => {
  const seen = { a: 3, b: 4, c: 5 };
  const observeAll = (bench: Bench, kind: "counter" | "upDownCounter" | "gauge") =>
    bench.meter.observe("o", kind, { attributes: { name: ["a"] } }, (observe) => {
      for (const [name, value] of Object.entries(seen)) observe(value, { name });
    });

  test.each(["counter", "upDownCounter"] as const)("of a %s are added up", (kind) => {
    const bench = new Bench();
    observeAll(bench, kind);
    for (let round = 0; round < 2; round++) {
      expect(bench.collect().map(({ attributes, value }) => [attributes["name"], value])).toEqual([
        ["a", 3],
        ["_OTHER", 9],
      ]);
    }
  });

  test("in the overflow series, of several callbacks, as deltas", () => {
    const bench = new Bench({ maxSeries: 1, isDelta: true });
    let total = 10;
    const say = (observe: (value: number, attributes: object) => void) => {
      for (let i = 0; i < 3; i++) observe(total, { i });
    };
    bench.meter.observe("o", "counter", {}, say);
    bench.meter.observe("o", "counter", {}, say);
    expect(bench.collect().map(({ value }) => value)).toEqual([20, 40]);
    total = 11;
    expect(bench.collect().map(({ value }) => value)).toEqual([2, 4]);
  });

  test("of a gauge are replaced by the last", () => {
    const bench = new Bench();
    observeAll(bench, "gauge");
    expect(bench.collect().map(({ value }) => value)).toEqual([3, 5]);
  });
});

describe("callbacks that are not over in time", () => {
  test("an asynchronous one is said and not waited for; its rejection does not end the process", async () => {
    const bench = new Bench();
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", note);
    const late: (observe: (value: number) => void) => unknown = async (observe) => {
      observe(1);
      await Promise.resolve();
      observe(2);
      throw new Error("late");
    };
    bench.meter.observe("o", "gauge", {}, late);
    expect(bench.collect()).toMatchObject([{ value: 1 }]);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
    expect(bench.said).toEqual([
      {
        code: "observe_failed",
        message: "o: cannot observe: the callback is asynchronous, and is not waited for",
      },
    ]);
  });

  test("a value that comes later is said and left out", () => {
    const bench = new Bench();
    let kept: ((value: number) => void) | undefined;
    bench.meter.observe("o", "gauge", {}, (observe) => {
      kept = observe;
    });
    bench.collect();
    kept!(5);
    expect(bench.collect()).toEqual([]);
    expect(bench.said.map(({ message }) => message)).toEqual([
      "o: cannot observe: a value came after the callback had returned",
    ]);
  });
});

describe("names", () => {
  test("the same name and kind is the same instrument, in any case of letters", () => {
    const bench = new Bench();
    bench.meter.counter("jobs").add(1);
    bench.meter.counter("Jobs").add(1);
    expect(bench.collect()).toMatchObject([{ metric: "jobs", value: 2 }]);
    expect(bench.said).toEqual([]);
  });

  test("another kind or unit under a used name works, is said and not sent", () => {
    const bench = new Bench();
    bench.meter.counter("jobs").add(1);
    bench.meter.gauge("jobs").record(5);
    bench.meter.counter("jobs", { unit: "s" }).add(5);
    bench.meter.histogram("jobs", { boundaries: [1] }).record(5);
    expect(bench.collect()).toMatchObject([{ kind: "sum", value: 1 }]);
    expect(bench.codes).toEqual(["instrument_conflict"]);
  });

  test.each([[""], ["1st"], ["a b"], ["x".repeat(256)], [undefined], [Symbol("x")]])(
    "%p is no name",
    (name) => {
      const bench = new Bench();
      bench.meter.counter(name as string).add(1);
      expect(bench.collect()).toEqual([]);
      expect(bench.codes).toEqual(["invalid_instrument"]);
    },
  );

  test("beyond 2,000 instruments further ones work, are said once and not sent", () => {
    const bench = new Bench();
    for (let i = 0; i < 2005; i++) bench.meter.counter(`c${i}`).add(1);
    bench.meter.counter("c7").add(1);
    const points = bench.collect();
    expect(points).toHaveLength(2000);
    expect(points[7]!.value).toBe(2);
    expect(bench.codes).toEqual(["too_many_instruments"]);
  });

  test("options of any shape never throw", () => {
    const bench = new Bench();
    const wrong = [
      null,
      5,
      "x",
      { attributes: 5 },
      { attributes: { a: 5 } },
      { unit: 5, maxSeries: "x" },
    ];
    wrong.forEach((options, i) => {
      bench.meter.counter(`c${i}`, options as InstrumentOptions<string>).add(1, { a: 1 });
      bench.meter.histogram(`h${i}`, options as InstrumentOptions<string>).record(1, { a: 1 });
    });
    expect(bench.collect().length).toBe(wrong.length * 2);
  });

  test("names and options that cannot be read never throw", () => {
    const bench = new Bench();
    const hostile = {
      get boundaries(): number[] {
        throw new Error("no");
      },
    };
    bench.meter.histogram("h", hostile).record(1);
    const name = Symbol("name") as unknown as string;
    bench.meter.counter(name).add(1);
    bench.meter.histogram(name, hostile).record(1);
    bench.meter.observe(name, "gauges" as "gauge", {}, () => {});
    const kind = Object.create(null) as "gauge";
    bench.meter.observe("o", kind, {}, () => {});
    expect(bench.collect()).toMatchObject([{ metric: "h" }]);
    expect(bench.said[0]).toEqual({
      code: "invalid_instrument",
      message: "h: cannot read the options: no",
    });
  });
});
