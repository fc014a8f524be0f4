/** examples/observe: promtool judges the configuration, the rules and their unit tests. Needs Debian's `prometheus`. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { isPrometheusMissing } from "../support/prometheus-server.ts";

const folder = join(__dirname, "..", "..", "examples", "observe");
const read = (name: string): unknown => parse(readFileSync(join(folder, name), "utf8"));

interface Alert {
  readonly alert?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
interface AlertTest {
  readonly alertname: string;
  readonly exp_alerts: readonly unknown[];
}

const { groups } = read("alerts.yaml") as { groups: { rules: Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
const { tests } = read("alerts.test.yaml") as { tests: { alert_rule_test: AlertTest[] }[] };
const cases = tests.flatMap(({ alert_rule_test }) => alert_rule_test);

(isPrometheusMissing("test/foreign/observe-rules.test.ts") ? describe.skip : describe)(
  "promtool",
  () => {
    test.each([
      ["check", "config", "prometheus.yml"],
      ["check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml"],
      ["test", "rules", "alerts.test.yaml"],
    ])("%s %s", (...args) => {
      const promtool = spawnSync("promtool", args, { cwd: folder, encoding: "utf8" });
      expect(promtool.stdout + promtool.stderr).not.toMatch(/FAILED|WARNING/u);
      expect(promtool.status).toBe(0);
    });
  },
);

const names = alerts.map(({ alert }) => alert!);
const tested = (matches: (one: AlertTest) => boolean) =>
  new Set(cases.filter(matches).map(({ alertname }) => alertname));

test("every alert has a case in which it fires and one in which it does not", () => {
  const fires = tested(({ exp_alerts }) => exp_alerts.length > 0);
  const doesNot = tested(({ exp_alerts }) => exp_alerts.length === 0);
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name) => !fires.has(name) || !doesNot.has(name))).toEqual([]);
});

test("every alert has a name of its own, a severity, and texts that say how much and what to do", () => {
  expect(new Set(names).size).toBe(names.length);
  for (const { alert, labels, annotations } of alerts) {
    expect([alert, labels]).toEqual([
      alert,
      { severity: expect.stringMatching(/^(critical|warning|info)$/u) },
    ]);
    expect([alert, Object.keys(annotations)]).toEqual([
      alert,
      ["summary", "description", "runbook"],
    ]);
    // An absent metric has no value.
    const value = alert === "ApiMetricsAbsent" ? /^/u : /\{\{ .*\$value/u;
    expect([alert, annotations["description"]]).toEqual([alert, expect.stringMatching(value)]);
  }
});

test("compose.yaml mounts what is there, and Grafana asks that Prometheus at its pace", () => {
  const { services } = read("compose.yaml") as {
    services: Record<"prometheus" | "grafana", { command?: string[]; volumes: string[] }>;
  };
  const mounted = Object.values(services)
    .flatMap(({ volumes }) => volumes.map((volume) => volume.split(":")[0]!))
    .filter((source) => source.startsWith("."));
  expect(mounted).toHaveLength(5);
  expect(mounted.filter((source) => !existsSync(join(folder, source)))).toEqual([]);
  const { datasources } = read("grafana/datasources.yaml") as {
    datasources: { url: string; jsonData: { timeInterval: string } }[];
  };
  const { global } = read("prometheus.yml") as { global: { scrape_interval: string } };
  expect(datasources[0]!.jsonData.timeInterval).toBe(global.scrape_interval);
  const port = new URL(datasources[0]!.url).port;
  expect(services.prometheus.command).toContain(`--web.listen-address=127.0.0.1:${port}`);
});
