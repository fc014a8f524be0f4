/**
 * examples/observe against `rmt demo`: a real Prometheus with the shipped configuration (other ports, 1 s) answers
 * every query of the dashboard and evaluates every rule. Needs Debian's `prometheus`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { catalogue } from "../../src/catalogue.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import { llmCall, start } from "../../src/instrument/index.ts";
import type { Telemetry } from "../../src/instrument/types.ts";
import { DemoProcess, movedListeners } from "../support/demo-process.ts";
import { freePort } from "../support/free-port.ts";
import { isPrometheusMissing, PrometheusServer } from "../support/prometheus-server.ts";

const root = join(__dirname, "..", "..");
const folder = join(root, "examples", "observe");
const read = (name: string): string => readFileSync(join(folder, name), "utf8");

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: unknown }[];
  };
}
interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
}
const dashboard = JSON.parse(read("dashboard.json")) as Dashboard;
const { groups } = parse(read("alerts.yaml")) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** As Grafana does it, with everything chosen. */
const filled = (query: string): string =>
  query
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$__range", "5m")
    .replaceAll(/\$(job|route|model)\b/gu, ".*");

/** Of what may never happen, such as a drop, a panel shows 0. */
const fallback = " or vector(0)";

const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, query: filled(expr) })),
);

/** A machine that is slow at times: requests wait, and come to the app's rate limit all at once. */
const ofTheMachine = [
  "ApiLatencyP95High",
  "ApiLatencyP99High",
  "EventLoopDelayHigh",
  "RateLimitNearlyReached",
  "RateLimitRejecting",
  "TelemetryEventLoopDelayHigh",
];

const deadlineMs = 60_000;
const lookEveryMs = 250;

/** Until nothing is left, or the deadline; returns the rest. */
async function untilNone<T>(rest: () => Promise<readonly T[]>): Promise<readonly T[]> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const left = await rest();
    if (left.length === 0 || performance.now() > endMs) return left;
    await sleep(systemClock, lookEveryMs);
  }
}

/** The shipped pipelines.yaml with every listener moved; the default reader of its own metrics, too. */
const startDemo = (selfPort: number) =>
  new DemoProcess([
    ...movedListeners,
    "--set",
    `service.telemetry.metrics.readers=[{pull: {exporter: {prometheus: {host: 127.0.0.1, port: ${selfPort}, without_type_suffix: true, without_units: true, without_scope_info: true}}}}]`,
  ]);

