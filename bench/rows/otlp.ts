/** OTLP in, something between, OTLP, the Prometheus exporter or nothing out. */
import type { LoadOptions } from "../load.ts";
import { cpuPerItem, type Goal, type Measure, type Row, ratio, value } from "../row.ts";
import { measureLoad } from "../run-load.ts";
import { shapes } from "../shapes.ts";
import { freePort, type SystemKind } from "../system.ts";

export const quiet = "  telemetry: { metrics: { level: none } }";

export interface Work {
  readonly shape: LoadOptions["shape"];
  readonly size: number;
  readonly requests: number;
  readonly protocol?: "grpc" | "http";
  readonly compression?: "none" | "gzip";
  readonly inFlight?: number;
}

/** Of timed shapes each series comes by one connection: in order. */
const resourcesOf = (shape: LoadOptions["shape"]) => ("timed" in shapes[shape] ? 8 : 10);

export async function loadOptions(work: Work, withSink: boolean): Promise<LoadOptions> {
  return {
    shape: work.shape,
    size: work.size,
    resources: resourcesOf(work.shape),
    protocol: work.protocol ?? "grpc",
    compression: work.compression ?? "none",
    target: await freePort(),
    sinkPort: withSink ? await freePort() : undefined,
    connections: 4,
    inFlight: work.inFlight ?? 1,
  };
}

export const receiver = ({ protocol, target }: LoadOptions) =>
  `receivers: { otlp: { protocols: { ${protocol}: { endpoint: "127.0.0.1:${target}" } } } }`;

function forwardYaml(options: LoadOptions): string {
  const { shape, protocol, compression, sinkPort } = options;
  const [name, url, rest] =
    protocol === "grpc" ? ["otlp", "", ", tls: { insecure: true }"] : ["otlphttp", "http://", ""];
  return `${receiver(options)}
processors: { batch: }
exporters: { ${name}: { endpoint: "${url}127.0.0.1:${sinkPort}", compression: ${compression}${rest} } }
service:
${quiet}
  pipelines: { ${shapes[shape].signal}: { receivers: [otlp], processors: [batch], exporters: [${name}] } }
`;
}

async function runForward(system: SystemKind, work: Work) {
  const options = await loadOptions(work, true);
  return measureLoad(system, forwardYaml(options), options, work.requests);
}

const itemNames = { metrics: "point", traces: "span", logs: "record" } as const;

const forward = (name: string, work: Work, goal: Goal): Row => ({
  name,
  against: "core",
  measures: [cpuPerItem(itemNames[shapes[work.shape].signal], goal)],
  run: (system) => runForward(system, work),
});

const peak: Measure = { name: "", unit: "MB peak RSS", digits: 0, goal: value(200) };

/** Nobody is paced here: eight calls at once on each of four connections. */
const memory: Row = {
  name: "memory: gRPC testbed, 4 clients with 8 calls each",
  against: "core",
  measures: [peak],
  async run(system) {
    const work = { shape: "testbed", size: 700, requests: 8000, inFlight: 8 } as const;
    const sample = await runForward(system, work);
    return { ...sample, values: [sample.peakRssMegabytes!] };
  },
};

function nopYaml(options: LoadOptions, processor: string): string {
  const name = processor.slice(0, processor.indexOf(":"));
  return `${receiver(options)}
processors: { ${processor} }
exporters: { nop: }
service:
${quiet}
  pipelines: { ${shapes[options.shape].signal}: { receivers: [otlp], processors: [${name}], exporters: [nop] } }
`;
}

interface Processor {
  readonly ours: string;
  /** Absent: reads ours; undefined: has none. */
  readonly peers?: string | undefined;
}

const through = (name: string, work: Work, processor: Processor, goal?: Goal): Row => ({
  name,
  against: "peers" in processor && processor.peers === undefined ? "none" : "contrib",
  measures: [cpuPerItem("point", goal)],
  async run(system) {
    const options = await loadOptions(work, false);
    const text = system.isOurs ? processor.ours : (processor.peers ?? processor.ours);
    return measureLoad(system, nopYaml(options, text), options, work.requests);
  },
});

