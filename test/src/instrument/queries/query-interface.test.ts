/** What users ask, and how they rate the answers. */
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import {
  type Outcome,
  type QueryInterface,
  queryInterface,
} from "../../../../src/instrument/queries/query-interface.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => {
  jest.restoreAllMocks();
  setRuntime(undefined);
});

const outcomes = ["answered", "empty", "error", "cancelled"] as const;
const durations = () => bench.collect().filter((p) => p.metric === "repomind.query.duration");
/** `<type> <outcome>` with its count, where something was counted. */
const counts = () =>
  Object.fromEntries(
    durations()
      .filter((p) => (p.count ?? 0) > 0)
      .map((p) => [`${p.attributes["repomind.query.type"]} ${p.attributes["outcome"]}`, p.count]),
  );
const ratings = () =>
  Object.fromEntries(
    bench
      .collect()
      .filter((p) => p.metric === "repomind.query.feedback" && p.value !== 0)
      .map((p) => [`${p.attributes["repomind.query.type"]} ${p.attributes["rating"]}`, p.value]),
  );

/** performance.now(), moved by hand. */
function fakeNow(): { ms: number } {
  const now = { ms: 1000 };
  jest.spyOn(performance, "now").mockImplementation(() => now.ms);
  return now;
}

describe("durations", () => {
  test("from begin to end in seconds, by type and outcome", () => {
    const now = fakeNow();
    const queries = queryInterface(["search"]);
    const query = queries.begin("search");
    now.ms += 1500;
    query.end("answered");
    expect(durations().find((p) => (p.count ?? 0) > 0)).toMatchObject({
      kind: "histogram",
      unit: "s",
      attributes: { "repomind.query.type": "search", outcome: "answered" },
      count: 1,
      sum: 1.5,
    });
  });

  test("the boundaries of the GenAI conventions: 10 ms, doubled 13 times", () => {
    queryInterface(["search"]);
    expect(durations()[0]!.bounds).toEqual([
      0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]);
  });

  test("every outcome has a series of its own", () => {
    const queries = queryInterface(["search", "explain"]);
    for (const outcome of outcomes) queries.record("search", outcome, 1);
    queries.record("explain", "error", 1);
    expect(counts()).toEqual({
      "search answered": 1,
      "search empty": 1,
      "search error": 1,
      "search cancelled": 1,
      "explain error": 1,
    });
  });

  test("a query that ends twice counts once, with its first outcome and time", () => {
    const now = fakeNow();
    const query = queryInterface(["search"]).begin("search");
    now.ms += 100;
    query.end("error");
    now.ms += 100;
    query.end("answered");
    expect(counts()).toEqual({ "search error": 1 });
    expect(durations().reduce((sum, p) => sum + p.sum!, 0)).toBeCloseTo(0.1, 9);
  });

  test("queries that overlap", () => {
    const now = fakeNow();
    const queries = queryInterface(["search"]);
    const first = queries.begin("search");
    now.ms += 100;
    const second = queries.begin("search");
    now.ms += 100;
    first.end("answered");
    second.end("cancelled");
    const sums = durations().map((p) => [p.attributes["outcome"], p.sum]);
    expect(sums).toEqual([
      ["answered", 0.2],
      ["empty", 0],
      ["error", 0],
      ["cancelled", 0.1],
    ]);
  });

  test("a query that never ends is not counted", () => {
    queryInterface(["search"]).begin("search");
    expect(counts()).toEqual({});
  });

  test.each([-1, Number.NaN, Infinity, "1"])("%p seconds are left out and told", (seconds) => {
    queryInterface(["search"]).record("search", "answered", seconds as number);
    expect(counts()).toEqual({});
    expect(bench.codes).toEqual(["invalid_value"]);
  });
});

test("feedback", () => {
  const queries = queryInterface(["search"]);
  queries.feedback("search", "up");
  queries.feedback("search", "up");
  queries.feedback("search", "down");
  expect(ratings()).toEqual({ "search up": 2, "search down": 1 });
  const [point] = bench.collect().filter((p) => p.metric === "repomind.query.feedback");
  expect(point).toMatchObject({ kind: "sum", isMonotonic: true, unit: "{rating}" });
});

test("the series of declared types begin at 0, so that their first increment shows", () => {
  queryInterface(["search", "explain"]);
  expect(
    bench.collect().map((p) => [p.attributes["repomind.query.type"], p.sum ?? p.value]),
  ).toEqual(
    ["search", "search", "search", "search", "explain", "explain", "explain", "explain"]
      .concat(["search", "search", "explain", "explain"])
      .map((type) => [type, 0]),
  );
});

