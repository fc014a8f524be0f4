import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { loadConfig, readConfigFile } from "../../../src/config/load.ts";
import { errorText, load, plain } from "./support.ts";

const readFile = () => "from: file";
const readReal = (path: string) =>
  loadConfig({ configs: [path], sets: [], env: {}, readFile: readConfigFile });

describe("merging", () => {
  test.each([
    ["maps merge", ["a: {b: 1, c: 1}", "a: {c: 2}"], { a: { b: 1, c: 2 } }],
    ["lists replace", ["a: [1, 2]", "a: [3]"], { a: [3] }],
    ["an empty list replaces", ["a: [1, 2]", "a: []"], { a: [] }],
    ["null replaces a map", ["a: {b: 1}", "a:"], { a: null }],
    ["an empty map changes nothing", ["a: {b: 1}", "a: {}"], { a: { b: 1 } }],
    ["a scalar replaces a map", ["a: {b: 1}", "a: 2"], { a: 2 }],
    ["a map replaces null", ["a:", "a: {b: 1}"], { a: { b: 1 } }],
    ["keys with :: stand for maps", ["a::b: 1", "a: {c: 2}"], { a: { b: 1, c: 2 } }],
    ["an empty file changes nothing", ["a: 1", "# nothing"], { a: 1 }],
  ])("%s", (_name, texts, expected) => {
    expect(plain(load(texts))).toEqual(expected);
  });

  const lists = [
    "service: {extensions: [a], pipelines: {traces: {receivers: [r], processors: [p], exporters: [e]}}}",
    "service: {extensions: [b, a], pipelines: {traces: {receivers: [s], processors: [q], exporters: [e]}}}",
  ];
  test("the append gate joins extensions, receivers and exporters only", () => {
    expect(plain(load(lists, {}, { mergeAppend: true }))).toEqual({
      service: {
        extensions: ["a", "b"],
        pipelines: { traces: { receivers: ["r", "s"], processors: ["q"], exporters: ["e"] } },
      },
    });
    expect(plain(load(lists))).toMatchObject({ service: { extensions: ["b", "a"] } });
  });
});

describe("sources", () => {
  const env = { CONFIG: "receivers:\n  otlp: {x: '${env:X}'}\n", X: "5" };
  test.each([
    ["env:CONFIG", { receivers: { otlp: { x: 5 } } }],
    ["yaml:receivers::otlp::x: 6", { receivers: { otlp: { x: 6 } } }],
    ["file:c.yaml", { from: "file" }],
    ["c.yaml", { from: "file" }],
    ["C:\\otel\\c.yaml", { from: "file" }],
  ])("%s", (config, expected) => {
    expect(plain(loadConfig({ configs: [config], sets: [], env, readFile }))).toEqual(expected);
  });

  test("--set is applied last, dots separate keys, the value is YAML", () => {
    const sets = ["a.b = [1, 2]", "a.c=x=y", "d="];
    expect(plain(load("a: {b: 0, e: 1}\nd: {f: 1}", {}, { sets }))).toEqual({
      a: { b: [1, 2], c: "x=y", e: 1 },
      d: null,
    });
  });

  test.each([
    ["no config", [], [], "at least one config flag must be provided"],
    ["no equal sign", ["c"], ["abc"], 'missing equal sign for set flag "abc"'],
    ["a scheme that does not exist", ["s3:x"], [], 'scheme "s3" is not supported'],
    ["a list", ["yaml:[1]"], [], "retrieved value (type=[]interface {}) cannot be used as a Conf"],
    ["a text", ["yaml:abc"], [], "retrieved value (type=string) cannot be used as a Conf"],
    ["an unset variable's name", ["env:a b"], [], 'environment variable "a b" has invalid name'],
  ])("%s is a mistake", (_name, configs, sets, message) => {
    expect(errorText(loadConfig({ configs, sets, env, readFile }))).toContain(message);
  });

  test("a missing file has the Collector's text", () => {
    const loaded = loadConfig({ configs: ["/no/x.yaml"], sets: [], env, readFile: readConfigFile });
    expect(errorText(loaded)).toBe(
      "failed to get config: cannot resolve the configuration: cannot retrieve the configuration: unable to read the file file:/no/x.yaml: open /no/x.yaml: no such file or directory",
    );
  });

  test("files are read whole, but not when they are huge or directories", () => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    const file = join(folder, "c.yaml");
    const huge = join(folder, "huge.yaml");
    writeFileSync(file, "\u{feff}a: 1\r\nb: [2]\r\n");
    writeFileSync(huge, "#".repeat(1024 * 1024 + 1));
    expect(plain(readReal(file))).toEqual({ a: 1, b: [2] });
    expect(errorText(readReal(huge))).toContain("is larger than 1048576 bytes");
    expect(errorText(readReal(folder))).toContain("is a directory");
  });
});
