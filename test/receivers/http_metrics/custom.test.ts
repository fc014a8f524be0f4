import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import { factory as bearerAuth } from "../../../extensions/bearer_token_auth/factory.ts";
import { Flush } from "../../../receivers/http_metrics/custom-flush.ts";
import { checkItem, isProblem } from "../../../receivers/http_metrics/custom-item.ts";
import { flushTimes } from "../../../receivers/http_metrics/custom-point.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";
import { closeAll, metricsOf, pointsOf, resourcesOf, startHttpMetrics } from "./support.ts";

afterEach(closeAll);

const nowMs = 1_700_000_000_000;
const nano = (ms: number) => `${ms}000000`;

interface Result {
  accepted: number;
  rejected: number;
  errors: {
    index: number | null;
    field: string | null;
    code: string;
    message: string;
    line?: number;
    column?: number;
  }[];
}
const resultOf = async (response: Response) => (await response.json()) as Result;

describe("what items become", () => {
  test("counter, gauge, timing, histogram of values and of buckets", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    await clock.advance(500);
    const response = await receiver.custom({
      resource: { "service.name": "shop", replicas: 3 },
      metrics: [
        {
          name: "signups",
          type: "counter",
          value: 2,
          unit: "1",
          description: "New users.",
          attributes: { plan: "free", paid: false, n: 1.5 },
        },
        { name: "temperature", type: "gauge", value: -0.5 },
        { name: "latency", type: "timing", value: 12 },
        { name: "size", type: "histogram", values: [1, 2, 0, -3] },
        {
          name: "wait",
          type: "histogram",
          count: 5,
          sum: 7.5,
          buckets: [
            { le: 1, count: 2 },
            { le: 5, count: 4 },
            { le: "+Inf", count: 5 },
          ],
        },
      ],
    });
    expect(response.status).toBe(200);
    expect(await resultOf(response)).toEqual({ accepted: 5, rejected: 0, errors: [] });
    const [resource] = resourcesOf(receiver.edge.payloads[0]);
    expect(resource!.resource!.attributes).toEqual([
      { key: "service.name", value: { stringValue: "shop" } },
      { key: "replicas", value: { intValue: "3" } },
    ]);
    expect(resource!.scopeMetrics[0]!.scope).toBeUndefined();
    const window = { startTimeUnixNano: nano(nowMs), timeUnixNano: nano(nowMs + 500) };
    expect(resource!.scopeMetrics[0]!.metrics).toEqual([
      {
        name: "signups",
        unit: "1",
        description: "New users.",
        sum: {
          aggregationTemporality: 1,
          isMonotonic: true,
          dataPoints: [
            {
              ...window,
              asInt: "2",
              attributes: [
                { key: "n", value: { doubleValue: 1.5 } },
                { key: "paid", value: { boolValue: false } },
                { key: "plan", value: { stringValue: "free" } },
              ],
            },
          ],
        },
      },
      {
        name: "temperature",
        gauge: { dataPoints: [{ timeUnixNano: nano(nowMs + 500), asDouble: -0.5 }] },
      },
      {
        name: "latency",
        unit: "ms",
        exponentialHistogram: {
          aggregationTemporality: 1,
          dataPoints: [
            {
              ...window,
              count: "1",
              sum: 12,
              scale: 5,
              positive: { offset: 114, bucketCounts: ["1"] },
              min: 12,
              max: 12,
            },
          ],
        },
      },
      {
        name: "size",
        exponentialHistogram: {
          aggregationTemporality: 1,
          dataPoints: [
            {
              ...window,
              count: "4",
              sum: 0,
              scale: 5,
              zeroCount: "1",
              positive: {
                offset: -1,
                bucketCounts: ["1", ...Array.from({ length: 31 }, () => "0"), "1"],
              },
              negative: { offset: 50, bucketCounts: ["1"] },
              min: -3,
              max: 2,
            },
          ],
        },
      },
      {
        name: "wait",
        histogram: {
          aggregationTemporality: 1,
          dataPoints: [
            {
              ...window,
              count: "5",
              sum: 7.5,
              bucketCounts: ["2", "2", "1"],
              explicitBounds: [1, 5],
            },
          ],
        },
      },
    ]);
  });

  test("items of one series and time are one point", async () => {
    const receiver = await startHttpMetrics();
    await receiver.custom([
      { name: "c", type: "counter", value: 1, attributes: { a: "1", b: "2" } },
      { name: "g", type: "gauge", value: 1 },
      { name: "c", type: "counter", value: 2, attributes: { b: "2", a: "1" } },
      { name: "g", type: "gauge", value: 5 },
      { name: "t", type: "timing", value: 1 },
      { name: "t", type: "timing", values: [2, 3] },
      { name: "h", type: "histogram", count: 1, sum: 1, buckets: [{ le: 1, count: 1 }] },
      { name: "h", type: "histogram", count: 2, buckets: [{ le: 1, count: 0 }] },
      {
        name: "c",
        type: "counter",
        value: 4,
        attributes: { a: "1", b: "2" },
        timestamp: 1_600_000_000,
      },
      { name: "c", type: "counter", value: 8 },
    ]);
    const points = metricsOf(receiver.edge.payloads[0]).map((metric) => pointsOf(metric));
    expect(points.map((list) => list.map(({ asInt, count }) => asInt ?? count))).toEqual([
      ["3", "4", "8"],
      ["5"],
      ["3"],
      ["3"],
    ]);
    expect(points[3]![0]).toMatchObject({ bucketCounts: ["1", "2"] });
    expect(points[3]![0]).not.toHaveProperty("sum");
  });

  test("a timestamp is the point's time, without a start", async () => {
    const receiver = await startHttpMetrics({}, { clock: new FakeClock(nowMs) });
    await receiver.custom([
      { name: "a", type: "counter", value: 1, timestamp: "2023-11-14T22:13:20.123456789+00:00" },
      { name: "b", type: "counter", value: 1, timestamp: 1_699_999_999.25 },
    ]);
    const [a, b] = metricsOf(receiver.edge.payloads[0]).map((metric) => pointsOf(metric)[0]);
    expect(a).toEqual({ timeUnixNano: "1700000000123456789", asInt: "1" });
    expect(b).toEqual({ timeUnixNano: "1699999999250000000", asInt: "1" });
  });
});

