import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import {
  AttributeCursor,
  type AttributeEdit,
  type AttributeValue,
  attributesField,
  encodeAttribute,
  findAttribute,
  pointAttributesField,
  readAnyValue,
  readKeyValues,
  rewriteAttributes,
  writeAnyValue,
  writeKeyValue,
} from "../../../src/pdata/attributes.ts";
import { drop, keep, replaced } from "../../../src/pdata/rewrite.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { protoType } from "../../support/otlp-proto.ts";
import { lengthDelimited as ld, randomMessage, tag, varint } from "../../support/otlp-random.ts";

const value: fc.Arbitrary<AttributeValue> = fc.letrec<{ value: AttributeValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.boolean(),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
    fc.double({ noNaN: true }),
    fc.uint8Array({ maxLength: 40 }),
    fc.constant(undefined),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.string({ maxLength: 5 }), tie("value")), { maxLength: 4 })
      .map((entries) => new Map(entries)),
  ),
})).value;

const written = (write: (out: Writer) => void) => {
  const out = new Writer(8);
  write(out);
  return out.take();
};
const utf8 = (text: string) => Buffer.from(text);
const everything = (bytes: Uint8Array) => ({ bytes, start: 0, end: bytes.length });

describe("values", () => {
  test("what is written is read again", () => {
    fc.assert(
      fc.property(value, (v) => {
        const bytes = written((out) => writeAnyValue(out, v));
        expect(readAnyValue(bytes, 0, bytes.length)).toEqual(v);
      }),
    );
  });

  test("a foreign codec reads the same, and its bytes come out as they went in", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const bytes = randomMessage("AnyValue", seed, { order: "ascending", unknown: false });
        const again = written((out) => writeAnyValue(out, readAnyValue(bytes, 0, bytes.length)));
        // Equal keys of a list become one entry in a Map; the seeds with such lists prove nothing.
        fc.pre(!hasEqualKeys(readForeign(bytes)));
        expect(readForeign(again)).toEqual(readForeign(bytes));
      }),
      { numRuns: 300 },
    );
  });

  test("the last member counts", () => {
    const bytes = Buffer.concat([ld(1, utf8("text")), tag(3, 0), varint(-5n)]);
    expect(readAnyValue(bytes, 0, bytes.length)).toBe(-5n);
  });
});

const anyValue = protoType("AnyValue");

/** An absent key or value as an empty one, which means the same. */
function readForeign(bytes: Uint8Array): unknown {
  const json = anyValue.toObject(anyValue.decode(bytes), { longs: String, bytes: String });
  return JSON.parse(JSON.stringify(json), (name, node: { values?: object[] }) =>
    name === "kvlistValue" && node.values !== undefined
      ? { values: node.values.map((item) => ({ key: "", value: {}, ...item })) }
      : node,
  );
}

function hasEqualKeys(json: unknown): boolean {
  if (Array.isArray(json)) {
    const keys = json.map((item: { key?: unknown }) => item.key ?? "");
    const isList = json.some((item: object) => "key" in item);
    return (isList && new Set(keys).size < keys.length) || json.some(hasEqualKeys);
  }
  return typeof json === "object" && json !== null && Object.values(json).some(hasEqualKeys);
}

