/** Knobs by flag, by assignment and by JSON. */
import { describe, expect, test } from "@jest/globals";
import {
  defaultKnobs,
  knobsText,
  namedKnobs,
  parseAssignment,
  parseKnob,
  parseKnobs,
} from "../../../src/demo/knobs.ts";

test.each([
  ["rps", "12.5", { rps: 12.5 }],
  ["rps", "0", { rps: 0 }],
  ["latency", "x3", { latency: 3 }],
  ["latency", "X0.5", { latency: 0.5 }],
  ["latency", "2", { latency: 2 }],
  ["errors", "0.2", { errors: 0.2 }],
  ["cache-collapse", "on", { cacheCollapse: true }],
  ["queue-stall", "FALSE", { queueStall: false }],
  ["llm-outage", "1", { llmOutage: true }],
])("%s %s", (name, text, change) => {
  expect(parseKnob(name, text)).toEqual({ change });
});

test.each([
  ["rps", "1001", `rps takes a number from 0 to 1000, not "1001"`],
  ["rps", " ", `rps takes a number from 0 to 1000, not " "`],
  ["rps", "many", `rps takes a number`],
  ["latency", "x0", `latency takes a factor from x0.01 to x100, not "x0"`],
  ["latency", "x", `latency takes a factor`],
  ["errors", "20%", `errors takes a share from 0 to 1, not "20%"`],
  ["llm-outage", "maybe", `llm-outage takes on or off, not "maybe"`],
  [
    "llmoutage",
    "on",
    `there is no knob "llmoutage"; did you mean llm-outage? (knobs: rps, latency,`,
  ],
  ["toString", "on", `there is no knob "toString" (knobs: rps`],
])("%s %s is refused with what would do", (name, text, problem) => {
  expect(parseKnob(name, text)).toEqual({ problem: expect.stringContaining(problem) });
});

describe("assignments", () => {
  test("a switch alone is on", () => {
    expect(parseAssignment("queue-stall")).toEqual({ change: { queueStall: true } });
    expect(parseAssignment("queue-stall=off")).toEqual({ change: { queueStall: false } });
    expect(parseAssignment("errors=0.2")).toEqual({ change: { errors: 0.2 } });
  });

  test("a number alone is missing", () => {
    const problem = "errors needs a value, such as errors=0.2";
    expect(parseAssignment("errors")).toEqual({ problem });
    expect(parseAssignment("nothing")).toEqual({ problem: expect.stringContaining("no knob") });
  });
});

describe("JSON", () => {
  test("numbers, switches and texts", () => {
    const body = { errors: 0.2, latency: "x3", "cache-collapse": true };
    const change = { errors: 0.2, latency: 3, cacheCollapse: true };
    expect(parseKnobs(body)).toEqual({ change });
  });

  test("one mistake, and nothing is taken", () => {
    const problem = `errors takes a share from 0 to 1, not "7"`;
    expect(parseKnobs({ rps: 5, errors: 7 })).toEqual({ problem });
    expect(parseKnobs({ errors: null })).toEqual({ problem: expect.stringContaining("null") });
  });

  test.each([[undefined], [null], ["errors"], [[1]]])("%j is no set of knobs", (body) => {
    expect(parseKnobs(body)).toEqual({ problem: `send a JSON object such as {"errors": 0.2}` });
  });
});

test("knobs are shown as they are written", () => {
  const text = knobsText(namedKnobs({ ...defaultKnobs, latency: 3, llmOutage: true }));
  expect(text).toBe("rps=30 latency=x3 errors=0 cache-collapse=off queue-stall=off llm-outage=on");
  for (const part of text.split(" ")) expect(parseAssignment(part)).toHaveProperty("change");
});
