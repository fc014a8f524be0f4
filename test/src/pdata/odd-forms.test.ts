/** Every operation on payloads, on requests in odd but legal forms, against the same done to plain objects. */

import { crc32 } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { concat } from "../../../src/pdata/concat.ts";
import { countItems } from "../../../src/pdata/count.ts";
import { type MessageName, requestMessages } from "../../../src/pdata/otlp-schema.ts";
import { createPayload, type Payload, type Signal, signals } from "../../../src/pdata/payload.ts";
import { normalise } from "../../../src/pdata/regular.ts";
import {
  drop,
  keep,
  type Place,
  type Rewriter,
  replaced,
  rewrite,
  type Verdict,
} from "../../../src/pdata/rewrite.ts";
import { select } from "../../../src/pdata/select.ts";
import { split } from "../../../src/pdata/split.ts";
import { verify, verifyAndNormalise } from "../../../src/pdata/verify.ts";
import type { Writer } from "../../../src/pdata/wire.ts";
import { type Model, modelOf } from "../../support/otlp-model.ts";
import { Dice, oddForm } from "../../support/otlp-odd.ts";
import { lengthDelimited as ld, randomRequest } from "../../support/otlp-random.ts";

const oddRequest = (signal: Signal, seed: number): Buffer =>
  oddForm(
    requestMessages[signal],
    randomRequest(signal, seed, { order: "shuffled", unknown: true }),
    new Dice(seed),
  );

interface Case {
  readonly payload: Payload;
  /** Of each part. */
  readonly models: Model[];
}

/** Payloads of several requests of several parts, regular ones and others. */
const caseOf = (signal: Signal): fc.Arbitrary<Case> =>
  fc
    .record({
      requests: fc.array(fc.array(fc.integer(), { minLength: 1, maxLength: 2 }), {
        minLength: 1,
        maxLength: 3,
      }),
      isNormal: fc.boolean(),
    })
    .map(({ requests, isNormal }) => {
      const payloads = requests.map((seeds) => {
        const parts = seeds.map((seed) => {
          const bytes = oddRequest(signal, seed);
          return isNormal ? verifyAndNormalise(signal, bytes).bytes : bytes;
        });
        return createPayload(
          signal,
          parts,
          parts.map((part) => verify(signal, part)),
        );
      });
      const payload = concat(payloads);
      return { payload, models: payload.parts.map((part) => requestModel(signal, part)) };
    });

const requestModel = (signal: Signal, bytes: Uint8Array) => modelOf(requestMessages[signal], bytes);

/** Names of the lists on the way to the items. */
const lists = {
  traces: ["resourceSpans", "scopeSpans", "spans"],
  metrics: ["resourceMetrics", "scopeMetrics", "metrics"],
  logs: ["resourceLogs", "scopeLogs", "logRecords"],
} as const;
const dataNames = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] as const;
const pointMessages: Readonly<Record<string, MessageName>> = {
  gauge: "NumberDataPoint",
  sum: "NumberDataPoint",
  histogram: "HistogramDataPoint",
  exponentialHistogram: "ExponentialHistogramDataPoint",
  summary: "SummaryDataPoint",
};

const listOf = (model: Model, name: string): Model[] => (model[name] ?? []) as Model[];
const dataOf = (metric: Model) => dataNames.find((name) => metric[name] !== undefined);

/** Each item with all that is around it. */
function itemsOf(signal: Signal, request: Model): unknown[] {
  const [resources, scopes, members] = lists[signal];
  return listOf(request, resources).flatMap((resource) =>
    listOf(resource, scopes).flatMap((scope) => {
      const around = [
        { ...resource, [scopes]: undefined },
        { ...scope, [members]: undefined },
      ];
      return listOf(scope, members).flatMap((member): unknown[] => {
        if (signal !== "metrics") return [[...around, member]];
        const name = dataOf(member);
        if (name === undefined) return [];
        const data = member[name] as Model;
        const frame = { ...member, [name]: { ...data, dataPoints: undefined } };
        return listOf(data, "dataPoints").map((point) => [...around, frame, point]);
      });
    }),
  );
}

const allItems = (signal: Signal, models: readonly Model[]) =>
  models.flatMap((model) => itemsOf(signal, model));

/** The models of a payload that is one in its own right, with the items it says. */
function checkedModels({ signal, parts, partItems, itemCount, seams }: Payload): Model[] {
  const models = parts.map((part) => requestModel(signal, part));
  expect([...partItems]).toEqual(models.map((model) => itemsOf(signal, model).length));
  expect([...partItems]).toEqual(parts.map((part) => verify(signal, part)));
  expect(itemCount).toBe(partItems.reduce((a, b) => a + b, 0));
  expect([...seams]).toEqual([...new Set(seams)].toSorted((a, b) => a - b));
  expect(seams[0]).toBe(parts.length > 0 ? 0 : undefined);
  return models;
}