test("the functions can be taken apart", () => {
  /* oxlint-disable typescript/unbound-method -- what JavaScript callers do */
  const { begin, record, feedback } = queryInterface(["search"]);
  const { end } = begin("search");
  /* oxlint-enable typescript/unbound-method */
  end("answered");
  record("search", "answered", 1);
  feedback("search", "up");
  expect(counts()).toEqual({ "search answered": 2 });
  expect(ratings()).toEqual({ "search up": 1 });
});

describe("what is not listed is _OTHER", () => {
  test.each([["free text of a user"], [undefined], [null], [5], [{}]])("type %p", (type) => {
    const queries = queryInterface(["search"]);
    queries.begin(type as string).end("answered");
    queries.record(type as string, "error", 1);
    queries.feedback(type as string, "up");
    expect(counts()).toEqual({ "_OTHER answered": 1, "_OTHER error": 1 });
    expect(ratings()).toEqual({ "_OTHER up": 1 });
  });

  test("outcomes and ratings", () => {
    const queries = queryInterface(["search"]);
    for (const outcome of ["fine", undefined, {}]) queries.record("search", outcome as Outcome, 1);
    queries.feedback("search", "meh" as "up");
    expect(counts()).toEqual({ "search _OTHER": 3 });
    expect(ratings()).toEqual({ "search _OTHER": 1 });
  });
});

describe("the list of types", () => {
  const use = (queries: QueryInterface, ...types: string[]) => {
    for (const type of types) queries.record(type, "answered", 1);
  };

  test("several interfaces share the metrics, each with types of its own", () => {
    const [one, two] = [queryInterface(["search"]), queryInterface(["explain", "search"])];
    use(one, "search", "explain");
    use(two, "search", "explain");
    expect(counts()).toEqual({ "search answered": 2, "explain answered": 1, "_OTHER answered": 1 });
  });

  test("beyond 20 types, of all interfaces together, it is _OTHER, and this is told", () => {
    const names = Array.from({ length: 22 }, (_, i) => `t${i}`);
    use(queryInterface(names), "t0", "t19", "t20", "t21");
    use(queryInterface(["another", "t1"]), "another", "t1");
    expect(counts()).toEqual({
      "t0 answered": 1,
      "t1 answered": 1,
      "t19 answered": 1,
      "_OTHER answered": 3,
    });
    expect(bench.said).toEqual([
      { code: "too_many_query_types", message: "beyond 20 types queries are _OTHER" },
    ]);
  });

  const noList = "the types are no list; all queries are _OTHER";
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  };
  const wrong: [string, unknown, string][] = [
    ["undefined", undefined, noList],
    ["a text", "search", noList],
    ["an object", { 0: "search", length: 1 }, noList],
    ["unreadable", revoked(), "cannot read the types: "],
  ];
  test.each(wrong)("%s: told, and every query is _OTHER", (_, types, message) => {
    use(queryInterface(types as string[]), "search");
    expect(counts()).toEqual({ "_OTHER answered": 1 });
    expect(bench.said).toEqual([
      {
        code: "invalid_query_types",
        message: expect.stringContaining(`queryInterface(): ${message}`),
      },
    ]);
  });

  test("with something that is no text: told, the others count", () => {
    const types = ["search", 5, null, { toString: () => "x" }, "search"] as string[];
    use(queryInterface(types), "search");
    expect(counts()).toEqual({ "search answered": 1 });
    expect(bench.said).toEqual([
      {
        code: "invalid_query_types",
        message: "queryInterface(): a type that is no text is left out",
      },
    ]);
  });

  test("names that objects have of themselves", () => {
    use(queryInterface(["constructor", "__proto__"]), "constructor", "__proto__", "toString");
    expect(counts()).toEqual({
      "constructor answered": 1,
      "__proto__ answered": 1,
      "_OTHER answered": 1,
    });
  });
});

test("before start() it is told once and does nothing", () => {
  setRuntime(undefined);
  const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => {});
  const queries = queryInterface(["search"]);
  queries.begin("search").end("answered");
  queries.record("search", "answered", 1);
  queries.feedback("search", "up");
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn).toHaveBeenCalledWith("queryInterface() has no effect before start()", {
    type: "TelemetryWarning",
    code: "not_started",
  });
});
