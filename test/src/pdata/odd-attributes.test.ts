/** Reading and editing attributes of messages in odd but legal forms, against a reference reader. */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import {
  AttributeCursor,
  attributesField,
  findAttribute,
  readKeyValues,
  rewriteAttributes,
  writeKeyValue,
} from "../../../src/pdata/attributes.ts";
import type { MessageName } from "../../../src/pdata/otlp-schema.ts";
import { drop, keep, replaced, type Verdict } from "../../../src/pdata/rewrite.ts";
import { decodeAttributes } from "../../../src/pdata/series/attributes.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { type Model, modelOf } from "../../support/otlp-model.ts";
import { Dice, oddForm } from "../../support/otlp-odd.ts";
import { randomMessage } from "../../support/otlp-random.ts";

interface Case {
  readonly name: MessageName;
  readonly bytes: Buffer;
  readonly number: number;
  readonly model: Model;
}

const messages: readonly MessageName[] = [
  "Resource",
  "InstrumentationScope",
  "Span",
  "LogRecord",
  "NumberDataPoint",
  "ExponentialHistogramDataPoint",
];
const oddCase: fc.Arbitrary<Case> = fc
  .record({ name: fc.constantFrom(...messages), seed: fc.integer() })
  .map(({ name, seed }) => {
    const plain = randomMessage(name, seed, { order: "shuffled", unknown: true });
    const bytes = oddForm(name, plain, new Dice(seed));
    return { name, bytes, number: attributesField(name), model: modelOf(name, bytes) };
  });

const types = ["string", "bool", "int", "double", "array", "kvlist", "bytes"];
const typeOf = (pair: Model) =>
  types.findIndex((type) => ((pair["value"] ?? {}) as Model)[`${type}Value`] !== undefined) + 1;
const listOf = (model: Model) => (model["attributes"] ?? []) as Model[];
const keyOf = (pair: Model) => Buffer.from((pair["key"] ?? "") as string, "hex").toString();
/** The text of a string value; undefined for others. */
const textOf = (pair: Model) => {
  const text = ((pair["value"] ?? {}) as Model)["stringValue"] as string | undefined;
  return text === undefined ? undefined : Buffer.from(text, "hex").toString();
};

test("a cursor sees every attribute, with its key, its text and its kind of value", () => {
  fc.assert(
    fc.property(oddCase, ({ bytes, number, model }) => {
      const cursor = new AttributeCursor().reset(bytes, 0, bytes.length, number);
      const seen: unknown[] = [];
      while (cursor.next()) seen.push([cursor.key(), cursor.text(), kindOf(cursor.value())]);
      expect(seen).toEqual(
        listOf(model).map((pair) => [keyOf(pair), textOf(pair), types[typeOf(pair) - 1]]),
      );
    }),
    { numRuns: 200 },
  );
});

function kindOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Map) return "kvlist";
  if (Array.isArray(value)) return "array";
  const names: Record<string, string> = { bigint: "int", boolean: "bool", number: "double" };
  return names[typeof value] ?? "string";
}

test("finding, reading all and decoding for identity agree with it", () => {
  fc.assert(
    fc.property(oddCase, ({ bytes, number, model }) => {
      const all = listOf(model);
      const last = new Map(all.map((pair) => [keyOf(pair), pair]));
      for (const [key, pair] of last) {
        const found = findAttribute(bytes, 0, bytes.length, number, Buffer.from(key))!;
        expect([found.key(), found.text()]).toEqual([key, textOf(pair)]);
      }
      const values = readKeyValues(bytes, 0, bytes.length, number);
      expect([...values].map(([key, value]) => [key, kindOf(value)])).toEqual(
        [...last].map(([key, pair]) => [key, types[typeOf(pair) - 1]]),
      );
      const decoded = decodeAttributes(bytes, 0, bytes.length, number);
      expect(decoded.map(({ key, type }) => JSON.stringify([key, type])).toSorted()).toEqual(
        all.map((pair) => JSON.stringify([keyOf(pair), typeOf(pair)])).toSorted(),
      );
    }),
    { numRuns: 200 },
  );
});

test("an edit changes what it names; all else means what it meant", () => {
  const verdicts = fc.array(fc.constantFrom<Verdict>(keep, drop, replaced), { minLength: 1 });
  fc.assert(
    fc.property(oddCase, verdicts, ({ name, bytes, number, model }, said) => {
      const before = bytes.toString("hex");
      const verdictOf = (i: number) => said[i % said.length]!;
      const out = new Writer(1);
      out.varint(1);
      let i = 0;
      const message = { bytes, start: 0, end: bytes.length };
      const changed = rewriteAttributes(
        message,
        number,
        (attribute, to) => {
          writeKeyValue(to, number, `${attribute.key()}!`, "new");
          return verdictOf(i++);
        },
        out,
      );
      const after = listOf(model).flatMap((pair, n): Model[] => {
        if (verdictOf(n) === keep) return [pair];
        const hex = (text: string) => Buffer.from(text).toString("hex");
        return verdictOf(n) === drop
          ? []
          : [{ key: hex(`${keyOf(pair)}!`), value: { stringValue: hex("new") } }];
      });
      expect(changed).toBe(listOf(model).some((_pair, n) => verdictOf(n) !== keep));
      const result = out.take().subarray(1);
      expect(result.length > 0 || !changed || after.length === 0).toBe(true);
      const { attributes: _, ...rest } = modelOf(name, changed ? result : bytes);
      const { attributes: __, ...restBefore } = model;
      expect(rest).toEqual(restBefore);
      expect(listOf(modelOf(name, changed ? result : bytes))).toEqual(after);
      expect(bytes.toString("hex")).toBe(before);
    }),
    { numRuns: 200 },
  );
});
