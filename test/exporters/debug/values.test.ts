import { expect, test } from "@jest/globals";
import type { AnyValue } from "../../../exporters/debug/otlp-json.ts";
import { pairsOf, typedText } from "../../../exporters/debug/values.ts";

test.each<[AnyValue | undefined, string]>([
  [undefined, "Empty()"],
  [{}, "Empty()"],
  [{ stringValue: "a\nb" }, "Str(a\nb)"],
  [{ intValue: "-9223372036854775808" }, "Int(-9223372036854775808)"],
  [{ doubleValue: 1.5 }, "Double(1.5)"],
  [{ doubleValue: "NaN" }, "Double(json: unsupported value: NaN)"],
  [{ boolValue: false }, "Bool(false)"],
  [{ bytesValue: "AQI=" }, "Bytes(AQI=)"],
  [{ arrayValue: {} }, "Slice([])"],
  [{ kvlistValue: {} }, "Map({})"],
  [
    {
      arrayValue: {
        values: [
          { stringValue: '<a>&\u2028"\b' },
          { intValue: "9007199254740993" },
          { doubleValue: 2 },
          { bytesValue: "AQI=" },
          { boolValue: true },
          {},
        ],
      },
    },
    'Slice(["\\u003ca\\u003e\\u0026\\u2028\\"\\b",9007199254740993,2,"AQI=",true,null])',
  ],
  [
    {
      kvlistValue: {
        values: [
          { key: "z", value: { intValue: "1" } },
          { key: "é" },
          { key: "a", value: { intValue: "2" } },
          { key: "z", value: { kvlistValue: { values: [{ value: { boolValue: false } }] } } },
        ],
      },
    },
    'Map({"a":2,"z":{"":false},"é":null})',
  ],
  [{ arrayValue: { values: [{ doubleValue: "Infinity" }] } }, "Slice()"],
])("%j is printed as %s", (value, text) => {
  expect(typedText(value)).toBe(text);
});

test("attributes are pairs", () => {
  expect(pairsOf([{ key: "a", value: { intValue: "1" } }, { key: "b" }])).toEqual(["a=1", "b="]);
});
