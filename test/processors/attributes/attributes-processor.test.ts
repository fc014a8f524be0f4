import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { shapes } from "../../../bench/shapes.ts";
import { factory } from "../../../processors/attributes/factory.ts";
import type { Context, Payload, Signal } from "../../../src/component.ts";
import { attributesField, readKeyValues } from "../../../src/pdata/attributes.ts";
import { concat } from "../../../src/pdata/concat.ts";
import { createPayload, signals } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { fieldsOf, flattenPayload } from "../../support/otlp-flatten.ts";
import { objectOf, payloadOf } from "../../support/otlp-objects.ts";
import { type RandomOrder, randomRequest } from "../../support/otlp-random.ts";
import { testSettings } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };

function processor(actions: object[], signal: Signal, settings = testSettings()) {
  const instance = factory.create({ config: factory.config.parse({ actions }), signal, settings });
  if (!("transform" in instance)) throw new Error("not a transform");
  return (payload: Payload, of: Context = context) => instance.transform(payload, of);
}

const logOf = (attributes: unknown[]) =>
  payloadOf("logs", { resourceLogs: [{ scopeLogs: [{ logRecords: [{ attributes }] }] }] });
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

interface Logs {
  readonly resourceLogs: [{ scopeLogs: [{ logRecords: [{ attributes?: unknown[] }] }] }];
}

/** The attributes of the only record. */
function attributesOf(payload: Payload | undefined): unknown[] {
  const logs = objectOf(payload) as unknown as Logs;
  return logs.resourceLogs[0].scopeLogs[0].logRecords[0].attributes ?? [];
}

describe("from_context", () => {
  const metadata = new Map([
    ["origin", ["web"]],
    ["tenant", ["a", "b"]],
  ]);
  const insert = (key: string) => [{ key: "k", from_context: key, action: "insert" }];

  test.each([
    ["metadata.origin", "web"],
    ["origin", "web"],
    ["metadata.Origin", "web"],
    ["metadata.tenant", "a;b"],
  ])("%s", (key, value) => {
    const result = processor(insert(key), "logs")(logOf([]), { receivedMs: 0, metadata });
    expect(attributesOf(result)).toEqual([text("k", value)]);
  });

  test("what the request does not carry changes nothing", () => {
    const payload = logOf([text("a", "1")]);
    expect(processor(insert("metadata.none"), "logs")(payload, { receivedMs: 0, metadata })).toBe(
      payload,
    );
    expect(processor(insert("metadata.origin"), "logs")(payload)).toBe(payload);
  });

  test("equal attributes of requests with other metadata are told apart", () => {
    const run = processor(insert("metadata.user"), "logs");
    for (let round = 0; round < 2; round++) {
      for (let user = 0; user < 1100; user++) {
        const of = { receivedMs: 0, metadata: new Map([["user", [`u${user}`]]]) };
        const result = run(logOf([text("a", "1")]), of);
        expect(attributesOf(result)).toEqual([text("a", "1"), text("k", `u${user}`)]);
      }
    }
  });

  test.each(["client.address", "auth.subject"])("%s: said at start to have no effect", (key) => {
    const said: unknown[] = [];
    const { log } = testSettings();
    const settings = testSettings({ log: { ...log, warn: (_text, fields) => said.push(fields) } });
    const payload = logOf([text("a", "1")]);
    expect(processor(insert(key), "logs", settings)(payload)).toBe(payload);
    expect(said).toEqual([{ from_context: key }]);
  });
});

describe("default_value", () => {
  const metadata = new Map([["tenant", ["t"]]]);
  const set = (action: string, rest: object) => {
    const run = processor([{ key: "k", action, default_value: 5, ...rest }], "logs");
    return (...attributes: unknown[]) =>
      attributesOf(run(logOf(attributes), { receivedMs: 0, metadata }));
  };
  const five = { key: "k", value: { intValue: "5" } };

  test.each<[string, object, unknown[], unknown[]]>([
    ["insert", {}, [], [five]],
    ["insert", { from_attribute: "a" }, [], [five]],
    ["insert", { from_attribute: "a" }, [text("a", "1")], [text("a", "1"), text("k", "1")]],
    ["insert", { from_attribute: "a" }, [text("k", "old")], [text("k", "old")]],
    ["insert", { from_context: "metadata.none" }, [], [five]],
    ["insert", { from_context: "metadata.tenant" }, [], [text("k", "t")]],
    ["insert", { value: "v" }, [], [text("k", "v")]],
    ["update", { from_attribute: "a" }, [], []],
    ["update", { from_attribute: "a" }, [text("k", "old")], [five]],
    ["upsert", { from_attribute: "a" }, [text("k", "old")], [five]],
  ])("%s %p of %p: %p", (action, rest, attributes, expected) => {
    expect(set(action, rest)(...attributes)).toEqual(expected);
  });
});