describe("windows", () => {
  const windowsOf = (receiver: Awaited<ReturnType<typeof startHttpMetrics>>) =>
    receiver.edge.payloads.map((payload) => {
      const { startTimeUnixNano, timeUnixNano } = pointsOf(metricsOf(payload)[0]!)[0]!;
      return [BigInt(startTimeUnixNano!), BigInt(timeUnixNano!)];
    });
  const counter = { name: "c", type: "counter", value: 1 };

  test("begin where the last accepted one ended, and no two have one time", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    await receiver.custom(counter);
    await receiver.custom(counter);
    await clock.advance(1000);
    receiver.edge.refusal = new TelemetryError("QUEUE_FULL", "full", { retryable: true });
    expect((await receiver.custom(counter)).status).toBe(503);
    receiver.edge.refusal = undefined;
    await clock.advance(1000);
    await receiver.custom(counter);
    const start = BigInt(nowMs) * 1_000_000n;
    expect(windowsOf(receiver)).toEqual([
      [start, start + 1n],
      [start + 1n, start + 2n],
      [start + 2n, start + 2_000_000_000n],
    ]);
  });
});

describe("bodies", () => {
  const item = { name: "a", type: "gauge", value: 1 };
  test.each([
    ["one metric", JSON.stringify(item), "application/json", 1],
    ["an array", JSON.stringify([item, item]), "application/json; charset=utf-8", 2],
    ["a batch", JSON.stringify({ metrics: [item, item, item] }), "application/json", 3],
    ["NDJSON", `${JSON.stringify(item)}\n\r\n${JSON.stringify(item)}`, "application/x-ndjson", 2],
  ])("%s", async (_, body, type, accepted) => {
    const receiver = await startHttpMetrics();
    const response = await receiver.custom(body, { "content-type": type });
    expect(response.status).toBe(200);
    expect(await resultOf(response)).toMatchObject({ accepted });
  });

  test("no Content-Type is JSON; gzip and zstd are taken", async () => {
    const receiver = await startHttpMetrics();
    const plain = await fetch(`${receiver.url}/v1/metrics/custom`, {
      method: "POST",
      body: Buffer.from(JSON.stringify(item)),
    });
    expect(plain.status).toBe(200);
    for (const [coding, bytes] of [
      ["gzip", gzipSync(JSON.stringify(item))],
      ["zstd", zstdCompressSync(JSON.stringify(item))],
    ] as const) {
      const response = await receiver.custom(Uint8Array.from(bytes), {
        "content-encoding": coding,
      });
      expect(response.status).toBe(200);
    }
    expect(receiver.edge.payloads).toHaveLength(3);
  });

  test("a large body is cut into its items and means the same", async () => {
    const receiver = await startHttpMetrics();
    const items = Array.from({ length: 3000 }, (_, i) => ({
      name: `m${i % 7}`,
      type: "counter",
      value: 1,
      attributes: { text: `ü "${"x".repeat(100)}"`, i },
    }));
    for (const body of [items, { resource: { a: "b" }, metrics: items }]) {
      const response = await receiver.custom(JSON.stringify(body, null, 1));
      expect(await resultOf(response)).toEqual({ accepted: 3000, rejected: 0, errors: [] });
    }
    const [first, second] = receiver.edge.payloads.map((payload) =>
      resourcesOf(payload)[0]!.scopeMetrics[0]!.metrics.map(({ name }) => name),
    );
    expect(first).toEqual(second);
    expect(receiver.edge.sizes).toEqual([3000, 3000]);
    expect(receiver.budget.usedBytes).toBe(0);
  });
});

