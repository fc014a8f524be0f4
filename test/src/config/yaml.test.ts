import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { formatProblems } from "../../../src/config/problems.ts";
import { child, positionOf, toPlain } from "../../../src/config/tree.ts";
import { maxYamlBytes, parseYaml } from "../../../src/config/yaml.ts";
import { cpuTimer } from "../../support/cpu-time.ts";

const read = (text: string) => {
  const { node, problems } = parseYaml(text, "c.yaml");
  if (node === undefined) throw new Error(formatProblems(problems));
  return toPlain(node);
};
const errors = (text: string) => formatProblems(parseYaml(text, "c.yaml").problems);

describe("scalars are read as go-yaml does", () => {
  test.each([
    ["0123", 83],
    ["0o123", 83],
    ["-0123", -83],
    ["08", 8],
    ["0x1f", 31],
    ["0b101", 5],
    ["1_000", 1000],
    ["+5", 5],
    ["1.5", 1.5],
    [".5", 0.5],
    ["1e3", 1000],
    ["12345678901234567890", 12345678901234567890n],
    ["9007199254740993", 9007199254740993n],
    ["99999999999999999999999", 1e23],
    ["yes", "yes"],
    ["on", "on"],
    ["off", "off"],
    ["no", "no"],
    ["true", true],
    ["FALSE", false],
    ["~", null],
    ["null", null],
    ["", null],
    ['"0123"', "0123"],
    ["'true'", "true"],
    ["!!str 12", "12"],
    ["!!int 12", 12],
    ["2023-03-20", "2023-03-20"],
    ["1.2.3", "1.2.3"],
    [".inf", Number.POSITIVE_INFINITY],
  ])("%s is %p", (text, value) => {
    expect(read(`a: ${text}`)).toEqual({ a: value });
  });
});

describe("structure", () => {
  test("anchors and merge keys: own keys win, earlier maps over later ones", () => {
    const text = `
x: &x {a: 1, b: 1}
y: &y {a: 2, c: 2}
merged: {<<: [*x, *y], b: 9}
alias: *x`;
    expect(read(text)).toMatchObject({ merged: { a: 1, b: 9, c: 2 }, alias: { a: 1, b: 1 } });
  });

  test("only the first document counts, and an empty text is null", () => {
    expect(read("a: 1\n---\nb: 2\n")).toEqual({ a: 1 });
    expect(read("# nothing\n")).toBeNull();
  });

  test("keys are texts", () => {
    expect(read("8080: x\ntrue: y")).toEqual({ "8080": "x", true: "y" });
  });

  test("positions name line and column of key and value", () => {
    const { node } = parseYaml("a:\n  - b: 1\n    c: {d: 5}\n", "c.yaml");
    expect(positionOf(node!, ["a", 0, "c", "d"])).toMatchObject({ line: 3, column: 9 });
    expect(child(node, "a")!.at).toMatchObject({ line: 2, column: 3 });
    expect(positionOf(node!, ["a", 0, "missing", "x"])).toMatchObject({ line: 2, column: 5 });
  });
});

describe("mistakes", () => {
  test("all of a text are reported, with places", () => {
    const text = errors("a: 1\na: 2\nb: *nope\nc: {b: 1, b: 2}\n");
    expect(text).toContain('yaml: line 2: mapping key "a" already defined at line 1');
    expect(text).toContain("yaml: line 3: unknown anchor 'nope' referenced\n  at c.yaml:3:4");
    expect(text).toContain('mapping key "b" already defined at line 4\n  at c.yaml:4:11');
    expect(text).toContain("retrieved value (type=string) cannot be used as a Conf");
  });

  test("a tab gets a hint, once", () => {
    const text = errors("a:\n\tb: 1\nc: 2\n");
    expect(text).toContain("YAML is indented with spaces: replace the tab.");
    expect(text.match(/at c\.yaml:2/gu)).toHaveLength(1);
  });

  test("a line with a secret's key is not shown where the text does not parse", () => {
    expect(errors('password: "hunter2\nx: y')).not.toContain("hunter2");
    expect(errors("a: {api_key: hunter2, b: [}")).not.toContain("hunter2");
    expect(errors("a: 1\npassword hunter2\nb: 2")).not.toContain("hunter2");
    expect(errors("password: *hunter2")).not.toContain("hunter2");
    expect(errors('dsn: "postgres://me:hunter2@host/db\nx: y')).not.toContain("hunter2");
    expect(errors("dsn: postgres://me:hunter2@host/db: x")).not.toContain("hunter2");
    expect(errors('key: "-----BEGIN\n  MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n')).not.toContain("MIIE");
  });
});

describe("hostile texts are refused with a clear text, quickly", () => {
  const bomb = ["a: &a [1,1,1,1,1,1,1,1,1,1]"];
  for (const [last, next] of ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"]) {
    bomb.push(`${next}: &${next} [${Array(10).fill(`*${last}`).join(",")}]`);
  }
  test.each([
    ["alias bomb", bomb.join("\n"), "excessive aliasing"],
    ["flow nesting", "[".repeat(20_000), "nests deeper than 100 levels"],
    ["map nesting", "a: {".repeat(20_000), "nests deeper than 100 levels"],
    ["sequence nesting", "- ".repeat(50_000), "nests deeper than 100 levels"],
    ["explicit keys", "? ".repeat(50_000), "nests deeper than 100 levels"],
    [
      "indentation",
      Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
      "nests deeper than 100 levels",
    ],
    ["size", `a: ${"x".repeat(maxYamlBytes)}`, "is larger than 1048576 bytes"],
    ["prototype key", "a: {__proto__: {polluted: true}}", 'the key "__proto__" is not allowed'],
    ["merged prototype", "x: &x\n  __proto__: 1\ny: {<<: *x}", '"__proto__" is not allowed'],
    ["map as key", "{{a: 1}: 2}", "a key must be a plain text"],
    ["recursive alias", "a: &a [*a]", "unknown anchor 'a' referenced"],
  ])("%s", (_name, text, message) => {
    const usedMs = cpuTimer();
    expect(errors(text)).toContain(message);
    expect(usedMs()).toBeLessThan(3000);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("brackets in texts are no nesting", () => {
    expect(read(Array.from({ length: 300 }, (_, i) => `k${i}: a[{`).join("\n"))).toMatchObject({
      k299: "a[{",
    });
  });

  test("constructor and other names of objects are plain keys", () => {
    const value = read("constructor: 1\ntoString: 2\nhasOwnProperty: 3");
    expect(Object.keys(value as object)).toEqual(["constructor", "toString", "hasOwnProperty"]);
  });

  test("many keys take no quadratic time", () => {
    const text = Array.from({ length: 40_000 }, (_, i) => `k${i}: v`).join("\n");
    const usedMs = cpuTimer();
    expect(Object.keys(read(text) as object)).toHaveLength(40_000);
    expect(usedMs()).toBeLessThan(10_000);
  });

  test("any text gives a tree or problems, never an exception", () => {
    const piece = fc.constantFrom(
      ..."a b : - ? [ ] { } & * ! | > ' \" % @ ` # , 0 1 . ~ << --- ... \\".split(" "),
      "\n",
      "  ",
      "\t",
      " ",
      "${x}",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { node, problems } = parseYaml(pieces.join(""), "c.yaml");
        expect(node === undefined).toBe(problems.length > 0);
        formatProblems(problems);
      }),
      { numRuns: 2000 },
    );
  });
});
