/** The default service at rest: how long it takes to start, what memory it holds. */
import { readFileSync } from "node:fs";
import { type Measure, median, type Row, value } from "../row.ts";
import { freePort, RunningSystem, type SystemKind, withSystem } from "../system.ts";
import { get } from "./prometheus.ts";

const startsARun = 3;
/** Until the start is over for the garbage collector, too. */
const restMs = 3000;

interface Setup {
  readonly yaml: string;
  readonly args: readonly string[];
  readonly metricsPort: number;
}

/** The shipped pipelines.yaml on free ports; peers get what they know of it. */
async function setup(kind: SystemKind): Promise<Setup> {
  const metricsPort = await freePort();
  const reader = `{ pull: { exporter: { prometheus: { host: localhost, port: ${metricsPort} } } } }`;
  const readers = ["--config", `yaml:service::telemetry::metrics::readers: [${reader}]`];
  if (!kind.isOurs) return { yaml: await peerYaml(), args: readers, metricsPort };
  const yaml = readFileSync(new URL("../../pipelines.yaml", import.meta.url), "utf8");
  const args = await Promise.all(
    endpoints
      .filter(({ type }) => yaml.includes(`  ${type}:`))
      .map(async ({ key }) => ["--set", `${key}=localhost:${await freePort()}`]),
  );
  return { yaml, args: [...readers, ...args.flat()], metricsPort };
}

const endpoints = [
  { type: "otlp", key: "receivers.otlp.protocols.grpc.endpoint" },
  { type: "otlp", key: "receivers.otlp.protocols.http.endpoint" },
  { type: "statsd", key: "receivers.statsd.endpoint" },
  { type: "http_metrics", key: "receivers.http_metrics.endpoint" },
  { type: "prometheus", key: "exporters.prometheus.endpoint" },
  { type: "health_check", key: "extensions.health_check.endpoint" },
];

async function peerYaml(): Promise<string> {
  const [grpc, http, prometheus, health] = await Promise.all(
    Array.from({ length: 4 }, () => freePort()),
  );
  return `receivers: { otlp: { protocols: { grpc: { endpoint: "localhost:${grpc}" }, http: { endpoint: "localhost:${http}" } } } }
processors: { memory_limiter: { check_interval: 1s, limit_percentage: 75, spike_limit_percentage: 15 }, batch: }
exporters: { prometheus: { endpoint: "localhost:${prometheus}" }, debug: , file: { path: ./data.jsonl } }
extensions: { health_check: { endpoint: "localhost:${health}" } }
service:
  extensions: [health_check]
  pipelines:
    metrics: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [prometheus, file, debug] }
    traces: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [file, debug] }
    logs: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [file, debug] }
`;
}

const startMeasures: readonly Measure[] = [
  { name: ", time", unit: "ms", digits: 0, goal: value(300) },
  { name: ", CPU", unit: "ms CPU", digits: 0 },
];

const start: Row = {
  name: `start of the default service until it listens, median of ${startsARun} a run`,
  against: "core",
  measures: startMeasures,
  async run(kind) {
    const times: number[] = [];
    const cpuTimes: number[] = [];
    for (let i = 0; i < startsARun; i++) {
      const { yaml, args } = await setup(kind);
      const system = await RunningSystem.start(kind, yaml, args);
      times.push(system.startMs);
      cpuTimes.push(system.cpuSeconds() * 1000);
      await system.stop();
    }
    return { values: [median(times), median(cpuTimes)] };
  },
};

const idleMeasures: readonly Measure[] = [
  { name: ", nobody scrapes", unit: "MB RSS", digits: 0, goal: value(90) },
  { name: ", after a scrape of its own metrics", unit: "MB RSS", digits: 0, goal: value(115) },
];

const idle: Row = {
  name: "the default service at rest",
  against: "core",
  measures: idleMeasures,
  async run(kind) {
    const { yaml, args, metricsPort } = await setup(kind);
    const rest = () => new Promise((resolve) => setTimeout(resolve, restMs));
    const measure = async (system: RunningSystem) => {
      await rest();
      const before = system.rssMegabytes();
      await get(metricsPort, "/metrics", "identity");
      await rest();
      return { values: [before, system.rssMegabytes()] };
    };
    return withSystem(kind, yaml, measure, args);
  },
};

export const startRows: readonly Row[] = [start, idle];