describe("bad items are told apart from good ones", () => {
  const long = (length: number) => "x".repeat(length);
  const ok = { name: "ok", type: "counter", value: 1 };
  const base = { name: "a", type: "gauge", value: 1 };
  const histogram = { name: "h", type: "histogram" };
  test.each<[unknown, string | null, string]>([
    [17, null, "wrong_type"],
    [null, null, "wrong_type"],
    [[], null, "wrong_type"],
    [{ ...base, name: undefined }, "name", "required"],
    [{ ...base, name: "" }, "name", "out_of_range"],
    [{ ...base, name: long(256) }, "name", "out_of_range"],
    [{ ...base, name: "a\nb" }, "name", "out_of_range"],
    [{ ...base, name: 1 }, "name", "wrong_type"],
    [{ ...base, type: undefined }, "type", "required"],
    [{ ...base, type: "guage" }, "type", "unknown_type"],
    [{ ...base, value: undefined }, "value", "required"],
    [{ ...base, value: "1" }, "value", "wrong_type"],
    [{ ...base, value: null }, "value", "wrong_type"],
    [{ ...ok, name: "b", value: -1 }, "value", "negative"],
    [{ ...base, values: [1] }, "values", "not_allowed"],
    [{ ...histogram, value: 1, values: [1] }, "values", "not_allowed"],
    [{ ...histogram, values: [] }, "values", "out_of_range"],
    [{ ...histogram, values: Array.from({ length: 10_001 }, () => 1) }, "values", "out_of_range"],
    [{ ...histogram, values: [1, "2"] }, "values[1]", "wrong_type"],
    [{ ...histogram, values: [1e308, 1e308] }, "values", "overflow"],
    [{ ...histogram, count: 1 }, "buckets", "required"],
    [{ ...histogram, buckets: [] }, "count", "required"],
    [{ ...base, count: 1 }, "count", "not_allowed"],
    [{ ...histogram, value: 1, count: 1, buckets: [] }, "buckets", "not_allowed"],
    [{ ...histogram, count: 1.5, buckets: [] }, "count", "out_of_range"],
    [
      {
        ...histogram,
        count: 3,
        buckets: [
          { le: 2, count: 1 },
          { le: 1, count: 1 },
        ],
      },
      "buckets[1].le",
      "out_of_range",
    ],
    [
      {
        ...histogram,
        count: 3,
        buckets: [
          { le: 1, count: 2 },
          { le: 2, count: 1 },
        ],
      },
      "buckets[1].count",
      "out_of_range",
    ],
    [
      { ...histogram, count: 1, buckets: [{ le: 1, count: 2 }] },
      "buckets[0].count",
      "out_of_range",
    ],
    [
      { ...histogram, count: 3, buckets: [{ le: "+Inf", count: 2 }] },
      "buckets[0].count",
      "out_of_range",
    ],
    [{ ...histogram, count: 3, buckets: [{ le: 1, cuont: 2 }] }, "buckets[0]", "unknown_field"],
    [{ ...base, attributes: [] }, "attributes", "wrong_type"],
    [{ ...base, attributes: { a: null } }, "attributes.a", "wrong_type"],
    [{ ...base, attributes: { "": "x" } }, "attributes", "out_of_range"],
    [{ ...base, attributes: { a: long(4097) } }, "attributes.a", "out_of_range"],
    [
      {
        ...base,
        attributes: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i])),
      },
      "attributes",
      "out_of_range",
    ],
    [{ ...base, timestamp: "yesterday" }, "timestamp", "timestamp"],
    [{ ...base, timestamp: "2026-02-30T00:00:00Z" }, "timestamp", "timestamp"],
    [{ ...base, timestamp: "2023-02-27T24:00:00Z" }, "timestamp", "timestamp"],
    [{ ...base, timestamp: nowMs }, "timestamp", "timestamp"],
    [{ ...base, timestamp: nowMs / 1000 + 601 }, "timestamp", "timestamp"],
    [{ ...base, timestamp: -5 }, "timestamp", "timestamp"],
    [{ ...base, unit: long(64) }, "unit", "out_of_range"],
    [{ ...base, unit: "😀".repeat(64) }, "unit", "out_of_range"],
    [{ ...base, description: long(1025) }, "description", "out_of_range"],
    [{ ...base, description: null }, "description", "wrong_type"],
    [{ ...base, vlaue: 1 }, "vlaue", "unknown_field"],
    [{ ...base, name: "ok" }, "type", "type_conflict"],
  ])("bad item %#", async (bad, field, code) => {
    const receiver = await startHttpMetrics({}, { clock: new FakeClock(nowMs) });
    const response = await receiver.custom([ok, bad, { ...ok, value: 2 }]);
    expect(response.status).toBe(207);
    expect(await resultOf(response)).toMatchObject({
      accepted: 2,
      rejected: 1,
      errors: [{ index: 1, field, code }],
    });
    expect(pointsOf(metricsOf(receiver.edge.payloads[0])[0]!)[0]).toMatchObject({ asInt: "3" });
    expect(receiver.edge.payloads[0]!.itemCount).toBe(1);
    const labels = { receiver: "http_metrics", api: "custom", reason: code };
    expect(receiver.meter.value("rmt_http_metrics_refused", labels)).toBe(1);
    expect(receiver.said).toHaveLength(1);
  });

  test("lengths are counted in characters, not in UTF-16 units", async () => {
    const receiver = await startHttpMetrics();
    const text = (length: number) => "😀".repeat(length);
    const response = await receiver.custom({
      ...base,
      name: text(255),
      attributes: { [text(255)]: text(4096) },
      unit: text(63),
      description: text(1024),
    });
    expect(response.status).toBe(200);
  });

  test("a suggestion comes with an unknown field, and a hint with milliseconds", async () => {
    const receiver = await startHttpMetrics();
    const { errors } = await resultOf(
      await receiver.custom([
        { ...base, vlaue: 1 },
        { ...base, timestamp: Date.now() },
      ]),
    );
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining('did you mean "value"?'),
      expect.stringContaining("looks like milliseconds"),
    ]);
  });

  test("an overflow that JSON hides is not finite", async () => {
    const receiver = await startHttpMetrics();
    const response = await receiver.custom('[{"name":"a","type":"gauge","value":1e999}]');
    expect(response.status).toBe(400);
    expect(await resultOf(response)).toMatchObject({ errors: [{ code: "not_finite" }] });
  });

  test("increments whose sum overflows: the one before stands", async () => {
    const receiver = await startHttpMetrics();
    const big = { name: "c", type: "counter", value: 1.7e308 };
    const response = await receiver.custom([big, big]);
    expect(await resultOf(response)).toMatchObject({
      accepted: 1,
      errors: [{ index: 1, code: "overflow" }],
    });
    expect(pointsOf(metricsOf(receiver.edge.payloads[0])[0]!)[0]).toMatchObject({
      asDouble: 1.7e308,
    });
  });

  test("the first hundred errors are listed, all are counted, each reason is logged once", async () => {
    const receiver = await startHttpMetrics();
    const bad = Array.from({ length: 250 }, () => ({ ...base, value: "x" }));
    const result = await resultOf(await receiver.custom([...bad, ok]));
    expect(result).toMatchObject({ accepted: 1, rejected: 250 });
    expect(result.errors).toHaveLength(100);
    const labels = { receiver: "http_metrics", api: "custom", reason: "wrong_type" };
    expect(receiver.meter.value("rmt_http_metrics_refused", labels)).toBe(250);
    expect(receiver.said).toHaveLength(1);
  });

  test("of NDJSON a malformed line harms no other", async () => {
    const receiver = await startHttpMetrics();
    const body = `${JSON.stringify(ok)}\n\n{"name": "b", "value": NaN}\n${JSON.stringify(ok)}\n`;
    const response = await receiver.custom(body, { "content-type": "application/x-ndjson" });
    expect(response.status).toBe(207);
    expect(await resultOf(response)).toMatchObject({
      accepted: 2,
      errors: [{ index: 1, code: "malformed_json", line: 3, column: 24 }],
    });
  });
});