const attributes = `attributes: { actions: [
  { key: deployment.environment, value: production, action: insert },
  { key: http.request.method, value: ANY, action: update },
  { key: network.protocol.version, action: delete } ] }`;
const resource = `resource: { attributes: [
  { key: cloud.region, value: eu-1, action: insert },
  { key: deployment.environment, value: staging, action: upsert },
  { key: host.name, action: delete } ] }`;
const transforms = `metricstransform: { transforms: [
  { include: http.server.metric.0, action: update, new_name: http.server.duration },
  { include: '^http\\.server\\.metric\\.[1-5]$', match_type: regexp, action: update,
    operations: [{ action: add_label, new_label: environment, new_value: production }] },
  { include: http.server.metric.6, action: update,
    operations: [{ action: update_label, label: http.request.method, new_label: method }] } ] }`;
const relabel = `relabel: { relabel_configs: [
  { target_label: deployment.environment, replacement: production },
  { source_labels: [http.request.method], regex: (.+), target_label: http.request.method, replacement: ANY },
  { regex: 'network\\.protocol\\.version', action: labeldrop } ] }`;
const percentiles = "percentiles: { window: 60s, slide: 5s }";

const repeat = { shape: "repeat", size: 1000, requests: 2000 } as const;
/** Twice as many: the rewriting processors are compiled for up to two seconds. */
const long = { ...repeat, requests: 4000 } as const;
const testbed = { shape: "testbed", size: 700, requests: 3000 } as const;

export const otlpRows: readonly Row[] = [
  forward("gRPC testbed 700 points", testbed, ratio(0.4)),
  forward("gRPC repeat 1,000 points", repeat, ratio(0.4)),
  forward("gRPC logs 1,000", { shape: "logs", size: 1000, requests: 1500 }, ratio(0.4)),
  forward("gRPC logs 100", { shape: "logs", size: 100, requests: 10_000 }, ratio(0.7)),
  forward("gRPC spans 100", { shape: "spans", size: 100, requests: 10_000 }, ratio(0.7)),
  forward("gRPC gzip testbed 700", { ...testbed, compression: "gzip" }, ratio(0.55)),
  forward("gRPC gzip repeat 1,000", { ...repeat, compression: "gzip" }, ratio(0.55)),
  forward("HTTP testbed 700", { ...testbed, protocol: "http" }, ratio(0.3)),
  forward("HTTP repeat 1,000", { ...repeat, protocol: "http" }, ratio(0.3)),
  forward(
    "HTTP gzip testbed 700",
    { ...testbed, protocol: "http", compression: "gzip" },
    ratio(0.55),
  ),
  memory,
  through("OTLP -> batch -> nop, repeat", repeat, { ours: "batch:" }),
  through("OTLP -> attributes -> nop, repeat", long, { ours: attributes }, ratio(0.5)),
  through("OTLP -> attributes -> nop, testbed", testbed, { ours: attributes }),
  through("OTLP -> resource -> nop, repeat", long, { ours: resource }, ratio(0.5)),
  through("OTLP -> metrics_transform -> nop, repeat", long, { ours: transforms }, ratio(0.5)),
  through(
    "OTLP -> relabel -> nop, repeat (peer: attributes)",
    long,
    { ours: relabel, peers: attributes },
    ratio(0.5),
  ),
  through(
    "OTLP -> cumulative_to_delta -> nop, repeat",
    { ...long, shape: "cumulative" },
    { ours: "cumulativetodelta:" },
  ),
  through(
    "OTLP -> delta_to_cumulative -> nop, repeat",
    { ...long, shape: "delta" },
    { ours: "delta_to_cumulative:", peers: undefined },
  ),
  through(
    "OTLP -> percentiles -> nop, repeat",
    { ...long, shape: "delta" },
    { ours: percentiles, peers: undefined },
  ),
];
