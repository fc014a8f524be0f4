/** What must hold for any input. */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { DocumentError, documentOf } from "../../../receivers/http_metrics/custom-document.ts";
import { Flush } from "../../../receivers/http_metrics/custom-flush.ts";
import { checkItem, isProblem } from "../../../receivers/http_metrics/custom-item.ts";
import { itemFields, metricTypes } from "../../../receivers/http_metrics/custom-limits.ts";
import { flushTimes } from "../../../receivers/http_metrics/custom-point.ts";
import { JsonWalker } from "../../../receivers/http_metrics/json-walk.ts";
import { parsePushPath } from "../../../receivers/http_metrics/push-path.ts";
import { runSteps } from "../../../src/pdata/json/slices.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { verifyAndNormalise } from "../../../src/pdata/verify.ts";
import { metricsOf, pointsOf } from "./support.ts";

const nowMs = 1_700_000_000_000;
const times = flushTimes(1n, 2n);

const attribute = fc.oneof(fc.string(), fc.boolean(), fc.double(), fc.integer(), fc.constant(null));
const someAttributes = fc.dictionary(fc.string(), attribute, { maxKeys: 5 });
const likely = fc.record(
  {
    name: fc.constantFrom("a", "b", "ü", ""),
    type: fc.constantFrom(...metricTypes),
    value: fc.oneof(fc.double(), fc.integer()),
    values: fc.array(fc.double(), { maxLength: 5 }),
    count: fc.nat(),
    sum: fc.double(),
    buckets: fc.array(fc.record({ le: fc.double(), count: fc.nat() }), { maxLength: 3 }),
    attributes: someAttributes,
    timestamp: fc.oneof(fc.string(), fc.double(), fc.constant(1_600_000_000)),
    unit: fc.constantFrom("s", "ms"),
  },
  { requiredKeys: ["name", "type"] },
);
const unlikely = fc.oneof(
  fc.anything(),
  fc.dictionary(fc.constantFrom(...itemFields), fc.anything()),
);

test("whatever comes is taken or explained, and what is taken is valid OTLP", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 4, arbitrary: likely }, unlikely)), (values) => {
      const flush = new Flush(0);
      for (const value of values) {
        const item = checkItem(value, nowMs);
        const problem = isProblem(item) ? item : flush.add(item);
        if (problem !== undefined) expect(problem.message).not.toBe("");
      }
      const { items } = verifyAndNormalise("metrics", runSteps(flush.encode(undefined, times)));
      expect(items).toBe(flush.points);
    }),
  );
});

test("increments are added up by series, whatever the order of items and attributes", () => {
  const item = fc.record({
    name: fc.constantFrom("a", "b"),
    zone: fc.constantFrom("x", "y"),
    isSwapped: fc.boolean(),
    value: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(item, { minLength: 1 }), (list) => {
      const flush = new Flush(0);
      const expected = new Map<string, number>();
      for (const { name, zone, isSwapped, value } of list) {
        const attributes = isSwapped ? { zone, k: 1 } : { k: 1, zone };
        const checked = checkItem({ name, type: "counter", value, attributes }, nowMs);
        if (isProblem(checked)) throw new Error(checked.message);
        expect(flush.add(checked)).toBeUndefined();
        const key = `${name} ${zone}`;
        expected.set(key, (expected.get(key) ?? 0) + value);
      }
      const bytes = runSteps(flush.encode(undefined, times));
      const payload = createPayload("metrics", [bytes], [flush.points]);
      const found = new Map<string, number>();
      for (const metric of metricsOf(payload)) {
        for (const point of pointsOf(metric)) {
          const key = `${metric.name} ${String(point.attributes![1]!.value["stringValue"])}`;
          found.set(key, Number(point["asInt"]));
        }
      }
      expect(found).toEqual(expected);
    }),
  );
});

/** A JSON text, perhaps with a character replaced, taken out or doubled. */
const nearlyJson = fc
  .tuple(fc.json({ maxDepth: 5 }), fc.nat(), fc.constantFrom("", ",", "]", "}", '"', "1", "\\"))
  .map(([text, at, replacement]) => {
    const place = at % (text.length * 2);
    return place >= text.length ? text : text.slice(0, place) + replacement + text.slice(place + 1);
  });

test("the walker takes what JSON.parse takes", () => {
  fc.assert(
    fc.property(nearlyJson, (text) => {
      const isValid = (run: () => unknown) => {
        try {
          run();
          return true;
        } catch {
          return false;
        }
      };
      const walked = isValid(() => runSteps(new JsonWalker(Buffer.from(text)).walk()));
      expect(walked).toBe(isValid(() => JSON.parse(text)));
    }),
  );
});

/** Makes a body large without another meaning. */
const padding = " ".repeat(300_000);

function itemsOf(text: string): unknown {
  try {
    const { resource, items, itemCount } = runSteps(documentOf(Buffer.from(text), false, 100));
    const values = [...items].map((item) =>
      item.problem === undefined ? item.value : item.problem,
    );
    return { resource, values, itemCount };
  } catch (error) {
    if (error instanceof DocumentError) return error.problem.code;
    throw error;
  }
}

test.each([
  ["an array", `[${"1,".repeat(200_000)}1]`, false],
  ["an envelope", `{"metrics":[${"1,".repeat(200_000)}1]}`, false],
  ["NDJSON", "1\n".repeat(200_001), true],
])("of too many items in %s only the first are kept", (_, text, isNdjson) => {
  const { items, itemCount } = runSteps(documentOf(Buffer.from(text), isNdjson, 10));
  expect([itemCount, [...items].length]).toEqual([200_001, 10]);
});

test("a large body is cut into the items that JSON.parse finds", () => {
  const metrics = fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 5 });
  const body = fc.oneof(
    nearlyJson,
    metrics.map((list) => JSON.stringify(list)),
    fc
      .record({ resource: fc.jsonValue(), metrics, other: fc.jsonValue() }, { requiredKeys: [] })
      .map((value) => JSON.stringify(value)),
    metrics.map((list) => `{"metrics": [1, 2], "metrics": ${JSON.stringify(list)}}`),
  );
  fc.assert(
    fc.property(body, (text) => {
      expect(itemsOf(padding + text)).toEqual(itemsOf(text));
    }),
    { numRuns: 300 },
  );
});

test("any path is a group or refused with a text", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("job", "a", "x@base64", "YQ", "="));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const parsed = parsePushPath(`/metrics/job/${parts.join("/")}`);
      if (typeof parsed === "string") expect(parsed).not.toBe("");
      else expect(parsed.labels.get("job")).toBeTruthy();
    }),
  );
});