/** Runs it and sees to it that the input's bytes stay as they are. */
function untouched<R>(payload: Payload, run: () => R): R {
  const before = payload.parts.map((part) => Buffer.from(part).toString("hex"));
  const result = run();
  expect(payload.parts.map((part) => Buffer.from(part).toString("hex"))).toEqual(before);
  return result;
}

describe.each(signals)("odd forms of %s", (signal) => {
  test("mean the same to the reference reader: the generator is right", () => {
    let different = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const plain = randomRequest(signal, seed, { order: "ascending", unknown: false });
        const odd = oddForm(requestMessages[signal], plain, new Dice(seed));
        if (!odd.equals(plain)) different++;
        expect(withoutUnknown(requestModel(signal, odd))).toEqual(requestModel(signal, plain));
      }),
      { numRuns: 50 },
    );
    expect(different).toBeGreaterThan(20);
  });

  test("are counted, and normalised without a change of meaning", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const bytes = oddRequest(signal, seed);
        const model = requestModel(signal, bytes);
        expect(countItems(signal, bytes)).toBe(itemsOf(signal, model).length);
        const normal = untouched(createPayload(signal, [bytes], [0]), () =>
          normalise(signal, bytes),
        );
        expect(requestModel(signal, normal)).toEqual(model);
        expect(countItems(signal, normal)).toBe(itemsOf(signal, model).length);
        // The regular form is regular: nothing is left to do.
        expect(verifyAndNormalise(signal, normal).bytes).toBe(normal);
      }),
      { numRuns: 80 },
    );
  });

  test("rewriting at every level does what the same does to objects", () => {
    fc.assert(
      fc.property(caseOf(signal), fc.integer(), fc.subarray([...levels]), (one, salt, asked) => {
        const result = untouched(one.payload, () => rewrite(one.payload, rewriterOf(salt, asked)));
        const expected = one.models.map((model) => modelRewrite(signal, model, salt, asked));
        const left = expected.filter((model) => model !== undefined);
        if (left.length === 0) return expect(result).toBeUndefined();
        expect(checkedModels(result!)).toEqual(left);
        expect([...result!.seams]).toEqual(seamsOf(one.payload, expected));
      }),
      { numRuns: 80 },
    );
  });

  test("select takes the chosen items", () => {
    fc.assert(
      fc.property(caseOf(signal), fc.integer({ min: 0, max: 255 }), ({ payload, models }, mask) => {
        const chosen = (i: number) => ((mask >> (i % 8)) & 1) === 1;
        const result = untouched(payload, () => select(payload, chosen));
        const left = result === undefined ? [] : checkedModels(result);
        expect(allItems(signal, left)).toEqual(
          allItems(signal, models).filter((_item, i) => chosen(i)),
        );
      }),
      { numRuns: 50 },
    );
  });

  test("split loses and changes nothing", () => {
    fc.assert(
      fc.property(
        caseOf(signal),
        fc.record(
          { maxItems: fc.integer({ min: 1, max: 9 }), maxBytes: fc.integer({ min: 1, max: 4000 }) },
          { requiredKeys: [] },
        ),
        ({ payload, models }, limit) => {
          const pieces = untouched(payload, () => split(payload, limit));
          expect(pieces.flatMap((piece) => allItems(signal, checkedModels(piece)))).toEqual(
            allItems(signal, models),
          );
          const { maxItems = Infinity, maxBytes = Infinity } = limit;
          for (const piece of pieces) {
            expect(piece.itemCount).toBeLessThanOrEqual(maxItems);
            expect(piece.byteLength <= maxBytes || piece.itemCount <= 1).toBe(true);
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});

function withoutUnknown<T>(model: T): T {
  return JSON.parse(
    JSON.stringify(model, (key, value: unknown) => (key === "unknown" ? undefined : value)),
  ) as T;
}

const levels = ["resource", "scope", "metric", "item"] as const;
type Level = (typeof levels)[number];

const mark = ld(999, Buffer.from("mark"));
const markText = `999/2/${Buffer.from("mark").toString("hex")}`;

/** What happens to a message follows from its meaning, so that it does not matter how often it is asked. */
function verdictOf(level: Level, model: Model, salt: number): Verdict {
  const dice = new Dice(crc32(JSON.stringify([level, model]), salt >>> 0)).below(10);
  if (dice < 5) return keep;
  return dice < 8 ? replaced : drop;
}

function rewriterOf(salt: number, asked: readonly Level[]): Rewriter {
  const visit =
    (level: Level, name: (place: Place) => MessageName) =>
    (place: Place, out: Writer): Verdict => {
      const body = place.bytes.subarray(place.start, place.end);
      const verdict = verdictOf(level, modelOf(name(place), body), salt);
      // What is written without "replaced" must not be seen.
      if (verdict !== drop) out.raw(place.bytes, place.start, place.end);
      out.raw(mark);
      return verdict;
    };
  const has = (level: Level) => asked.includes(level);
  return {
    ...(has("resource") && { resource: visit("resource", () => "Resource") }),
    ...(has("scope") && { scope: visit("scope", () => "InstrumentationScope") }),
    ...(has("metric") && { metric: visit("metric", () => "Metric") }),
    ...(has("item") && {
      point: visit("item", ({ metricKind }) => pointMessages[metricKind]!),
      span: visit("item", () => "Span"),
      record: visit("item", () => "LogRecord"),
    }),
  };
}

const marked = (model: Model): Model => ({
  ...model,
  unknown: [...((model["unknown"] as string[] | undefined) ?? []), markText],
});

/** The same on objects; undefined: it went. */
function modelRewrite(
  signal: Signal,
  request: Model,
  salt: number,
  asked: readonly Level[],
): Model | undefined {
  const ask = (level: Level, model: Model) =>
    asked.includes(level) ? verdictOf(level, model, salt) : keep;
  const [resources, scopes, members] = lists[signal];
  const item = (model: Model) => {
    const verdict = ask("item", model);
    if (verdict === drop) return undefined;
    return verdict === replaced ? marked(model) : model;
  };
  const metric = (model: Model) => {
    const verdict = ask("metric", model);
    if (verdict === drop) return undefined;
    if (verdict === replaced) return marked(model);
    const name = dataOf(model);
    if (name === undefined) return model;
    const data = children(model[name] as Model, "dataPoints", item);
    return data && { ...model, [name]: data };
  };
  const container = (
    level: "resource" | "scope",
    [name, childName]: readonly [string, string],
    child: (model: Model) => Model | undefined,
  ) => {
    return (model: Model) => {
      const head = (model[name] ?? {}) as Model;
      const verdict = ask(level, head);
      if (verdict === drop) return undefined;
      return children(
        verdict === replaced ? { ...model, [name]: marked(head) } : model,
        childName,
        child,
      );
    };
  };
  const scope = container("scope", ["scope", members], signal === "metrics" ? metric : item);
  return children(request, resources, container("resource", ["resource", scopes], scope));
}

/** The model with its children; undefined if it had some and lost all. */
function children(
  model: Model,
  name: string,
  change: (child: Model) => Model | undefined,
): Model | undefined {
  const before = listOf(model, name);
  const after = before.map(change).filter((child) => child !== undefined);
  if (before.length > 0 && after.length === 0) return undefined;
  return before.length === 0 ? model : { ...model, [name]: after };
}

/** Where the requests begin when some parts went. */
function seamsOf(payload: Payload, parts: readonly unknown[]): number[] {
  const starts = payload.seams.map((from, i) => {
    const to = payload.seams[i + 1] ?? parts.length;
    const isLeft = parts.slice(from, to).some((part) => part !== undefined);
    return isLeft ? parts.slice(0, from).filter((part) => part !== undefined).length : -1;
  });
  return starts.filter((start) => start >= 0);
}

test.each(["resource", "scope"] as const)(
  "a %s in two fields is dropped or kept by all that it says",
  (level) => {
    const halves = ["one", "two"].map((key) => ld(1, ld(1, ld(1, Buffer.from(key)))));
    const record = ld(2, Buffer.alloc(0));
    const request =
      level === "resource"
        ? ld(1, Buffer.concat([...halves, ld(2, record)]))
        : ld(1, ld(2, Buffer.concat([...halves, record])));
    const payload = createPayload("logs", [request], [1]);
    const textOf = ({ bytes, start, end }: Place) =>
      Buffer.from(bytes.subarray(start, end)).toString("latin1");
    const unless = (text: string): Rewriter => ({
      [level]: (place: Place) => (textOf(place).includes(text) ? keep : drop),
    });
    expect(rewrite(payload, unless("one"))?.itemCount).toBe(1);
    expect(rewrite(payload, unless("two"))?.itemCount).toBe(1);
    expect(rewrite(payload, unless("three"))).toBeUndefined();
  },
);
