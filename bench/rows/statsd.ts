/** StatsD lines over UDP at a rate; what the kernel dropped counts as lost. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuPerItem, type Row, ratio } from "../row.ts";
import { freePort, type RunningSystem, withSystem } from "../system.ts";
import type { UdpOptions, UdpResult } from "../udp-load.ts";
import { quiet } from "./otlp.ts";

const linesPerPacket = 20;
const seconds = 5;
/** Until what lies in the kernel's buffer is worked off. */
const settleMs = 1000;

const timersAsHistograms =
  ", timer_histogram_mapping: [{ statsd_type: timer, observer_type: histogram, histogram: { max_size: 160 } }]";

const yaml = (port: number, mapping: string) => `receivers:
  statsd: { endpoint: "127.0.0.1:${port}", aggregation_interval: 5s${mapping} }
exporters: { nop: }
service:
${quiet}
  pipelines: { metrics: { receivers: [statsd], exporters: [nop] } }
`;

async function send(options: UdpOptions): Promise<UdpResult> {
  const program = fileURLToPath(new URL("../udp-load.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    JSON.stringify(options),
  ]);
  return JSON.parse(stdout) as UdpResult;
}

/** Packets that the kernel dropped because the receiver's buffer was full; /proc/net/udp, last column. */
function droppedPackets(port: number): number {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  for (const text of readFileSync("/proc/net/udp", "utf8").split("\n")) {
    const columns = text.trim().split(/\s+/u);
    if (columns[1]?.endsWith(`:${hexPort}`) && columns[2]?.endsWith(":0000")) {
      return Number(columns.at(-1));
    }
  }
  throw new Error(`no socket on port ${port} in /proc/net/udp`);
}

async function measure(system: RunningSystem, options: UdpOptions) {
  await send({ ...options, seconds: seconds / 4 });
  const before = { cpu: system.cpuSeconds(), drops: droppedPackets(options.port) };
  const { sentLines, wallSeconds } = await send(options);
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const dropped = (droppedPackets(options.port) - before.drops) * linesPerPacket;
  return {
    values: [((system.cpuSeconds() - before.cpu) * 1e6) / (sentLines - dropped)],
    itemsPerSecond: sentLines / wallSeconds,
    peakRssMegabytes: system.peakRssMegabytes(),
    lostItems: dropped,
  };
}

const row = (name: string, linesPerSecond: number, mapping: string): Row => ({
  name,
  against: "contrib",
  measures: [cpuPerItem("line", ratio(0.3))],
  async run(kind) {
    const port = await freePort();
    return withSystem(kind, yaml(port, mapping), (system) =>
      measure(system, { port, linesPerSecond, linesPerPacket, seconds }),
    );
  },
});

export const statsdRows: readonly Row[] = [
  row("statsd 200 k lines/s, defaults", 200_000, ""),
  row("statsd 200 k lines/s, timers as histograms", 200_000, timersAsHistograms),
  row("statsd 600 k lines/s, timers as histograms", 600_000, timersAsHistograms),
];