describe("attributes that stand several times", () => {
  const twice = [text("secret", "1"), text("a", "x"), text("secret", "2")];

  test("delete removes all", () => {
    expect(
      attributesOf(processor([{ key: "secret", action: "delete" }], "logs")(logOf(twice))),
    ).toEqual([text("a", "x")]);
  });

  test("hash leaves none readable", () => {
    const result = processor([{ key: "secret", action: "hash" }], "logs")(logOf(twice));
    expect(JSON.stringify(attributesOf(result))).not.toMatch(/"stringValue":"[12]"/u);
  });
});

test("key and pattern: what both name is hashed once", () => {
  const once = processor([{ key: "abc", action: "hash" }], "logs")(logOf([text("abc", "x")]));
  const both = processor(
    [{ key: "abc", pattern: "^a", action: "hash" }],
    "logs",
  )(logOf([text("abc", "x")]));
  expect(attributesOf(both)).toEqual(attributesOf(once));
});

test("values of all types", () => {
  const actions = [
    { key: "list", value: [1, "b"], action: "insert" },
    { key: "map", value: { a: true }, action: "insert" },
    { key: "double", value: 1.5, action: "insert" },
  ];
  expect(attributesOf(processor(actions, "logs")(logOf([text("a", "x")])))).toHaveLength(4);
});

test("several requests in one payload keep their seams", () => {
  const payload = concat([logOf([text("a", "1")]), logOf([text("b", "2")])]);
  const result = processor([{ key: "a", action: "delete" }], "logs")(payload)!;
  expect([result.seams, result.partItems]).toEqual([payload.seams, payload.partItems]);
  expect(result.parts[1]).toBe(payload.parts[1]);
});

const attributeNumbers: Record<Signal, (metric: string) => number> = {
  traces: () => attributesField("Span"),
  logs: () => attributesField("LogRecord"),
  metrics: (metric) => {
    if (metric.includes("| 9:")) return attributesField("HistogramDataPoint");
    return metric.includes("| 10:") ? attributesField("ExponentialHistogramDataPoint") : 7;
  },
};

/** Everything of each item but its attributes, which are given as a map. */
function takenApart(payload: Payload) {
  return flattenPayload(payload).map(({ item, ...around }) => {
    const bytes = Buffer.from(item, "hex");
    const number = attributeNumbers[payload.signal](around.metric);
    const others = fieldsOf(bytes).filter((field) => field.number !== number);
    return {
      rest: JSON.stringify([around, others.map((field) => field.bytes.toString("hex")).toSorted()]),
      attributes: readKeyValues(bytes, 0, bytes.length, number),
    };
  });
}

const payloads = (signal: Signal) =>
  fc
    .record({
      seed: fc.integer(),
      order: fc.constantFrom<RandomOrder>("ascending", "descending", "shuffled"),
    })
    .map(({ seed, order }) => {
      const bytes = randomRequest(signal, seed, { order, unknown: true });
      return createPayload(signal, [bytes], [verify(signal, bytes)]);
    });

describe.each(signals)("random %s", (signal) => {
  test("only the attributes change, equally on first and on second sight; the input never does", () => {
    const run = processor(
      [
        { key: "a", action: "delete" },
        { key: "added", value: "new", action: "upsert" },
        { key: "copied", from_attribute: "service.name", action: "upsert" },
      ],
      signal,
    );
    fc.assert(
      fc.property(payloads(signal), (payload) => {
        const before = Buffer.concat(payload.parts);
        const wanted = takenApart(payload).map(({ rest, attributes }) => {
          attributes.delete("a");
          attributes.set("added", "new");
          if (attributes.has("service.name"))
            attributes.set("copied", attributes.get("service.name"));
          return { rest, attributes };
        });
        for (let sight = 0; sight < 2; sight++) {
          const result = run(payload);
          expect(result === undefined ? [] : takenApart(result)).toEqual(wanted);
          if (result !== undefined) {
            expect(result.parts.map((part) => verify(signal, part))).toEqual([...result.partItems]);
          }
        }
        expect(Buffer.concat(payload.parts).equals(before)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("what changes nothing gives the same payload", () => {
    const run = processor([{ key: "no such key", action: "delete" }], signal);
    fc.assert(fc.property(payloads(signal), (payload) => expect(run(payload)).toBe(payload)));
  });
});

test("sets that never repeat do not grow the cache beyond its bound", () => {
  const settings = testSettings();
  const run = processor([{ key: "a", value: "b", action: "insert" }], "metrics", settings);
  const bytes = () => settings.meter.value("rmt_attribute_cache_bytes", { processor: "test" });
  for (let i = 0; i < 80; i++) {
    const request = shapes.testbed.make(i);
    run(createPayload("metrics", [request], [700]));
  }
  expect(bytes()).toBeGreaterThan(0);
  expect(bytes()).toBeLessThan(16 * 1024 * 1024);
});

test("a label of ten megabytes passes, and is matched in time that grows with its length", () => {
  const huge = "a".repeat(10_000_000);
  const payload = logOf([text("huge", huge)]);
  const result = processor(
    [
      { key: "huge", pattern: "^(?P<first>a)(?P<rest>(?:a|aa)*)b$", action: "extract" },
      { key: "huge", action: "hash" },
    ],
    "logs",
  )(payload);
  expect(JSON.stringify(attributesOf(result)).length).toBeLessThan(200);
});
