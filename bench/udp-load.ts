/**
 * StatsD lines over UDP at a rate, from a child process of its own. Takes one JSON argument (UdpOptions), prints
 * one JSON line (UdpResult) when all were sent.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export interface UdpOptions {
  readonly port: number;
  readonly linesPerSecond: number;
  readonly linesPerPacket: number;
  readonly seconds: number;
}

export interface UdpResult {
  readonly sentLines: number;
  readonly wallSeconds: number;
}

const packetCount = 500;
const seriesCount = 1000;
/** Sends are given to the kernel in the same tick; more at once would only burst. */
const maxBurst = 100;

/** Half counters, two gauges and three timers in ten, with one to three tags. */
function line(i: number): string {
  const n = i % seriesCount;
  const route = Math.floor(n / 50);
  if (i % 10 < 5) return `app.requests.${n % 50}:1|c|#route:/r${route},method:GET,status:200`;
  if (i % 10 < 7) return `app.gauge.${n % 50}:${i % 977}|g|#host:h${route}`;
  return `app.latency.${n % 50}:${i % 977}.${i % 10}|ms|@0.5|#route:/r${route},method:GET`;
}

function packets(linesPerPacket: number): Buffer[] {
  return Array.from({ length: packetCount }, (_, p) => {
    const lines = Array.from({ length: linesPerPacket }, (_line, i) =>
      line(p * linesPerPacket + i),
    );
    return Buffer.from(lines.join("\n"));
  });
}

async function run(options: UdpOptions, socket: Socket): Promise<UdpResult> {
  const pool = packets(options.linesPerPacket);
  const packetsPerMs = options.linesPerSecond / options.linesPerPacket / 1000;
  const total = Math.round(packetsPerMs * 1000 * options.seconds);
  const startMs = performance.now();
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.ceil((performance.now() - startMs) * packetsPerMs));
    const to = Math.min(due, sent + maxBurst);
    while (sent < to) socket.send(pool[sent++ % packetCount]!);
    await new Promise((resolve) => (due > to ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
  const wallSeconds = (performance.now() - startMs) / 1000;
  return { sentLines: sent * options.linesPerPacket, wallSeconds };
}

const options = JSON.parse(process.argv[2]!) as UdpOptions;
const socket = createSocket("udp4");
socket.connect(options.port, "127.0.0.1");
await once(socket, "connect");
process.stdout.write(`${JSON.stringify(await run(options, socket))}\n`);
socket.close();
