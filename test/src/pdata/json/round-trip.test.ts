/* oxlint-disable typescript/no-unsafe-type-assertion -- The table's keys are the names. */
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { messageFromJson } from "../../../../src/pdata/json/decode.ts";
import { messageToJson } from "../../../../src/pdata/json/encode.ts";
import { type MessageName, otlpMessages } from "../../../../src/pdata/otlp-schema.ts";
import { arbitraryMessage, decodePlain, encodePlain, toJsonValue } from "./reflection.ts";

const names = Object.keys(otlpMessages) as MessageName[];
/** How deep messages nest in the test: deep enough for a point's exemplars from a request. */
const levels = (name: MessageName) => (name.startsWith("Export") ? 7 : 4);
const runs = (name: MessageName) => ({ numRuns: levels(name) > 4 ? 40 : 60 });

describe.each(names)("%s", (name) => {
  test("becomes the JSON that the specification describes", () => {
    fc.assert(
      fc.property(arbitraryMessage(name, levels(name)), (value) => {
        const json = messageToJson(name, encodePlain(name, value));
        const expected = toJsonValue(name, value);
        expect(JSON.parse(json)).toEqual(expected);
      }),
      runs(name),
    );
  });

  test("comes back from JSON with nothing lost, byte for byte", () => {
    fc.assert(
      fc.property(arbitraryMessage(name, levels(name)), (value) => {
        const bytes = encodePlain(name, value);
        const back = messageFromJson(name, Buffer.from(messageToJson(name, bytes)));
        expect(decodePlain(name, back)).toEqual(decodePlain(name, bytes));
        expect(Buffer.from(back).equals(bytes)).toBe(true);
      }),
      runs(name),
    );
  });

  test("is read from JSON with any spacing, key order and spelling of names", () => {
    fc.assert(
      fc.property(arbitraryMessage(name, levels(name) - 1), (value) => {
        const bytes = encodePlain(name, value);
        const json = JSON.stringify(respell(toJsonValue(name, value)), null, "\t");
        const back = messageFromJson(name, Buffer.from(json));
        expect(decodePlain(name, back)).toEqual(decodePlain(name, bytes));
      }),
      runs(name),
    );
  });
});

/** The same JSON with members in reverse, names in snake_case, and something unknown in each object. */
function respell(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(respell);
  // JSON.stringify writes -0 as 0; numbers may be text as well.
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toReversed();
  return Object.fromEntries([
    ["unknown", [{ a: ["}", null] }, -1.5e3, true]],
    ...entries.map(([key, item]) => [
      key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`),
      respell(item),
    ]),
    ["unset", null],
  ]);
}
