/** A rejection that nobody handles ends an application, or is logged by it: so it must stay what it is. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

const program = join(__dirname, "..", "..", "..", "support", "fake-llm-rejections.ts");

interface Printed {
  readonly told: string[];
  readonly operations: unknown[];
  readonly said: unknown[];
}

function run(name: string, way: "plain" | "measured"): Printed {
  const env = { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" };
  const printed = execFileSync(process.execPath, [program, name, way], { env, encoding: "utf8" });
  return JSON.parse(printed) as Printed;
}

test.each(["openai", "openai6", "@anthropic-ai/sdk"])(
  "%s: discarded, caught, handled late: the process is told the same, and each is one operation",
  (name) => {
    const plain = run(name, "plain");
    const measured = run(name, "measured");
    const scenarios = plain.told.map((line) => line.split(":")[0]);
    expect(scenarios).toEqual([
      "discarded",
      "discarded stream",
      "with then",
      "withResponse",
      "asResponse",
      "caught, and then discarded",
      "handled late",
      "handled late",
    ]);
    expect(measured.told).toEqual(plain.told);
    expect(plain.operations).toEqual([]);
    expect(measured.operations).toEqual([["invalid_request", 11]]);
    expect(measured.said).toEqual([]);
  },
);
