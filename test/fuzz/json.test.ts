import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { TelemetryError } from "../../src/errors.ts";
import { messageFromJson } from "../../src/pdata/json/decode.ts";
import { messageToJson } from "../../src/pdata/json/encode.ts";
import { requestMessages } from "../../src/pdata/otlp-schema.ts";
import { type Signal, signals } from "../../src/pdata/payload.ts";
import { verify } from "../../src/pdata/verify.ts";

const numRuns = process.env["NIGHTLY"] === undefined ? 2_000 : 500_000;

const seeds = ["trace", "metrics", "logs", "events"].map((name) =>
  readFileSync(join(__dirname, `../testdata/collector/otlp-json/${name}.json`)),
);

/** A seed with bytes changed, removed, repeated or inserted. */
const mutated = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        remove: fc.integer({ min: 0, max: 12 }),
        insert: fc.oneof(
          fc.constantFrom('"', "\\", "{", "}", "[", "]", ",", ":", "null", "1e9", "-", "\\ud800"),
          fc.string({ maxLength: 4 }),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([seed, edits]) => {
    let body = seed;
    for (const { at, remove, insert } of edits) {
      const position = Math.floor(at * body.length);
      const rest = body.subarray(position + remove);
      body = Buffer.concat([body.subarray(0, position), Buffer.from(insert), rest]);
    }
    return body;
  });

/** What is accepted passes verify, and its JSON form leads to the same bytes again. */
function check(signal: Signal, body: Uint8Array): void {
  const name = requestMessages[signal];
  let bytes: Uint8Array;
  try {
    bytes = messageFromJson(name, body);
  } catch (error) {
    if (error instanceof TelemetryError && error.code === "MALFORMED_DATA") return;
    throw error;
  }
  verify(signal, bytes);
  const json = messageToJson(name, bytes);
  expect(messageToJson(name, messageFromJson(name, Buffer.from(json)))).toBe(json);
}

test.each(signals)("mutated requests are refused or become valid %s", (signal) => {
  const property = fc.property(mutated, (body) => check(signal, body));
  expect(() => fc.assert(property, { numRuns })).not.toThrow();
});

test.each(signals)("arbitrary JSON is refused or becomes valid %s", (signal) => {
  const property = fc.property(fc.json(), (text) => check(signal, Buffer.from(text)));
  expect(() => fc.assert(property, { numRuns })).not.toThrow();
});

test("what JSON.parse refuses is refused, unless it is the UTF-8 that is wrong", () => {
  fc.assert(
    fc.property(mutated, (body) => {
      let isJson = true;
      try {
        JSON.parse(body.toString());
      } catch {
        isJson = false;
      }
      if (isJson) return;
      expect(() => messageFromJson("ExportTraceServiceRequest", body)).toThrow(TelemetryError);
    }),
    { numRuns },
  );
});
