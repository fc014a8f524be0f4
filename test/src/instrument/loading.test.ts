/** What an application loads with the import. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "@jest/globals";

const root = join(__dirname, "..", "..", "..");
const entry = join(root, "src", "instrument", "index.ts");

/** Files and packages that are loaded at run time, by the import statements. */
function loadedBy(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, type, name] of text.matchAll(
    /^(?:import|export)\s(type\s)?(?:[^;]*?\sfrom\s)?"([^"]+)";/gmu,
  )) {
    if (type !== undefined) continue;
    if (name!.startsWith(".")) loadedBy(join(dirname(file), name!), found);
    else found.add(name!);
  }
  return found;
}

test("nothing but itself, the sketch, the wire writer, names in Prometheus and one light module of Node", () => {
  const others = [...loadedBy(entry)]
    .map((path) => (path.startsWith("/") ? relative(root, path) : path))
    .filter((path) => !path.startsWith("src/instrument/"));
  expect(new Set(others)).toEqual(
    new Set([
      "node:diagnostics_channel",
      "src/metrics/exponential-buckets.ts",
      "src/metrics/exponential-histogram-otlp.ts",
      "src/metrics/exponential-histogram.ts",
      "src/metrics/exponential-scale.ts",
      "src/pdata/wire.ts",
      "src/prometheus/escape.ts",
      "src/prometheus/labels.ts",
      "src/prometheus/names.ts",
      "src/prometheus/number-text.ts",
      "src/prometheus/text-writer.ts",
      "src/prometheus/units.ts",
    ]),
  );
});

test("starting loads no HTTP, zlib, crypto or worker module", () => {
  const heavy = ["http", "https", "zlib", "crypto", "worker_threads"];
  const program = `
    const before = new Set(process.moduleLoadList);
    const names = () => process.moduleLoadList
      .filter((name) => !before.has(name)).map((name) => name.replace("NativeModule ", ""));
    const { start } = await import(${JSON.stringify(entry)});
    start({ export: false }).meter.counter("c").add(1);
    const loaded = names();
    process.getBuiltinModule("node:zlib");
    console.log(JSON.stringify([loaded, names()]));`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
    encoding: "utf8",
  });
  const [loaded, withZlib] = JSON.parse(printed) as [string[], string[]];
  expect(heavy.filter((name) => loaded.includes(name))).toEqual([]);
  // The list does show what is loaded.
  expect(withZlib).toContain("zlib");
});

test("require() works", () => {
  const program = `
    const { start, instrumentHttp, setRoute, setErrorType } = require(${JSON.stringify(entry)});
    console.log(typeof start, typeof instrumentHttp, typeof setRoute, typeof setErrorType);`;
  const printed = execFileSync(process.execPath, ["--input-type=commonjs", "--eval", program], {
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
    encoding: "utf8",
  });
  expect(printed.trim()).toBe("function function function function");
});
