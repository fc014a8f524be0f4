/** The instrumentation helpers as they are published: one file. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";

const root = join(__dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "telemetry-build-"));
const built = join(folder, "instrument", "index.js");

function run(type: "module" | "commonjs", program: string): string {
  return execFileSync(process.execPath, [`--input-type=${type}`, "--eval", program], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
    encoding: "utf8",
  }).trim();
}

beforeAll(() => {
  const build = JSON.stringify(join(root, "tools", "build.ts"));
  run(
    "module",
    `const { buildInstrument } = await import(${build});
    await buildInstrument(${JSON.stringify(folder)});`,
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

test("are one file, and its source map", () => {
  expect(readdirSync(join(folder, "instrument")).toSorted()).toEqual(["index.js", "index.js.map"]);
});

test("export what the sources export, to import and to require()", () => {
  const names = (path: string) =>
    run("module", `console.log(Object.keys(await import(${JSON.stringify(path)})).sort().join())`);
  const sources = names(join(root, "src", "instrument", "index.ts"));
  expect(names(built)).toBe(sources);
  const required = `console.log(Object.keys(require(${JSON.stringify(built)})).filter((name) => name !== "module.exports").sort().join())`;
  expect(run("commonjs", required)).toBe(sources);
});

test("work", () => {
  const program = `const { start } = await import(${JSON.stringify(built)});
    const telemetry = start({ export: false, serviceName: "shop" });
    telemetry.meter.counter("orders").add(2, { kind: "a" });
    console.log(telemetry.toPrometheusText().split("\\n").filter((line) => line.startsWith("orders")).join());`;
  expect(run("module", program)).toBe('orders_total{kind="a"} 2');
});
