/** The verbs that end by themselves. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { allFactories } from "../../../src/registry.ts";
import { cli, folderWith, smallConfig } from "./support.ts";

describe("validate", () => {
  test("says nothing about a good configuration", async () => {
    const cwd = folderWith({ "a.yaml": smallConfig });
    expect(await cli(["validate", "--config", "a.yaml"], { cwd })).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  test("lists the mistakes of several files at once", async () => {
    const cwd = folderWith({
      "a.yaml": smallConfig.replace("endpoint", "endpiont"),
      "b.yaml": "exporters:\n  nopp:\n",
    });
    const args = ["validate", "--config", "a.yaml", "--config", "file:b.yaml"];
    const { code, stderr } = await cli(args, { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("at a.yaml:2:32 (receivers::otlp::protocols::http::endpiont)");
    expect(stderr).toContain(`did you mean "endpoint"?`);
    expect(stderr).toContain("at b.yaml:2:3 (exporters::nopp)");
    expect(stderr).toContain(`did you mean "nop"?`);
  });

  test("warns about what works and is hardly meant", async () => {
    const cwd = folderWith({
      "a.yaml": `${smallConfig}\nprocessors: { batch: { timeout: 200 } }\n`,
    });
    const { code, stderr } = await cli(["validate", "--config", "a.yaml"], { cwd });
    expect(code).toBe(0);
    expect(stderr).toContain("200 means 200ns");
    expect(stderr).toContain(`info: processor "batch" is configured but used in no pipeline`);
  });

  test("shows the unset variable beside the mistake it makes", async () => {
    const body = `${smallConfig}\nextensions: { health_check: { endpoint: "\${env:RMT_NOT_SET}" } }\n`;
    const { code, stderr } = await cli(["validate", "--config", "a.yaml"], {
      cwd: folderWith({ "a.yaml": body }),
    });
    expect(code).toBe(1);
    expect(stderr).toContain("endpoint must be specified");
    expect(stderr).toContain(
      "warn: Configuration references unset environment variable RMT_NOT_SET",
    );
  });

  test("takes env: and yaml: as configurations and --set last", async () => {
    const env = { RMT_CONFIG: smallConfig };
    const sources = ["--config", "env:RMT_CONFIG", "--config", "yaml:exporters::debug:"];
    expect(await cli(["validate", ...sources], { env })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`exporter "debug" is configured but used in no pipeline`),
    });
    const set = ["--set", "service.pipelines.metrics.exporters=[debug]"];
    expect(await cli(["validate", ...sources, ...set], { env })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`exporter "nop" is configured but used in no pipeline`),
    });
  });

  test("a signal that a component does not take is found", async () => {
    const body = smallConfig.replace("nop:", "prometheus: { endpoint: localhost:0 }");
    const cwd = folderWith({
      "a.yaml": body.replace(
        "metrics: { receivers: [otlp], exporters: [nop] }",
        "logs: { receivers: [otlp], exporters: [prometheus] }",
      ),
    });
    const { code, stderr } = await cli(["validate", "--config", "a.yaml"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain(
      `failed to build pipelines: failed to create "prometheus" exporter for data type "logs": telemetry type is not supported`,
    );
    expect(stderr).toContain("prometheus takes metrics");
  });
});

describe("feature gates", () => {
  test("a known one is accepted and said to change nothing", async () => {
    const cwd = folderWith({ "a.yaml": smallConfig });
    const args = ["validate", "--config", "a.yaml", "--feature-gates", "+service.partialReload"];
    const { code, stderr } = await cli(args, { cwd });
    expect(code).toBe(0);
    expect(stderr).toContain(`Feature gate "service.partialReload" is known and changes nothing`);
  });

  test("confmap.enableMergeAppendOption joins lists, and -gate does not", async () => {
    const cwd = folderWith({
      "a.yaml": smallConfig,
      "b.yaml":
        "exporters: { debug: }\nservice: { pipelines: { metrics: { exporters: [debug] } } }\n",
    });
    const exportersWith = async (gate: string) => {
      const configs = ["--config", "a.yaml", "--config", "b.yaml"];
      const { stdout } = await cli(["print-config", ...configs, "--feature-gates", gate], { cwd });
      return (parse(stdout) as Printed).service.pipelines.metrics.exporters;
    };
    expect(await exportersWith("confmap.enableMergeAppendOption")).toEqual(["nop", "debug"]);
    expect(await exportersWith("-confmap.enableMergeAppendOption")).toEqual(["debug"]);
  });
});

interface Printed {
  readonly service: { readonly pipelines: { readonly metrics: { readonly exporters: string[] } } };
}

describe("print-config", () => {
  const secret = "hunter2hunter2";
  const config = smallConfig.replace(
    "  nop:\n",
    `  nop:\n  otlp_http: { endpoint: "http://user:${secret}@localhost:1", headers: { authorization: "\${env:RMT_TOKEN}" } }\n`,
  );
  const env = { RMT_TOKEN: secret };
  const print = (...args: string[]) =>
    cli(["print-config", "--config", "a.yaml", ...args], {
      cwd: folderWith({ "a.yaml": config }),
      env,
    });

  test("hides secrets unless asked, in both formats", async () => {
    for (const format of ["yaml", "json"]) {
      const redacted = await print("--format", format);
      expect(redacted).toMatchObject({ code: 0, stderr: "" });
      expect(redacted.stdout).not.toContain(secret);
      expect(redacted.stdout).toContain("[REDACTED]");
      const open = await print("--format", format, "--mode", "unredacted");
      expect(open.stdout).toContain(`"${secret}"`.slice(1, -1));
      expect(parse(open.stdout)).toMatchObject({
        exporters: { otlp_http: { headers: { authorization: secret } } },
      });
    }
  });

  test("prints what is not valid, unless --validate", async () => {
    const cwd = folderWith({ "a.yaml": "receivers: { nosuch: }\n" });
    const args = ["print-config", "--config", "a.yaml"];
    expect(await cli(args, { cwd })).toMatchObject({
      code: 0,
      stdout: "receivers:\n  nosuch: null\n",
    });
    const checked = await cli([...args, "--validate"], { cwd });
    expect(checked).toMatchObject({ code: 1, stdout: "" });
    expect(checked.stderr).toContain(`unknown type: "nosuch"`);
  });

  test("has the Collector's older name", async () => {
    const cwd = folderWith({ "a.yaml": "receivers: { nop: }\n" });
    const { stdout } = await cli(["print-initial-config", "--config", "a.yaml"], { cwd });
    expect(stdout).toBe("receivers:\n  nop: null\n");
  });

  test("an unreadable configuration is an error without its secrets", async () => {
    const cwd = folderWith({ "a.yaml": `password: "${secret}\nx: [\n` });
    const { code, stdout, stderr } = await cli(["print-config", "--config", "a.yaml"], { cwd });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("a.yaml:1:11");
    expect(stderr).not.toContain(secret);
  });
});

test("components lists every component as the Collector does", async () => {
  const { code, stdout } = await cli(["components"]);
  expect(code).toBe(0);
  const listed = parse(stdout) as Record<
    string,
    { name: string; module: string; stability: object }[]
  >;
  const keys = ["buildinfo", "receivers", "processors", "exporters", "connectors", "extensions"];
  const all = [...keys, "providers"];
  expect(Object.keys(listed)).toEqual(all);
  for (const { kind, type } of await allFactories()) {
    const found = listed[`${kind}s`]!.find(({ name }) => name === type);
    expect(found).toMatchObject({ module: expect.stringMatching(/^repomind-telemetry v/u) });
    expect(Object.keys(found!.stability).length).toBeGreaterThan(0);
  }
  for (const kind of keys.slice(1)) {
    const names = listed[kind]!.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
  }
});

test("schema prints the JSON Schema that is shipped", async () => {
  const { code, stdout } = await cli(["schema"]);
  expect(code).toBe(0);
  const schema = JSON.parse(stdout) as { properties: object };
  expect(Object.keys(schema.properties)).toContain("receivers");
});

describe("init", () => {
  test("writes a commented configuration that is valid and names its schema", async () => {
    const cwd = folderWith();
    const { code, stdout } = await cli(["init"], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain("pipelines.yaml");
    const text = readFileSync(join(cwd, "pipelines.yaml"), "utf8");
    const schema = /^# yaml-language-server: \$schema=(\S+)/u.exec(text)![1]!;
    expect(JSON.parse(readFileSync(resolve(cwd, schema), "utf8"))).toMatchObject({
      title: "Pipelines configuration",
    });
    expect(await cli(["validate"], { cwd })).toMatchObject({ code: 0, stderr: "" });
  });

  test("never overwrites without --force", async () => {
    const cwd = folderWith({ "mine.yaml": "mine" });
    const refused = await cli(["init", "mine.yaml"], { cwd });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--force") });
    expect(readFileSync(join(cwd, "mine.yaml"), "utf8")).toBe("mine");
    expect(await cli(["init", "mine.yaml", "--force"], { cwd })).toMatchObject({ code: 0 });
    expect(readFileSync(join(cwd, "mine.yaml"), "utf8")).toContain("receivers:");
  });

  test("a folder that does not exist is named", async () => {
    const cwd = folderWith();
    const { code, stderr } = await cli(["init", "no/such.yaml"], { cwd });
    expect(code).toBe(1);
    expect(stderr).toBe(
      "Error: cannot write no/such.yaml: ENOENT: no such file or directory, open 'no/such.yaml'\n",
    );
    expect(existsSync(join(cwd, "no"))).toBe(false);
  });
});

test("a file that is not UTF-8 is said to be so", async () => {
  const cwd = folderWith();
  writeFileSync(join(cwd, "a.yaml"), Buffer.from(`\u{feff}${smallConfig}`, "utf16le"));
  const { code, stderr } = await cli(["validate", "--config", "a.yaml"], { cwd });
  expect(code).toBe(1);
  expect(stderr).toContain("a.yaml is not UTF-8 text");
});
