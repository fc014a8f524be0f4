/** The packed tarball, installed into an empty folder and run there. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";

const root = join(__dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "rmt-package-"));
const bin = join(folder, "node_modules", ".bin", "repomind-telemetry");
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };

beforeAll(() => {
  execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], {
    cwd: root,
    env,
  });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  writeFileSync(join(folder, "package.json"), '{"private":true}');
  execFileSync(
    "npm",
    ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", `./${tarball}`],
    { cwd: folder, env },
  );
}, 240_000);

const run = (...args: string[]) => spawnSync(bin, args, { cwd: folder, env, encoding: "utf8" });

test("prints its version", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  expect(run("--version").stdout).toBe(`repomind-telemetry version ${version}\n`);
});

test("writes a configuration that it accepts", () => {
  expect(run("init").status).toBe(0);
  expect(readFileSync(join(folder, "pipelines.yaml"), "utf8")).toContain(
    "$schema=./node_modules/repomind-telemetry/schema/pipelines.schema.json",
  );
  expect(existsSync(join(folder, "pipelines.yaml"))).toBe(true);
  const validated = run("validate");
  expect([validated.stderr, validated.status]).toEqual(["", 0]);
  expect(run("init").stderr).toContain("--force");
});

test("lists its components", () => {
  expect(run("components").stdout).toContain("- name: otlp_grpc");
});

test("brings no more than the package needs", () => {
  const files = readdirSync(join(folder, "node_modules", "repomind-telemetry"));
  expect(files.toSorted()).toEqual([
    "LICENSE",
    "README.md",
    "dist",
    "package.json",
    "pipelines.yaml",
    "schema",
  ]);
});

test("an old Node is told so in one line", () => {
  const main = join(root, "dist", "src", "main.js");
  const script = `Object.defineProperty(process.versions, "node", { value: "20.11.0" }); await import(${JSON.stringify(main)});`;
  const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  expect(stderr).toMatch(/^repomind-telemetry needs Node >= 24\.14\.1; this is 20\.11\.0\..*\n$/u);
  expect(status).toBe(1);
});
