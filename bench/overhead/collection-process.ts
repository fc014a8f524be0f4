/**
 * An application with 2,000 series, a process of its own: prints the CPU ms of each collection, from the reading of
 * the series until the answer has come.
 */
import type * as Instrument from "../../src/instrument/index.ts";
import { optionsOf, say } from "./child.ts";

export interface CollectionOptions {
  readonly entry: string;
  readonly endpoint: string;
  readonly collections: number;
  readonly warmUps: number;
}

const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** More than the caches hold: at ten seconds' distance nothing of the collection before is left in them. */
const evicting = new Uint8Array(48 * 1024 * 1024);

/** 1,000 counters, 200 gauges, 500 histograms of 14 bounds, 300 exponential ones; three attributes each. */
function createSeries(meter: Instrument.Meter): (round: number) => void {
  const counter = meter.counter("bench.requests", { unit: "{request}" });
  const gauge = meter.gauge("bench.size", { unit: "By" });
  const explicit = meter.histogram("bench.duration", { unit: "s", boundaries });
  const exponential = meter.histogram("bench.latency", { unit: "s" });
  const attributes = (i: number) => ({
    route: `/items/${i}/:id`,
    method: "GET",
    status: 200 + (i % 5),
  });
  const adders = Array.from({ length: 1000 }, (_, i) => counter.bind(attributes(i)));
  const recorders = [gauge, explicit, exponential].flatMap((instrument, k) =>
    Array.from({ length: [200, 500, 300][k]! }, (_, i) => instrument.bind(attributes(i))),
  );
  return (round) => {
    for (const [i, adder] of adders.entries()) adder.add(1 + ((i + round) % 3));
    // Log-normal around 60 ms, as latencies are.
    for (const [i, recorder] of recorders.entries()) {
      recorder.record(Math.exp(Math.sin(i * 7919 + round * 104729) * 2 - 2.8));
    }
  };
}

async function main({ entry, endpoint, collections, warmUps }: CollectionOptions): Promise<void> {
  const { start } = (await import(entry)) as typeof Instrument;
  const telemetry = start({ endpoint, intervalMs: 3_600_000, http: false, system: false });
  const record = createSeries(telemetry.meter);
  const costs: number[] = [];
  for (let i = 0; i < warmUps + collections; i++) {
    for (let k = 0; k < 20; k++) record(i * 20 + k);
    evicting.fill(i);
    const before = process.cpuUsage();
    const { ok, points } = await telemetry.flush();
    const { user, system } = process.cpuUsage(before);
    if (!ok || points !== 2000) throw new Error(`${points} points arrived`);
    if (i >= warmUps) costs.push((user + system) / 1000);
  }
  say(costs);
}

await main(optionsOf() as CollectionOptions);
