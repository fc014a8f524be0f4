import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { labelsOfPairs, pairsOf } from "../../../exporters/prometheus/labels-of.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom("a", '"', "\\", "\n", ",", "=", "{", "}", "é", "😀") }),
);

test("labels come back from their text", () => {
  const label = fc.record({ name: text.filter((name) => name !== ""), value: text });
  const labels = fc.uniqueArray(label, { selector: ({ name }) => name });
  fc.assert(
    fc.property(labels, (some) => {
      expect(labelsOfPairs(pairsOf(some))).toEqual(some);
    }),
  );
});

test("a value of many megabytes, where a regular expression overflows the stack", () => {
  const value = `${"x".repeat(12_000_000)}"`;
  const [label] = labelsOfPairs(`"a.b"="${value.replace('"', '\\"')}"`);
  expect(label!.value === value).toBe(true);
});