describe("finding", () => {
  const forms: [string, Buffer][] = [
    ["key first", ld(9, Buffer.concat([ld(1, utf8("b")), ld(2, ld(1, utf8("two")))]))],
    ["value first", ld(9, Buffer.concat([ld(2, ld(1, utf8("two"))), ld(1, utf8("b"))]))],
    [
      "unknown fields in between",
      ld(
        9,
        Buffer.concat([
          ld(50, utf8("x")),
          ld(1, utf8("b")),
          ld(60, utf8("")),
          ld(2, ld(1, utf8("two"))),
        ]),
      ),
    ],
    [
      "a key given twice",
      ld(9, Buffer.concat([ld(1, utf8("a")), ld(1, utf8("b")), ld(2, ld(1, utf8("two")))])),
    ],
    [
      "a value given twice",
      ld(9, Buffer.concat([ld(1, utf8("b")), ld(2, ld(1, utf8("two"))), ld(2, utf8(""))])),
    ],
    [
      "overlong lengths",
      Buffer.from([
        0x4a, 0x8b, 0x00, 0x0a, 0x81, 0x00, 0x62, 0x12, 0x05, 0x0a, 0x03, 0x74, 0x77, 0x6f,
      ]),
    ],
  ];
  test.each(forms)("%s", (_name, field) => {
    const message = Buffer.concat([
      ld(5, utf8("b")),
      encodeAttribute(9, "a", "one"),
      field,
      encodeAttribute(9, "c", 3n),
    ]);
    const found = findAttribute(message, 0, message.length, 9, utf8("b"))!;
    expect([found.key(), found.text(), found.value()]).toEqual(["b", "two", "two"]);
    expect(message.subarray(found.fieldStart, found.fieldEnd)).toEqual(field);
    expect(readKeyValues(message, 0, message.length, 9)).toEqual(
      new Map<string, AttributeValue>([
        ["a", "one"],
        ["b", "two"],
        ["c", 3n],
      ]),
    );
  });

  test("the last of equal keys; nothing where there is none, or another field number", () => {
    const message = Buffer.concat([encodeAttribute(1, "k", "first"), encodeAttribute(1, "k", 2n)]);
    const find = (key: string, number = 1) =>
      findAttribute(message, 0, message.length, number, utf8(key));
    expect(find("k")!.value()).toBe(2n);
    expect(find("k")!.text()).toBeUndefined();
    expect(find("kk")).toBeUndefined();
    expect(find("")).toBeUndefined();
    expect(find("k", 9)).toBeUndefined();
  });

  test("an empty attribute has an empty key and no value", () => {
    const message = ld(1, Buffer.alloc(0));
    const c = new AttributeCursor().reset(message, 0, message.length, 1);
    expect(c.next()).toBe(true);
    expect([c.key(), c.value(), c.keyIs(utf8(""))]).toEqual(["", undefined, true]);
    expect(c.next()).toBe(false);
  });

  test("long texts", () => {
    const long = "ü".repeat(300);
    const message = encodeAttribute(1, long, long);
    expect(findAttribute(message, 0, message.length, 1, utf8(long))!.text()).toBe(long);
  });
});

describe("editing", () => {
  const other = ld(3, utf8("other"));
  const message = Buffer.concat([
    encodeAttribute(1, "a", "1"),
    other,
    encodeAttribute(1, "b", "2"),
    encodeAttribute(1, "c", "3"),
    other,
  ]);

  test("keep writes nothing", () => {
    const out = new Writer(16);
    out.raw(utf8("before"));
    expect(rewriteAttributes(everything(message), 1, () => keep, out)).toBe(false);
    expect(Buffer.from(out.take()).toString()).toBe("before");
  });

  test("keep, drop and replace in any combination; other fields stay", () => {
    fc.assert(
      fc.property(
        fc.tuple(...["a", "b", "c"].map(() => fc.constantFrom(keep, drop, replaced))),
        (verdicts) => {
          const edit: AttributeEdit = (attribute, out) => {
            writeKeyValue(out, 1, `${attribute.key()}2`, "new");
            return verdicts["abc".indexOf(attribute.key())]!;
          };
          const out = new Writer(16);
          const changed = rewriteAttributes(everything(message), 1, edit, out);
          expect(changed).toBe(verdicts.some((verdict) => verdict !== keep));
          const result = changed ? out.take() : message;
          const keys = [...readKeyValues(result, 0, result.length, 1).keys()];
          expect(keys).toEqual(
            ["a", "b", "c"].flatMap((key, i) => [[key], [], [`${key}2`]][verdicts[i]!]!),
          );
          expect(Buffer.from(result).toString("latin1").split("other")).toHaveLength(3);
        },
      ),
    );
  });

  test("field numbers by message and by kind of metric", () => {
    expect(pointAttributesField).toEqual({
      gauge: 7,
      sum: 7,
      histogram: 9,
      exponentialHistogram: 1,
      summary: 7,
      none: 0,
    });
    expect(attributesField("Exemplar")).toBe(7);
    expect(attributesField("Span")).toBe(9);
    expect(() => attributesField("Status")).toThrow(/BUG/);
  });
});

describe("the writer's short ways", () => {
  test("raw copies any range to any position", () => {
    const source = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(500), fc.nat(400)), { minLength: 1, maxLength: 6 }),
        (ranges) => {
          const bytes = written((out) => {
            for (const [start, length] of ranges) out.raw(source, start, start + length);
          });
          const expected = ranges.map(([start, length]) => source.subarray(start, start + length));
          expect(Buffer.compare(bytes, Buffer.concat(expected))).toBe(0);
        },
      ),
    );
  });

  test("strings of any length and script", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const bytes = written((out) => out.string(3, text));
        expect(Buffer.compare(bytes, ld(3, utf8(text)))).toBe(0);
      }),
    );
  });
});
