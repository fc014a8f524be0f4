import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { concat } from "../../../../src/pdata/concat.ts";
import { countItems } from "../../../../src/pdata/count.ts";
import { createPayload, type Payload } from "../../../../src/pdata/payload.ts";
import type { Memos, Series } from "../../../../src/pdata/series/interned.ts";
import { SeriesInterner } from "../../../../src/pdata/series/interner.ts";
import type { Point } from "../../../../src/pdata/series/point.ts";
import { type Model, modelOf } from "../../../support/otlp-model.ts";
import { Dice, oddForm } from "../../../support/otlp-odd.ts";
import { lengthDelimited as ld, randomRequest, tag, varint } from "../../../support/otlp-random.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

interface Notes extends Memos {
  readonly resource: string;
  readonly scope: string;
  readonly metric: string;
  readonly series: string;
}

const payloadOf = (...requests: Uint8Array[]): Payload<"metrics"> =>
  concat(
    requests.map((bytes) => createPayload("metrics", [bytes], [countItems("metrics", bytes)])),
  );

const utf8 = (text: string) => Buffer.from(text);
const attribute = (field: number, key: string, value: string) =>
  ld(field, Buffer.concat([ld(1, utf8(key)), ld(2, ld(1, utf8(value)))]));
/** A request with a resource attribute and points with one attribute each. */
const requestOf = (resource: string, points: readonly string[], metric = "m") =>
  ld(
    1,
    Buffer.concat([
      ld(1, attribute(1, "r", resource)),
      ld(
        2,
        ld(
          2,
          Buffer.concat([
            ld(1, utf8(metric)),
            ld(5, Buffer.concat(points.map((value) => ld(1, attribute(7, "a", value))))),
          ]),
        ),
      ),
    ]),
  );

function seriesOf(interner: SeriesInterner<Notes>, payload: Payload<"metrics">): Series<Notes>[] {
  const found: Series<Notes>[] = [];
  interner.forEachPoint(payload, (point) => found.push(point.series));
  return found;
}

const valueOf = (series: Series<Notes>) => series.attributes().map(({ text }) => text);

