/** Queues of the application, asked at each collection. */
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { queue } from "../../../../src/instrument/queues/queue.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));

/** `<name> <size or capacity> <value>` */
const said = () =>
  bench
    .collect()
    .map(
      (p) => `${p.attributes["queue.name"]} ${p.metric.replace("repomind.queue.", "")} ${p.value}`,
    );

test("size and capacity, by the names that dashboards are written against", () => {
  queue("index", () => 3, 100);
  expect(bench.collect()).toMatchObject(
    [
      { metric: "repomind.queue.size", value: 3 },
      { metric: "repomind.queue.capacity", value: 100 },
    ].map((point) => ({
      ...point,
      kind: "sum",
      isMonotonic: undefined,
      unit: "{item}",
      attributes: { "queue.name": "index" },
    })),
  );
});

test("the size is asked once a collection, and only then", () => {
  const size = jest.fn(() => 1);
  queue("index", size, 10);
  expect(size).not.toHaveBeenCalled();
  bench.collect();
  bench.collect();
  expect(size).toHaveBeenCalledTimes(2);
});

test("an empty queue says 0; one without a limit says no capacity", () => {
  queue("a", () => 0);
  queue("b", () => 1, Infinity);
  expect(said()).toEqual(["a size 0", "b size 1"]);
  expect(bench.said).toEqual([]);
});

test("dispose, also twice, ends the points of its queue alone", () => {
  queue("a", () => 1, 5);
  const b = queue("b", () => 2, 6);
  bench.collect();
  b[Symbol.dispose]();
  b[Symbol.dispose]();
  expect(said()).toEqual(["a size 1", "a capacity 5"]);
});

describe("two queues of one name", () => {
  test("are added up, and this is told", () => {
    queue("a", () => 1, 5);
    const second = queue("a", () => 10, 50);
    queue("a", () => 100, 500);
    expect(said()).toEqual(["a size 111", "a capacity 555"]);
    expect(bench.said).toEqual([
      {
        code: "queue_name_reused",
        message: "queue a is measured more than once: sizes and capacities are added up",
      },
    ]);
    second[Symbol.dispose]();
    expect(said()).toEqual(["a size 101", "a capacity 505"]);
  });

  test("one after the other is one queue, and nothing is told", () => {
    queue("a", () => 1)[Symbol.dispose]();
    queue("a", () => 2);
    expect(said()).toEqual(["a size 2"]);
    expect(bench.said).toEqual([]);
  });

  test("a sum of which a part is unknown is left out", () => {
    let size: number = Number.NaN;
    queue("a", () => 1, 5);
    queue("a", () => size);
    expect(said()).toEqual([]);
    size = 2;
    expect(said()).toEqual(["a size 3"]);
  });
});

test("beyond 20 names the rest is added up as _OTHER", () => {
  for (let i = 0; i < 25; i++) queue(`q${i}`, () => i, 10);
  const points = said();
  expect(points).toHaveLength(42);
  expect(points).toContain("q19 size 19");
  expect(points).toContain(`_OTHER size ${20 + 21 + 22 + 23 + 24}`);
  expect(points).toContain("_OTHER capacity 50");
  expect(bench.said).toEqual([]);
});

test("a small limit of series for all metrics makes no queue overwrite another", () => {
  bench = new Bench({ maxSeries: 1 });
  setRuntime(bench);
  for (let i = 0; i < 3; i++) queue(`q${i}`, () => i);
  expect(said()).toEqual(["q0 size 0", "q1 size 1", "q2 size 2"]);
});

describe("what the application gives wrongly", () => {
  const wrong: [string, () => unknown, string][] = [
    [
      "an error",
      () => {
        throw new Error("no queue");
      },
      "an error: no queue",
    ],
    ["NaN", () => Number.NaN, "NaN"],
    ["less than 0", () => -1, "-1"],
    ["Infinity", () => Infinity, "Infinity"],
    ["a text", () => "3", "a string"],
    ["nothing", () => undefined, "a undefined"],
    ["a promise", () => Promise.resolve(3), "a object"],
  ];
  test.each(wrong)("a size that gives %s is a gap, told once; others go on", (_, size, gave) => {
    queue("bad", size as () => number, 10);
    queue("good", () => 1);
    expect(said()).toEqual(["good size 1", "bad capacity 10"]);
    expect(said()).toEqual(["good size 1", "bad capacity 10"]);
    expect(bench.said).toEqual([
      { code: "queue_failed", message: `queue bad: its size() gave ${gave}` },
    ]);
  });

  test("a promise that is rejected does not end the application", async () => {
    const unhandled = jest.fn();
    process.on("unhandledRejection", unhandled);
    try {
      queue("bad", (() => Promise.reject(new Error("no"))) as unknown as () => number);
      said();
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off("unhandledRejection", unhandled);
    }
  });

  test.each([["10"], [Number.NaN], [-1], [null]])(
    "a capacity of %p is left out and told",
    (capacity) => {
      queue("a", () => 1, capacity as number);
      expect(said()).toEqual(["a size 1"]);
      expect(bench.codes).toEqual(["invalid_queue"]);
    },
  );

  test("a name or a size that is none", () => {
    queue(5 as unknown as string, () => 1)[Symbol.dispose]();
    queue("a", 5 as unknown as () => number)[Symbol.dispose]();
    expect(said()).toEqual([]);
    expect(bench.codes).toEqual(["invalid_queue"]);
  });

  test("a size that itself adds and ends queues", () => {
    const own = queue("a", () => {
      own[Symbol.dispose]();
      queue("a", () => 2);
      queue("b", () => 3);
      return 1;
    });
    said();
    expect(said()).toEqual(["a size 2", "b size 3"]);
  });
});

test("before start() it is told and does nothing", () => {
  setRuntime(undefined);
  const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => {});
  queue("a", () => 1)[Symbol.dispose]();
  expect(warn).toHaveBeenCalledWith("queue() has no effect before start()", {
    type: "TelemetryWarning",
    code: "not_started",
  });
  warn.mockRestore();
});
