/** What an application says of its rate limits. */
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { rateLimit } from "../../../../src/instrument/rate-limit/rate-limit.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

type Call = (used?: number) => void;

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));

const named = (points: Point[], name: string) =>
  points
    .filter(({ metric }) => metric === name)
    .map(({ attributes, value }) => [...Object.values(attributes), value]);
const requests = (points: Point[]) => named(points, "repomind.rate_limit.requests");
const utilization = (points: Point[]) => named(points, "repomind.rate_limit.utilization");

describe("requests", () => {
  test("are counted by policy and result, from the start with 0", () => {
    // They need no `this`.
    const [allowed, limited, queued] = Object.values(rateLimit("search")) as Call[];
    const points = bench.collect();
    expect(points[0]).toMatchObject({
      metric: "repomind.rate_limit.requests",
      unit: "{request}",
      kind: "sum",
      isMonotonic: true,
      attributes: { "rate_limit.policy": "search", "rate_limit.result": "allowed" },
    });
    expect(requests(points)).toEqual([
      ["search", "allowed", 0],
      ["search", "limited", 0],
      ["search", "queued", 0],
    ]);
    for (const call of [allowed, allowed, allowed, limited, limited, queued]) call!();
    expect(requests(bench.collect()).map(([, , count]) => count)).toEqual([3, 2, 1]);
  });

  test("two handles of one policy are one series", () => {
    rateLimit("search").allowed();
    rateLimit("search", 10).allowed();
    expect(requests(bench.collect())[0]).toEqual(["search", "allowed", 2]);
  });

  test("20 policies, then _OTHER", () => {
    for (let i = 0; i < 30; i++) {
      const policy = rateLimit(`p${i}`, 10);
      policy.allowed();
      policy.usage(i % 10);
    }
    const points = bench.collect();
    expect(requests(points)).toHaveLength(21 * 3);
    expect(requests(points)).toContainEqual(["_OTHER", "allowed", 10]);
    expect(utilization(points)).toHaveLength(21);
    expect(utilization(points)).toContainEqual(["_OTHER", 0.9]);
  });
});

describe("utilization", () => {
  test("is the largest since the last collection, then anew; nothing where nothing was said", () => {
    const policy = rateLimit("search", 40);
    expect(utilization(bench.collect())).toEqual([]);
    for (const used of [10, 30, 20]) policy.usage(used);
    const points = bench.collect();
    expect(points.find(({ kind }) => kind === "gauge")).toMatchObject({
      metric: "repomind.rate_limit.utilization",
      unit: "1",
      attributes: { "rate_limit.policy": "search" },
    });
    expect(utilization(points)).toEqual([["search", 0.75]]);
    expect(utilization(bench.collect())).toEqual([]);
    policy.usage(4);
    expect(utilization(bench.collect())).toEqual([["search", 0.1]]);
    policy.usage(0);
    expect(utilization(bench.collect())).toEqual([["search", 0]]);
  });

  test("a limit of its own, and more than the limit", () => {
    const policy = rateLimit("search", 40);
    policy.usage(5, 10);
    policy.usage(10);
    expect(utilization(bench.collect())).toEqual([["search", 0.5]]);
    policy.usage(50);
    expect(utilization(bench.collect())).toEqual([["search", 1.25]]);
  });

  test("what is no share is told and left out", () => {
    const policy = rateLimit("search");
    policy.usage(5);
    policy.usage(5, 0);
    policy.usage(-1, 10);
    policy.usage(Number.NaN, 10);
    policy.usage(Infinity, 10);
    policy.usage(5, Number.NaN);
    policy.usage("5" as unknown as number, 10);
    policy.usage(5n as unknown as number, 10);
    expect(utilization(bench.collect())).toEqual([]);
    expect(bench.said).toEqual([
      {
        code: "invalid_value",
        message: "repomind.rate_limit.utilization: 5 of undefined is not recorded",
      },
    ]);
  });

  test("it is not a delta", () => {
    const delta = new Bench({ isDelta: true });
    setRuntime(delta);
    const policy = rateLimit("search", 10);
    policy.usage(5);
    expect(utilization(delta.collect())).toEqual([["search", 0.5]]);
    policy.usage(5);
    expect(utilization(delta.collect())).toEqual([["search", 0.5]]);
  });
});

test("before start(): no effect, told by a warning; a policy that is no text does not throw", () => {
  for (const odd of [undefined, 7, null, {}, Symbol("policy")]) {
    const policy = rateLimit(odd as string, 1);
    policy.allowed();
    policy.usage(1);
  }
  bench.collect();
  setRuntime(undefined);
  const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => {});
  const calls = Object.values(rateLimit("search", 10)) as Call[];
  for (const call of calls) call(1);
  expect(calls).toHaveLength(4);
  const said = warn.mock.calls.map(([message]) => String(message));
  warn.mockRestore();
  expect(said).toEqual(["rateLimit() has no effect before start()"]);
});