describe("against a reference reader, on requests in odd forms", () => {
  const request = fc
    .record({ seed: fc.integer(), form: fc.integer(), isOdd: fc.boolean() })
    .map(({ seed, form, isOdd }) => {
      const plain = randomRequest("metrics", seed, { order: "ascending", unknown: false });
      return isOdd ? oddForm("ExportMetricsServiceRequest", plain, new Dice(form)) : plain;
    });

  test("every point has its series and its values, whatever the cache holds and forgets", () => {
    fc.assert(
      fc.property(
        fc.array(request, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 2000, 20_000, 1_000_000),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
        (requests, maxBytes, order) => {
          const interner = new SeriesInterner<Notes>(maxBytes);
          for (const at of order) {
            const parts = [requests[at % requests.length]!, requests[0]!];
            const payload = payloadOf(...parts);
            const before = parts.map((part) => part.toString("hex"));
            const seen: unknown[] = [];
            interner.forEachPoint(payload, (point) => seen.push(seenOf(point)));
            expect(seen).toEqual(parts.flatMap(expectedPoints));
            expect(seen).toHaveLength(payload.itemCount);
            expect(parts.map((part) => part.toString("hex"))).toEqual(before);
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});

/** What a point and its series say; each level's memo must be of the same content as its object. */
function seenOf(point: Point<Notes>): unknown {
  const { series } = point;
  const metric = series.parent;
  const scope = metric.parent;
  const resource = scope.parent;
  for (const level of [resource, scope, metric, series]) {
    level.memo ??= level.canonical;
    expect(level.memo).toBe(level.canonical);
  }
  return {
    resource: resource.attributes.map(keyOf).toSorted(),
    resourceUrl: resource.schemaUrl,
    scope: [scope.name, scope.version, scope.schemaUrl],
    scopeAttributes: scope.attributes.map(keyOf).toSorted(),
    metric: [metric.name, metric.description, metric.unit, metric.kind],
    temporality: metric.temporality,
    monotonic: metric.monotonic,
    metadata: metric.metadata.map(keyOf).toSorted(),
    attributes: series.attributes().map(keyOf).toSorted(),
    time: point.timeAt < 0 ? undefined : hexAt(point, point.timeAt),
    start: point.startTimeAt < 0 ? undefined : hexAt(point, point.startTimeAt),
    value: point.valueAt < 0 ? undefined : [point.valueIsInt, hexAt(point, point.valueAt)],
    hasExemplars: point.exemplarsAt >= 0,
    ended: point.noRecordedValue,
  };
}

const hexAt = ({ bytes }: Point<Notes>, at: number) =>
  Buffer.from(bytes.subarray(at, at + 8)).toString("hex");

const keyOf = ({ key, text, type }: { key: string; text: string; type: number }) =>
  JSON.stringify([key, type, type === 1 || type === 3 ? text : ""]);

const list = (model: Model, name: string) => (model[name] ?? []) as Model[];
const child = (model: Model, name: string) => (model[name] ?? {}) as Model;
const textOf = (model: Model, name: string) =>
  Buffer.from((model[name] as string | undefined) ?? "", "hex").toString();

const valueNames = [
  "",
  "stringValue",
  "boolValue",
  "intValue",
  "doubleValue",
  "arrayValue",
  "kvlistValue",
  "bytesValue",
];

/** As keyOf. */
const keys = (model: Model, name: string) =>
  list(model, name)
    .map((pair) => {
      const value = child(pair, "value");
      const type = Math.max(
        valueNames.findIndex((member) => value[member] !== undefined),
        0,
      );
      let text = "";
      if (type === 1) text = textOf(value, "stringValue");
      if (type === 3) text = BigInt.asIntN(64, BigInt(value["intValue"] as string)).toString();
      return JSON.stringify([textOf(pair, "key"), type, text]);
    })
    .toSorted();

const kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

function expectedPoints(request: Buffer): unknown[] {
  const model = modelOf("ExportMetricsServiceRequest", request);
  return list(model, "resourceMetrics").flatMap((resource) =>
    list(resource, "scopeMetrics").flatMap((scope) =>
      list(scope, "metrics").flatMap((metric) =>
        pointsOf(metric, {
          resource: keys(child(resource, "resource"), "attributes"),
          resourceUrl: textOf(resource, "schemaUrl"),
          scope: [
            textOf(child(scope, "scope"), "name"),
            textOf(child(scope, "scope"), "version"),
            textOf(scope, "schemaUrl"),
          ],
          scopeAttributes: keys(child(scope, "scope"), "attributes"),
        }),
      ),
    ),
  );
}

function pointsOf(metric: Model, around: object): unknown[] {
  const kind = kinds.find((name) => metric[name] !== undefined);
  if (kind === undefined) return [];
  const data = metric[kind] as Model;
  const temporality = Number(data["aggregationTemporality"] ?? 0);
  return list(data, "dataPoints").map((point) => ({
    ...around,
    metric: [textOf(metric, "name"), textOf(metric, "description"), textOf(metric, "unit"), kind],
    temporality: temporality > 2 ? 0 : temporality,
    monotonic: Number(data["isMonotonic"] ?? 0) !== 0,
    metadata: keys(metric, "metadata"),
    attributes: keys(point, "attributes"),
    time: point["timeUnixNano"],
    start: point["startTimeUnixNano"],
    value: numberOf(point),
    hasExemplars: list(point, "exemplars").length > 0,
    ended: (Number(point["flags"] ?? 0) & 1) === 1,
  }));
}

function numberOf(point: Model): unknown {
  if (point["asInt"] !== undefined) return [true, point["asInt"]];
  return point["asDouble"] === undefined ? undefined : [false, point["asDouble"]];
}

describe("recognition", () => {
  test("the same bytes are the same object, in any payload, in any order", () => {
    const interner = new SeriesInterner<Notes>();
    const [a, b] = seriesOf(interner, payloadOf(requestOf("x", ["1", "2"])));
    expect(seriesOf(interner, payloadOf(requestOf("x", ["2", "1", "1"])))).toEqual([b, a, a]);
    const [other] = seriesOf(interner, payloadOf(requestOf("y", ["1"])));
    expect(other).not.toBe(a);
    expect(other!.parent.parent.parent.attributes[0]!.text).toBe("y");
  });

  test("attributes scattered between other fields are those that stand together", () => {
    const [one, two] = [attribute(7, "a", "1"), attribute(7, "b", "2")];
    const time = Buffer.concat([tag(3, 1), Buffer.alloc(8, 1)]);
    const request = (point: Buffer[]) => ld(1, ld(2, ld(2, ld(5, ld(1, Buffer.concat(point))))));
    const interner = new SeriesInterner<Notes>();
    const [together] = seriesOf(interner, payloadOf(request([one, two, time])));
    const [scattered] = seriesOf(interner, payloadOf(request([one, time, two])));
    expect(scattered).toBe(together);
    const [turned] = seriesOf(interner, payloadOf(request([two, time, one])));
    expect(turned).not.toBe(together);
    expect(turned!.canonical).toBe(together!.canonical);
  });

  test("a schema URL is not the end of the resource", () => {
    const url = Buffer.concat([attribute(1, "r", "x"), ld(1, utf8("y"))]);
    const interner = new SeriesInterner<Notes>();
    const rest = ld(2, ld(2, ld(5, ld(1, Buffer.alloc(0)))));
    const [all] = seriesOf(interner, payloadOf(ld(1, Buffer.concat([ld(1, url), rest]))));
    const cut = attribute(1, "r", "x").length;
    const split = [ld(1, url.subarray(0, cut)), ld(3, url.subarray(cut)), rest];
    const [some] = seriesOf(interner, payloadOf(ld(1, Buffer.concat(split))));
    expect(some).not.toBe(all);
    expect(some!.parent.parent.parent.schemaUrl).toBe(url.subarray(cut).toString());
  });

  test("kind, temporality and monotonicity tell metrics apart; an unknown field does not", () => {
    const data = (field: number, ...traits: Buffer[]) =>
      ld(1, ld(2, ld(2, ld(field, Buffer.concat([ld(1, Buffer.alloc(0)), ...traits])))));
    const number = (field: number, value: bigint) => Buffer.concat([tag(field, 0), varint(value)]);
    const metricOf = (bytes: Buffer) => seriesOf(interner, payloadOf(bytes))[0]!.parent;
    const interner = new SeriesInterner<Notes>();
    const sums = [0n, 1n, 2n].flatMap((temporality) =>
      [0n, 1n].map((monotonic) => metricOf(data(7, number(2, temporality), number(3, monotonic)))),
    );
    expect(new Set(sums).size).toBe(6);
    expect(sums.map((m) => [m.temporality, m.monotonic])).toEqual([
      [0, false],
      [0, true],
      [1, false],
      [1, true],
      [2, false],
      [2, true],
    ]);
    // A gauge and a summary have neither, a histogram is not monotonic: such fields are unknown ones.
    for (const [field, temporality] of [
      [5, 0],
      [9, 2],
      [10, 2],
      [11, 0],
    ] as const) {
      const plain = metricOf(data(field, ...(temporality === 0 ? [] : [number(2, 2n)])));
      const odd = metricOf(data(field, number(2, 2n), number(3, 1n)));
      expect([odd.temporality, odd.monotonic]).toEqual([temporality, false]);
      expect(odd).toBe(plain);
    }
    // Unknown temporalities count as none.
    expect(metricOf(data(7, number(2, 3n))).temporality).toBe(0);
    expect(metricOf(data(7, number(2, 1n << 63n))).temporality).toBe(0);
  });

  test("a value given twice is merged: one without a member changes nothing", () => {
    const pair = ld(7, Buffer.concat([ld(1, utf8("k")), ld(2, ld(1, utf8("v"))), ld(2, utf8(""))]));
    const [series] = seriesOf(
      new SeriesInterner<Notes>(),
      payloadOf(ld(1, ld(2, ld(2, ld(5, ld(1, pair)))))),
    );
    expect(series!.attributes()).toEqual([{ key: "k", text: "v", type: 1 }]);
  });
});

test("texts that are not UTF-8 look alike and are different series all the same", () => {
  const series = [[0xe9], [0xe8], [0xef, 0xbf, 0xbd]].flatMap((bytes) => {
    const value = Buffer.concat([utf8("caf"), Buffer.from(bytes)]);
    const pair = Buffer.concat([ld(1, utf8("a")), ld(2, ld(1, value))]);
    const metric = Buffer.concat([ld(1, utf8("m")), ld(5, ld(1, ld(7, pair)))]);
    const request = ld(1, Buffer.concat([ld(1, attribute(1, "r", "x")), ld(2, ld(2, metric))]));
    return seriesOf(new SeriesInterner<Notes>(), payloadOf(request, request));
  });
  expect(new Set(series.map((one) => valueOf(one)[0]))).toEqual(new Set(["caf\uFFFD"]));
  const [latin1] = seriesOf(new SeriesInterner<Notes>(), payloadOf(requestOf("x", ["caf\u00e9"])));
  expect(new Set([...series, latin1!].map((one) => one.canonical)).size).toBe(4);
});

describe("bounds", () => {
  // A million, nightly.
  const thousands = process.env["NIGHTLY"] === "1" ? 1000 : 200;
  test(`${thousands},000 series stay within the bound, each with its own memo`, () => {
    const maxBytes = 1024 * 1024;
    const interner = new SeriesInterner<Notes>(maxBytes);
    // Numbers of one width, written over each other in place: a new payload for each block would take most of the time.
    const zeros = Array.from({ length: 1000 }, () => "0000000");
    const template = Buffer.alloc(requestOf("x", zeros).length);
    template.set(requestOf("x", zeros));
    const first = template.indexOf("0000000");
    const step = template.indexOf("0000000", first + 1) - first;
    const payload = createPayload("metrics", [template], [1000]);
    expect(payload.parts[0]).toBe(template);
    let wrong = 0;
    for (let block = 0; block < thousands; block++) {
      for (let i = 0; i < 1000; i++) {
        template.write(String(block * 1000 + i).padStart(7, "0"), first + i * step);
      }
      let number = block * 1000;
      interner.forEachPoint(payload, ({ series }) => {
        const value = String(number++).padStart(7, "0");
        if (series.memo !== undefined && series.memo !== value) wrong++;
        series.memo = value;
        if (number % 500 === 0 && valueOf(series)[0] !== value) wrong++;
      });
      if (interner.heldBytes > maxBytes) wrong++;
    }
    expect(wrong).toBe(0);
    expect(interner.heldBytes).toBeGreaterThan(maxBytes / 4);
  });

  test("a series that was evicted comes back as another object without its memo", () => {
    const interner = new SeriesInterner<Notes>(64 * 1024);
    const first = seriesOf(interner, payloadOf(requestOf("x", ["a"])))[0]!;
    first.memo = "noted";
    first.parent.memo = "noted";
    const others = Array.from({ length: 1000 }, (_, i) => `other${i}`);
    seriesOf(interner, payloadOf(requestOf("y", others)));
    const again = seriesOf(interner, payloadOf(requestOf("x", ["a"])))[0]!;
    expect(again).not.toBe(first);
    expect([again.memo, again.parent.memo, again.parent.parent.parent.memo]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    // Who still has the old one can read it.
    expect([first.canonical, valueOf(first)]).toEqual([again.canonical, ["a"]]);
  });

  test("what is used stays, however much passes by, and can be read wherever it moved", () => {
    const interner = new SeriesInterner<Notes>(256 * 1024);
    const used = payloadOf(requestOf("x", ["a", "b"]));
    const [a, b] = seriesOf(interner, used);
    a!.memo = "a";
    for (let i = 0; i < 500; i++) {
      const passing = Array.from({ length: 20 }, (_, n) => `passing ${i}-${n}`);
      seriesOf(interner, payloadOf(requestOf(`r${i}`, passing)));
      const [sameA, sameB] = seriesOf(interner, used);
      if (sameA !== a || sameB !== b) throw new Error(`lost in round ${i}`);
    }
    expect([valueOf(a!), valueOf(b!), a!.memo]).toEqual([["a"], ["b"], "a"]);
  });

  test("one payload larger than the cache: each point has its own series", () => {
    const interner = new SeriesInterner<Notes>(32 * 1024);
    const values = Array.from({ length: 2000 }, (_, i) => `v${i}`);
    const found = seriesOf(interner, payloadOf(requestOf("x", values)));
    expect(found.map((series) => valueOf(series)[0])).toEqual(values);
    expect(new Set(found.map((series) => series.parent)).size).toBe(1);
  });

  test.each([
    ["the same one, too large to be kept", () => "x".repeat(70_000)],
    ["others, too large to be kept", (i: number) => String(i).padStart(70_000)],
    ["others, just small enough", (i: number) => String(i).padStart(20_000)],
    ["others, a few kilobytes large", (i: number) => String(i).padStart(8000)],
  ])("resources do not outlive the bound: %s", async (_name, resource) => {
    const maxBytes = 256 * 1024;
    const interner = new SeriesInterner<Notes>(maxBytes);
    // A series that is met once and stays: what came after it must not hang on it.
    seriesOf(interner, payloadOf(requestOf("small", ["a"])));
    const all: WeakRef<object>[] = [];
    for (let i = 0; i < 100; i++) {
      const [series] = seriesOf(interner, payloadOf(requestOf(resource(i), ["a"])));
      all.push(new WeakRef(series!.parent.parent.parent));
      // WeakRefs hold their targets until the job that made them ends.
      if (i % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
    }
    collectGarbage();
    const alive = new Set(all.map((ref) => ref.deref()).filter((one) => one !== undefined));
    expect(alive.size * resource(0).length).toBeLessThan(2 * maxBytes);
  });
});