/** The shipped configuration with its targets and rules where they are here. */
function configFor(targets: Readonly<Record<string, string>>): unknown {
  const config = parse(read("prometheus.yml"));
  config.global = { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" };
  config.rule_files = config.rule_files.map((name: string) => join(folder, name));
  for (const job of config.scrape_configs)
    job.static_configs = [{ targets: [targets[job.job_name]] }];
  return config;
}

(isPrometheusMissing("test/foreign/observe-demo.test.ts") ? describe.skip : describe)(
  "a real Prometheus, scraping the demo",
  () => {
    let demo: DemoProcess;
    let prometheus: PrometheusServer;
    let appUrl: string;
    let otlpUrl: string;
    let side: Telemetry | undefined;

    beforeAll(async () => {
      const selfPort = await freePort();
      demo = startDemo(selfPort);
      const said = async (pattern: RegExp) => (await demo.says(pattern))[1]!;
      const page = new URL(await said(/^ {2}metrics {2}(\S+)$/mu));
      appUrl = await said(/^ {2}app {6}(\S+)\/repos$/mu);
      otlpUrl = await said(/^ {2}service {2}(http[^,]+),/mu);
      await said(/^(Every metric has data)/mu);
      const targets = { applications: page.host, "repomind-telemetry": `127.0.0.1:${selfPort}` };
      prometheus = await PrometheusServer.start(configFor(targets));
    });

    afterAll(async () => {
      await side?.shutdown();
      await prometheus?.stop();
      demo.interrupt();
      await demo.exited;
    });

    const hasData = async (query: string) =>
      (await prometheus.query(query)).some(({ value }) => Number.isFinite(Number(value[1])));

    async function withoutData(among: typeof queries): Promise<typeof queries> {
      const found = await Promise.all(among.map(({ query }) => hasData(query)));
      return among.filter((_, i) => !found[i]);
    }

    /** Of the names of alerting rules, in this state. */
    async function alertsThat(are: (state: string) => boolean): Promise<string[]> {
      const all = await prometheus.alertingRules();
      return all.filter(({ state }) => are(state)).map(({ name }) => name);
    }

    test("answers every query of the dashboard with data", async () => {
      expect(queries.length).toBeGreaterThan(90);
      let left = queries;
      await untilNone(async () => (left = await withoutData(left)));
      expect(left).toEqual([]);
    });

    test("has values for every variable", async () => {
      for (const { name, query } of dashboard.templating.list) {
        if (name === "datasource") continue;
        const text = filled((query as { query: string }).query);
        const [, selector, label] = /^label_values\((.+), (\w+)\)$/u.exec(text)!;
        expect([name, (await prometheus.values(label!, selector!)).length]).not.toEqual([name, 0]);
      }
    });

    test("evaluates every rule, and no alert is even pending but those of a busy machine", async () => {
      const notYet = await untilNone(async () => {
        const all = await prometheus.alertingRules();
        return all.filter(({ name, health, state }) => {
          const isQuiet =
            state === "inactive" || (state === "pending" && ofTheMachine.includes(name));
          return health !== "ok" || !isQuiet;
        });
      });
      expect(notYet).toEqual([]);
      const recorded = rules.flatMap(({ record }) => record ?? []);
      expect(
        await untilNone(() => withoutData(recorded.map((query) => ({ title: "", query })))),
      ).toEqual([]);
    });

    test("shows everything that the demo reports", async () => {
      const shown = queries.map(({ query }) => query).join("\n");
      const names = await prometheus.values("__name__", '{job="repomind"}');
      const families = new Set(names.map((name) => name.replace(/_(bucket|count|sum)$/u, "")));
      const unseen = [...families].filter(
        (name) => !new RegExp(`\\b${name}(_(bucket|count|sum))?\\b`, "u").test(shown),
      );
      // What Prometheus makes of the rules.
      const others = unseen.filter((name) => !name.includes(":") && !name.startsWith("ALERTS"));
      // A metric of the demo's own, and who the application is.
      expect(others.toSorted()).toEqual(["repomind_index_jobs_total", "target_info"]);
    });

    test("tells of a model without a price, and of an answer without its tokens", async () => {
      side = start({ serviceName: "side", endpoint: otlpUrl, http: false, system: false });
      const call = { operation: "chat", provider: "house", model: "house-1" };
      llmCall(call).end({ input: 10, output: 2 });
      llmCall(call).end();
      await side.flush();
      expect(
        await untilNone(async () => {
          const firing = await alertsThat((state) => state === "firing");
          return ["LlmModelWithoutPrice"].filter((name) => !firing.includes(name));
        }),
      ).toEqual([]);
      // Of a drop and of a full queue the demo has no example.
      const without = ["Dropped", "Dropped by reason", "Fullest sending queue"];
      const rare = queries
        .filter(({ query }) => query.includes(fallback))
        .map(({ title, query }) => ({ title, query: query.replaceAll(fallback, "") }));
      const others = rare.filter(({ title }) => !without.includes(title));
      expect(others.length).toBeGreaterThan(3);
      expect(await untilNone(() => withoutData(others))).toEqual([]);
    });

    test("knows every metric and label that rules and dashboard name", async () => {
      const notes = dashboard.annotations.list.flatMap(({ expr }) => expr ?? []);
      const texts = [
        ...queries.map(({ query }) => query),
        ...rules.map(({ expr }) => expr),
        ...notes,
      ];
      const live = new Set(await prometheus.values("__name__", '{__name__!=""}'));
      const unknown = namesIn(texts, metricsOf).filter((name) => !live.has(name));
      // No exporter of the shipped pipelines has a sending queue, nothing was dropped, and nobody sent spans or logs.
      expect(unknown).toEqual([
        "otelcol_exporter_queue_capacity",
        "otelcol_exporter_queue_size",
        "otelcol_receiver_refused_log_records",
        "otelcol_receiver_refused_spans",
        "rmt_dropped_items",
      ]);
      expect(unknown.filter((name) => !Object.hasOwn(catalogue, name))).toEqual([]);
      const labels = new Set(await prometheus.get<string[]>("labels"));
      expect(namesIn(texts, labelsOf).filter((name) => !labels.has(name))).toEqual(["reason"]);
    });

    test("alerts when the demo breaks", async () => {
      const response = await fetch(`${appUrl}/_demo`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          errors: 0.5,
          "llm-outage": true,
          "queue-stall": true,
          "cache-collapse": true,
        }),
      });
      expect(response.status).toBe(200);
      const due = [
        "ApiErrorBudgetBurnsFast",
        "ApiErrorRatioHigh",
        "ApiRouteErrorRatioHigh",
        "CacheThrashing",
        "LlmErrorRatioHigh",
        "LlmRetryRatioHigh",
        "QueryFailureRatioHigh",
        "QueueNearCapacity",
        "UpstreamErrorRatioHigh",
      ];
      const missing = await untilNone(async () => {
        const active = await alertsThat((state) => state !== "inactive");
        return due.filter((name) => !active.includes(name));
      });
      expect(missing).toEqual([]);
    });

    test("had nothing to complain about", () => {
      expect(prometheus.complaints).toEqual([]);
    });
  },
);

/** Sorted, each once. */
const namesIn = (
  texts: readonly string[],
  namesOf: (text: string) => readonly string[],
): string[] => [...new Set(texts.flatMap(namesOf))].toSorted();

const lists = /\b(?:by|on|without) \(([^)]*)\)/gu;
const matchers = /\{([^}]*)\}/gu;
const words =
  "absent and avg avg_over_time by count deriv histogram_quantile increase le max min min_over_time or predict_linear rate resets sum unless vector offset";

/** What is left when everything else that has a name is taken out. */
function metricsOf(text: string): string[] {
  const bare = text
    .replaceAll(matchers, " ")
    .replaceAll(lists, " ")
    .replaceAll(/\[[^\]]*\]|offset \w+/gu, " ");
  const names = bare.match(/[a-zA-Z_:][\w:]*/gu) ?? [];
  return names.filter((name) => !words.split(" ").includes(name));
}

function labelsOf(text: string): string[] {
  const inLists = [...text.matchAll(lists)].flatMap(([, list]) => list!.split(/,\s*/u));
  const inMatchers = [...text.matchAll(matchers)].flatMap(([, list]) =>
    [...list!.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/gu)].map(([, name]) => name!),
  );
  return [...inLists, ...inMatchers].filter((name) => name !== "");
}
