import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { findReference } from "../../../src/config/expand.ts";
import { child } from "../../../src/config/tree.ts";
import { cpuTimer } from "../../support/cpu-time.ts";
import { errorText, load, plain } from "./support.ts";

const value = (text: string, env: Record<string, string> = {}, files = {}) => {
  const loaded = load(`a: ${text}`, env, { files });
  expect(errorText(loaded)).toBe("");
  return (plain(loaded) as { a: unknown }).a;
};

describe("references", () => {
  test.each([
    ["${X}", { X: "7" }, 7],
    ["${env:X}", { X: "7" }, 7],
    ["${env:X:-5}", {}, 5],
    ["${env:X:-}", {}, null],
    ["${env:X:-5}", { X: "" }, null],
    ["${env:X:-a:-b}", {}, "a:-b"],
    ["pre ${env:X} post", { X: "0123" }, "pre 0123 post"],
    ["${env:${env:N}}", { N: "X", X: "deep" }, "deep"],
    ["${env:X:-${env:Y}}", { Y: "why" }, "why"],
    ["${env:X}${env:Y}", { X: "1", Y: "2" }, "12"],
    ["${env:X}", { X: "[a, b]" }, ["a", "b"]],
    ["${env:X}", { X: "{a: {b: 1}}" }, { a: { b: 1 } }],
    ["${env:X}", { X: "a: b: c" }, "a: b: c"],
    ["${env:X}", { X: '"quoted"' }, '"quoted"'],
    ["$X", { X: "7" }, "$X"],
    ["$1 $$1", {}, "$1 $1"],
    ["$${X}", { X: "7" }, "${X}"],
    ["$$${X}", { X: "7" }, "$7"],
    ["$$$${X}", { X: "7" }, "$${X}"],
    ["${env:X}", { X: "a$$b" }, "a$b"],
    ["${env:X}", { X: "a$b" }, "a$b"],
    ["${yaml:b}", {}, "b"],
    ["'{x}'", {}, "{x}"],
  ])("%s with %j is %j", (text, env, expected) => {
    expect(value(`'${text.replaceAll("'", "")}'`, env)).toEqual(expected);
  });

  test("files give whole sections, themselves expanded", () => {
    const files = { "part.yaml": "b: ${env:X}\nc: [1]\n", "token.txt": "s3cr3t\n" };
    expect(value("${file:part.yaml}", { X: "9" }, files)).toEqual({ b: 9, c: [1] });
    expect(value("${file:token.txt}", {}, files)).toBe("s3cr3t");
    expect(value("Bearer ${file:token.txt}", {}, files)).toBe("Bearer s3cr3t");
  });

  test("the text behind a value is kept beside it", () => {
    const { root } = load("a: ${env:X}\nb: x${env:X}", { X: "0x10" });
    expect(child(root, "a")).toMatchObject({ value: 16, original: "0x10" });
    expect(child(root, "b")).toMatchObject({ value: "x0x10", original: undefined });
  });

  test("text that cannot be expanded itself is dropped: a comment is no reference", () => {
    const { root, errors } = load("a: ${env:X}", { X: "true # see ${env:bad.name}" });
    expect(errors).toEqual([]);
    expect(child(root, "a")).toMatchObject({ value: true, original: undefined });
  });

  test("unset is warned about once, empty noted", () => {
    const { warnings } = load("a: ${env:X}\nb: ${X}\nc: ${env:E}\nd: ${env:D:-}", { E: "" });
    expect(warnings.map(({ level, message }) => [level, message])).toEqual([
      ["warn", "Configuration references unset environment variable X"],
      ["info", "Configuration references empty environment variable E"],
    ]);
  });
});

describe("mistakes", () => {
  test.each([
    [
      "${env:a.b}",
      'environment variable "a.b" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$',
    ],
    ["${}", 'environment variable "" has invalid name'],
    ["${env:a$b}", "the uri \"env:a$b\" contains unsupported characters ('$')"],
    ["${X:-hunter2}", 'invalid uri: "X:-…"'],
    ["${PORT:-hunter2}", 'scheme "PORT" is not supported for uri "PORT:-…"'],
    ["${PORT:-hunter2}", "  write ${env:PORT:-…}: only env: references have defaults"],
    ["${1:x}", 'invalid uri: "1:x"'],
    ["${s3:bucket}", 'scheme "s3" is not supported for uri "s3:bucket"'],
    ["${https://h/x}", "reads no configuration over the network"],
    [
      "${file:nope.yaml}",
      "unable to read the file file:nope.yaml: open nope.yaml: no such file or directory",
    ],
  ])("%s", (text, message) => {
    const shown = errorText(load(`a: 1\nb: {c: '${text}'}`));
    expect(shown).toContain(`failed to get config: cannot resolve the configuration: `);
    expect(shown).toContain(message);
    expect(shown).toContain("at config-0.yaml:2:8 (b::c)");
    expect(shown).not.toContain("hunter2");
  });

  test.each([
    ["itself", { X: "${env:X}" }],
    ["itself in a list", { X: "[${env:X}, ${env:X}]" }],
    ["doubling", { X: "${env:Y}${env:Y}", Y: "${env:X}" }],
  ])("a variable that refers to %s", (_name, env) => {
    const usedMs = cpuTimer();
    expect(errorText(load("a: ${env:X}", env))).toContain("too many recursive expansions");
    expect(usedMs()).toBeLessThan(5000);
  });

  test("all are found in one run, and no default or credential is shown", () => {
    const text = errorText(
      load("a: ${env:x.y:-hunter2}\nb: ${http://u:hunter2@h/?t=hunter2}\nc: ${file:no}\n"),
    );
    expect(text.match(/ {2}at /gu)).toHaveLength(3);
    expect(text).not.toContain("hunter2");
  });

  test("what a variable holds must not be hostile YAML", () => {
    expect(errorText(load("a: ${env:X}", { X: "{__proto__: 1}" }))).toContain('"__proto__"');
    expect(errorText(load("a: ${env:X}", { X: "[".repeat(20_000) }))).toContain("nests deeper");
  });
});

describe("properties", () => {
  test("a found reference is innermost and not escaped", () => {
    const piece = fc.constantFrom("$", "{", "}", "${", "a", ":", "env:", "$$");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join("");
        const found = findReference(text);
        if (found === undefined) return;
        expect(found.startsWith("${") && found.endsWith("}")).toBe(true);
        expect(found.slice(2, -1)).not.toMatch(/\$\{|\}/u);
      }),
    );
  });

  test("any text and variables end in a tree or an error", () => {
    const piece = fc.constantFrom(
      "$",
      "${env:X}",
      "${Y}",
      "${",
      "}",
      "a",
      "$$",
      "[",
      "]",
      ",",
      " ",
    );
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(text, text, text, (a, X, Y) => {
        const { root, errors } = load(`a: ${JSON.stringify(a)}`, { X, Y });
        expect(root.kind).toBe("map");
        for (const error of errors) expect(error.message).not.toBe("");
      }),
      { numRuns: 150 },
    );
  });
});