describe("requests that are refused whole", () => {
  test.each<[string, unknown, number, object]>([
    [
      "NaN",
      '[\n {"name": "ü", "value": NaN}]',
      400,
      { code: "malformed_json", index: null, line: 2, column: 25 },
    ],
    ["a cut body", '[{"name": "a"', 400, { code: "malformed_json", line: 1, column: 14 }],
    ["nothing", "", 400, { code: "malformed_json", line: 1, column: 1 }],
    ["depth", "[".repeat(100_000), 400, { code: "malformed_json" }],
    ["no UTF-8", Uint8Array.of(0x22, 0xff, 0x22), 400, { code: "not_utf8" }],
    ["a text", '"a"', 400, { code: "wrong_type" }],
    ["no metrics", [], 400, { code: "empty" }],
    ["metrics that are no list", { metrics: {} }, 400, { code: "wrong_type", field: "metrics" }],
    [
      "something beside metrics",
      { metrics: [], scope: {} },
      400,
      { code: "unknown_field", field: "scope" },
    ],
    [
      "a bad resource",
      { resource: { a: {} }, metrics: [{}] },
      400,
      { code: "wrong_type", field: "resource.a" },
    ],
    ["too many", Array.from({ length: 11 }, () => ({})), 413, { code: "too_many_points" }],
    ["a large body", `[${" ".repeat(400_000)}`, 400, { code: "malformed_json", line: 1 }],
    ["a body above the limit", `[${" ".repeat(1_100_000)}]`, 413, { code: "too_large" }],
  ])("%s", async (_, body, status, error) => {
    const receiver = await startHttpMetrics({
      custom: { max_points: 10 },
      max_request_body_size: 1_000_000,
    });
    const response = await receiver.custom(body);
    expect(response.status).toBe(status);
    expect(await resultOf(response)).toMatchObject({ accepted: 0, errors: [error] });
    expect(receiver.edge.calls).toBe(0);
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test("a megabyte of blanks in front is malformed too", async () => {
    const receiver = await startHttpMetrics();
    const response = await receiver.custom(`${" ".repeat(1_100_000)}[]`);
    expect(response.status).toBe(400);
    expect(await resultOf(response)).toMatchObject({
      errors: [{ index: null, code: "malformed_json", line: 1 }],
    });
  });

  test("a text of ten megabytes costs its sender the item, and nobody else anything", async () => {
    const receiver = await startHttpMetrics();
    const huge = { name: "a", type: "gauge", value: 1, attributes: { a: "x".repeat(10_000_000) } };
    const response = await receiver.custom([huge, { name: "b", type: "gauge", value: 1 }]);
    expect(response.status).toBe(207);
    expect(await resultOf(response)).toMatchObject({
      accepted: 1,
      errors: [{ code: "too_large" }],
    });
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test("other methods, types and codings", async () => {
    const receiver = await startHttpMetrics();
    const get = await fetch(`${receiver.url}/v1/metrics/custom`);
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
    expect((await receiver.custom("a", { "content-type": "text/plain" })).status).toBe(415);
    expect((await receiver.custom("a", { "content-encoding": "br" })).status).toBe(415);
    expect((await fetch(`${receiver.url}/v1/metrics`)).status).toBe(404);
  });

  test("what the pipeline refuses is told with Retry-After, and nothing is kept", async () => {
    const receiver = await startHttpMetrics();
    receiver.edge.refusal = new TelemetryError("QUEUE_FULL", "sending queue is full", {
      retryable: true,
      retryAfterMs: 2500,
    });
    const response = await receiver.custom({ name: "a", type: "gauge", value: 1 });
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "3"]);
    receiver.edge.refusal = new TelemetryError("INTERNAL", "broken");
    expect((await receiver.custom({ name: "a", type: "gauge", value: 1 })).status).toBe(500);
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test("a full memory budget refuses", async () => {
    const receiver = await startHttpMetrics({}, { budgetBytes: 1000 });
    const response = await receiver.custom(
      Array.from({ length: 10 }, () => ({ name: "a", type: "gauge", value: 1 })),
    );
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(receiver.budget.usedBytes).toBe(0);
  });
});

describe("Idempotency-Key", () => {
  const item = { name: "c", type: "counter", value: 1 };
  test("the same request is counted once, and answered as before", async () => {
    const receiver = await startHttpMetrics();
    const key = { "idempotency-key": "k1" };
    const first = await receiver.custom([item, {}], key);
    const second = await receiver.custom([item, {}], key);
    expect([first.status, second.status]).toEqual([207, 207]);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    expect(await second.text()).toBe(await first.text());
    expect((await receiver.custom([item], key)).status).toBe(422);
    expect(receiver.edge.calls).toBe(1);
  });

  test("in flight: 409; refused: may be sent again", async () => {
    const receiver = await startHttpMetrics();
    const key = { "idempotency-key": "k1" };
    receiver.edge.isSlow = true;
    const first = receiver.custom(item, key);
    await receiver.edgeCalls(1);
    const second = await receiver.custom(item, key);
    expect([second.status, second.headers.get("retry-after")]).toEqual([409, "1"]);
    receiver.edge.refusal = new TelemetryError("NOT_READY", "later", { retryable: true });
    receiver.edge.answer();
    expect((await first).status).toBe(503);
    receiver.edge.refusal = undefined;
    receiver.edge.isSlow = false;
    const third = await receiver.custom(item, key);
    expect([third.status, third.headers.get("idempotent-replayed")]).toEqual([200, null]);
  });

  test("a key ends after its time, and keys are bounded", async () => {
    const clock = new FakeClock(nowMs);
    const custom = { idempotency_ttl: "1m", idempotency_max_keys: 2 };
    const receiver = await startHttpMetrics({ custom }, { clock });
    const send = async (key: string) =>
      (await receiver.custom(item, { "idempotency-key": key })).headers.get("idempotent-replayed");
    expect([await send("a"), await send("a")]).toEqual([null, "true"]);
    await clock.advance(61_000);
    expect([await send("a"), await send("b"), await send("c")]).toEqual([null, null, null]);
    expect([await send("c"), await send("a")]).toEqual(["true", null]);
  });

  test("a key that is too long is refused", async () => {
    const receiver = await startHttpMetrics();
    const response = await receiver.custom(item, { "idempotency-key": "k".repeat(256) });
    expect(response.status).toBe(400);
  });
});

test("the OpenAPI document says what is served", async () => {
  const receiver = await startHttpMetrics();
  const response = await fetch(`${receiver.url}/v1/metrics/custom/openapi.json`);
  const document = (await response.json()) as {
    openapi: string;
    paths: Record<string, { post: { responses: object } }>;
    components: { schemas: { Metric: { properties: object; required: string[] } } };
  };
  expect(document.openapi).toBe("3.1.0");
  const { responses } = document.paths["/v1/metrics/custom"]!.post;
  expect(Object.keys(responses).map(Number)).toEqual([
    200, 207, 400, 401, 405, 408, 409, 413, 415, 422, 429, 500, 503,
  ]);
  const { properties, required } = document.components.schemas.Metric;
  expect(required).toEqual(["name", "type"]);
  expect(Object.keys(properties).toSorted()).toEqual([
    "attributes",
    "buckets",
    "count",
    "description",
    "name",
    "sum",
    "timestamp",
    "type",
    "unit",
    "value",
    "values",
  ]);
  const post = await fetch(`${receiver.url}/v1/metrics/custom/openapi.json`, { method: "POST" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("rate_limit refuses what comes too fast, by address", async () => {
  const clock = new FakeClock(nowMs);
  const rate_limit = { requests_per_second: 2, burst: 3 };
  const receiver = await startHttpMetrics({ rate_limit }, { clock });
  const item = { name: "c", type: "counter", value: 1 };
  const send = async () => (await receiver.custom(item)).status;
  expect([await send(), await send(), await send(), await send()]).toEqual([200, 200, 200, 429]);
  const refused = await receiver.push("PUT", "job/a", "");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  await clock.advance(500);
  expect([await send(), await send()]).toEqual([200, 429]);
});

test("requests without valid credentials are 401, and identities have keys of their own", async () => {
  const settings = testSettings();
  const config = bearerAuth.config.parse({ tokens: ["a", "b"] });
  const { offers } = bearerAuth.create({ config, settings });
  const keys = { auth: { authenticator: "bearer" } };
  const receiver = await startHttpMetrics(keys, { use: () => offers });
  const item = { name: "c", type: "counter", value: 1 };
  expect((await receiver.custom(item)).status).toBe(401);
  expect((await receiver.push("PUT", "job/a", "")).status).toBe(401);
  const send = async (token: string) => {
    const headers = { authorization: `Bearer ${token}`, "idempotency-key": "same" };
    return (await receiver.custom(item, headers)).headers.get("idempotent-replayed");
  };
  expect([await send("a"), await send("b"), await send("a")]).toEqual([null, null, "true"]);
});

describe("large requests", () => {
  const counters = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      name: `c${i % 50}`,
      type: "counter",
      value: 1,
      attributes: { i },
    }));

  test("are written in steps", () => {
    const flush = new Flush(1_000_000);
    for (const raw of counters(20_000)) {
      const item = checkItem(raw, nowMs);
      if (isProblem(item)) throw new Error(item.message);
      flush.add(item);
    }
    expect([...flush.encode(undefined, flushTimes(1n, 2n))].length).toBeGreaterThan(40);
  });

  test("leave in the order of their windows, whatever comes while they are written", async () => {
    const receiver = await startHttpMetrics({ custom: { max_points: 40_000 } });
    const large = receiver.custom(counters(40_000));
    let isDone = false;
    const whole = large.finally(() => (isDone = true));
    while (!isDone) await Promise.all([receiver.custom(counters(1)), receiver.custom(counters(2))]);
    expect((await whole).status).toBe(200);
    await receiver.custom(counters(1));
    const windows = receiver.edge.payloads.map((payload) => pointsOf(metricsOf(payload)[0]!)[0]!);
    expect(windows.length).toBeGreaterThan(2);
    for (const [i, { startTimeUnixNano }] of windows.entries()) {
      if (i > 0) expect(startTimeUnixNano).toBe(windows[i - 1]!.timeUnixNano);
    }
  });
});
