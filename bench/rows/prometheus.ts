/** The Prometheus exporter: what a point costs, and what a scrape of 100,000 lines costs. */
import { connect } from "node:net";
import { cpuPerItem, type Measure, type Row, ratio } from "../row.ts";
import { type LoadProcess, measureLoad, withLoad } from "../run-load.ts";
import { freePort, type RunningSystem, withSystem } from "../system.ts";
import { loadOptions, quiet, receiver } from "./otlp.ts";

/** 22 resources of 700 sums and 300 histograms with 11 buckets: 101,200 lines of samples. */
const resources = 22;
const scrapes = 10;

const ingest: Row = {
  name: "OTLP -> prometheus, repeat 1,000 points, 10 k series",
  against: "core",
  measures: [cpuPerItem("point", ratio(0.3))],
  async run(kind) {
    const options = await loadOptions({ shape: "repeat", size: 1000, requests: 0 }, false);
    const yaml = prometheusYaml(receiver(options), await freePort());
    return measureLoad(kind, yaml, options, 2000);
  },
};

const scrapeMeasures: readonly Measure[] = [
  { name: ", CPU", unit: "ms CPU a scrape", digits: 0, goal: ratio(0.1) },
  { name: ", time", unit: "ms a scrape", digits: 0, goal: ratio(0.1) },
];

const scrape = (encoding: "identity" | "gzip"): Row => ({
  name: `scrape of 101,200 lines, ${encoding}`,
  against: "core",
  measures: scrapeMeasures,
  async run(kind) {
    const work = { shape: "repeat", size: 1000, requests: 0 } as const;
    const options = { ...(await loadOptions(work, false)), resources };
    const port = await freePort();
    return withLoad(options, (load) =>
      withSystem(kind, prometheusYaml(receiver(options), port), (system) =>
        measureScrapes(system, load, port, encoding),
      ),
    );
  },
});

/** Between two scrapes every series gets a new value; that is not counted. */
async function measureScrapes(
  system: RunningSystem,
  load: LoadProcess,
  port: number,
  encoding: "identity" | "gzip",
) {
  let cpuSeconds = 0;
  let wallMs = 0;
  // The first ones compile.
  for (let i = -3; i < scrapes; i++) {
    await load.send(4 * resources);
    const cpuBefore = system.cpuSeconds();
    const startMs = performance.now();
    const text = await get(port, "/metrics", encoding);
    if (encoding === "identity" && i === 0) expectLines(text);
    if (i < 0) continue;
    wallMs += performance.now() - startMs;
    cpuSeconds += system.cpuSeconds() - cpuBefore;
  }
  return {
    values: [(cpuSeconds * 1000) / scrapes, wallMs / scrapes],
    peakRssMegabytes: system.peakRssMegabytes(),
  };
}

function expectLines(body: Buffer): void {
  const lines = body.toString("latin1").split("\n").length;
  if (lines < resources * 4600) throw new Error(`a scrape of ${lines} lines`);
}

/** The response as it came, head included; a bare socket keeps this process's share of the CPU small. */
export function get(port: number, path: string, encoding: "identity" | "gzip"): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1");
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const response = Buffer.concat(chunks);
      if (response.subarray(0, 12).toString() === "HTTP/1.1 200") resolve(response);
      else reject(new Error(`GET ${path}: ${response.subarray(0, 200).toString()}`));
    });
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept: text/plain;version=0.0.4\r\n` +
        `accept-encoding: ${encoding}\r\nconnection: close\r\n\r\n`,
    );
  });
}

const prometheusYaml = (receivers: string, port: number) => `${receivers}
exporters: { prometheus: { endpoint: "127.0.0.1:${port}" } }
service:
${quiet}
  pipelines: { metrics: { receivers: [otlp], exporters: [prometheus] } }
`;

export const prometheusRows: readonly Row[] = [ingest, scrape("identity"), scrape("gzip")];
