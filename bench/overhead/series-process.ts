/**
 * Many series of one instrument, a process of its own (with --expose-gc): prints what they hold, and the CPU of
 * collecting and encoding them, the first time and later. By the sources: the build shows nothing of its inside.
 */

import { InstrumentRegistry } from "../../src/instrument/metrics/meter.ts";
import { Problems } from "../../src/instrument/problems.ts";
import { Encoder } from "../../src/instrument/sending/encoder.ts";
import type { Attributes } from "../../src/instrument/types.ts";
import { optionsOf, say } from "./child.ts";

export interface SeriesOptions {
  readonly kind: "counter" | "histogram";
  readonly series: number;
  readonly warmPasses: number;
}

export interface SeriesResult {
  /** Heap and buffers that stay. */
  readonly heldMegabytes: number;
  readonly rssMegabytes: number;
  readonly coldMs: number;
  readonly warmMs: readonly number[];
  readonly encodedBytes: number;
}

const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

class Instruments {
  readonly registry: InstrumentRegistry;
  readonly #record: (value: number, attributes: Attributes) => void;

  constructor(kind: SeriesOptions["kind"], maxSeries: number) {
    this.registry = new InstrumentRegistry(maxSeries, new Problems(undefined));
    const counter = this.registry.counter("bench.requests");
    const histogram = this.registry.histogram("bench.duration", { boundaries });
    this.#record =
      kind === "counter"
        ? (_value, attributes) => counter.add(1, attributes)
        : (value, attributes) => histogram.record(value, attributes);
  }

  recordAll(series: number, round: number): void {
    for (let i = 0; i < series; i++) {
      const status = 200 + Math.floor(i / 2500);
      const attributes = { route: `/items/${i % 2500}/:id`, method: "GET", status };
      this.#record(((i + round) % 1000) / 100, attributes);
    }
  }
}

interface Memory {
  readonly held: number;
  readonly rss: number;
}

function memory(): Memory {
  // Twice: what the first one finds to be free may free more.
  globalThis.gc!();
  globalThis.gc!();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, rss };
}

/** CPU ms and bytes of one collection. */
function collect(encoder: Encoder, { registry }: Instruments, series: number) {
  const before = process.cpuUsage();
  let points = 0;
  let bytes = 0;
  const times = { startMs: 1000, previousMs: 1000, nowMs: Date.now() };
  for (const request of encoder.encode(registry.families, times)) {
    points += request?.points ?? 0;
    bytes += request?.body.length ?? 0;
  }
  const { user, system } = process.cpuUsage(before);
  if (points !== series) throw new Error(`${points} points of ${series} series`);
  return { ms: (user + system) / 1000, bytes };
}

function main({ kind, series, warmPasses }: SeriesOptions): void {
  // An application at work has grown its young generation before.
  new Instruments(kind, 1).recordAll(series * 10, 0);

  const before = memory();
  const instruments = new Instruments(kind, series);
  instruments.recordAll(series, 0);
  const after = memory();

  const encoder = new Encoder({
    resource: [["service.name", "bench"]],
    isDelta: false,
    maxRequestBytes: 1024 * 1024,
    sliceMs: 5,
  });
  const cold = collect(encoder, instruments, series);
  const warmMs: number[] = [];
  for (let i = 1; i <= warmPasses; i++) {
    instruments.recordAll(series, i);
    warmMs.push(collect(encoder, instruments, series).ms);
  }
  const megabytes = (of: keyof Memory) => (after[of] - before[of]) / 1024 ** 2;
  say({
    heldMegabytes: megabytes("held"),
    rssMegabytes: megabytes("rss"),
    coldMs: cold.ms,
    warmMs,
    encodedBytes: cold.bytes,
  } satisfies SeriesResult);
}

main(optionsOf() as SeriesOptions);
