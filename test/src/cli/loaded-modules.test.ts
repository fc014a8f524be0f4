/** What each verb loads, in a process of its own: only run may load gRPC, and nothing the OpenTelemetry SDK. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { folderWith, smallConfig } from "./support.ts";

const main = join(__dirname, "../../../src/main.ts");
const defaultConfig = readFileSync(join(__dirname, "../../../pipelines.yaml"), "utf8");

/** Prints every module that was asked for, when the process ends. */
const recorder = `
import { registerHooks } from "node:module";
const urls = new Set();
registerHooks({ load(url, context, next) { urls.add(url); return next(url, context); } });
process.on("exit", () => process.stderr.write("\\nLOADED " + JSON.stringify([...urls]) + "\\n"));
`;

function loadedBy(args: readonly string[]): { urls: string[]; status: number | null } {
  const cwd = folderWith({ "a.yaml": smallConfig, "pipelines.yaml": defaultConfig });
  const hook = `data:text/javascript,${encodeURIComponent(recorder)}`;
  const { stderr, status } = spawnSync(process.execPath, ["--import", hook, main, ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  return { urls: JSON.parse(/^LOADED (.*)$/mu.exec(stderr)![1]!) as string[], status };
}

test.each([
  ["--help", ["--help"], 20],
  ["--version", ["--version"], 20],
  ["validate", ["validate", "--config", "a.yaml"], 500],
  ["print-config", ["print-config", "--config", "a.yaml"], 500],
  ["components", ["components"], 1000],
  ["schema", ["schema"], 1000],
])("%s loads neither gRPC nor the OpenTelemetry SDK", (_name, args, mostModules) => {
  const { urls, status } = loadedBy(args);
  expect(status).toBe(0);
  expect(urls.filter((url) => /node_modules\/(@grpc|@opentelemetry)\//u.test(url))).toEqual([]);
  expect(urls.length).toBeLessThan(mostModules);
});

test("--help loads no YAML and no schemas", () => {
  const { urls } = loadedBy(["--help"]);
  expect(urls.filter((url) => url.includes("node_modules"))).toEqual([]);
});

test("validate loads the components that are named and no others", () => {
  const { urls } = loadedBy(["validate", "--config", "a.yaml"]);
  expect(urls.some((url) => url.includes("/receivers/otlp/"))).toBe(true);
  expect(urls.filter((url) => /\/(exporters\/prometheus|processors)\//u.test(url))).toEqual([]);
});

test("servers and clients of HTTP load no undici, which node:http's ESM wrapper would", () => {
  const script = `
    for (const path of ["src/cli/run.ts", "receivers/otlp/factory.ts", "exporters/otlp_http/factory.ts"])
      await import(${JSON.stringify(`file://${join(main, "../..")}/`)} + path);
    console.log(process.moduleLoadList.filter((name) => name.includes("undici")).join());
    process.exit();
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  expect([stdout, stderr]).toEqual(["\n", ""]);
});

test("the default configuration loads no parsers and no texts that only some requests need", () => {
  const { urls, status } = loadedBy(["validate"]);
  expect(status).toBe(0);
  expect(urls.some((url) => url.includes("/receivers/http_metrics/push-api.ts"))).toBe(true);
  expect(urls.some((url) => url.includes("/exporters/debug/debug-exporter.ts"))).toBe(true);
  const late = /\/(prometheus\/parse\/(parse|.*-parser)|openapi|debug\/(detailed|normal))\.ts$/u;
  expect(urls.filter((url) => late.test(url))).toEqual([]);
});

test("the components of the default configuration load neither TLS nor WebCrypto", () => {
  const factories = [...defaultConfig.matchAll(/^(\w+):\n((?: .*\n|\n)+)/gmu)].flatMap(
    ([, section, body]) =>
      section === "service"
        ? []
        : [...body!.matchAll(/^ {2}(\w+)[\w/]*:/gmu)].map(
            ([, type]) => `${section}/${type}/factory.ts`,
          ),
  );
  expect(factories).toContain("receivers/http_metrics/factory.ts");
  const script = `
    for (const path of ${JSON.stringify(["src/cli/run.ts", ...factories])})
      await import(${JSON.stringify(`file://${join(main, "../..")}/`)} + path);
    const late = ["tls", "https", "internal/crypto/webcrypto"].map((name) => "NativeModule " + name);
    console.log(process.moduleLoadList.filter((name) => late.includes(name)).join());
    process.exit();
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  expect([stdout, stderr]).toEqual(["\n", ""]);
});
