/**
 * CPU nanoseconds an item of what is done to request bytes: `node bench/verify.ts [rounds]`. All rows run
 * interleaved in one process; the median of the rounds is printed, and the fastest, as machines are noisy.
 */
import { fileURLToPath } from "node:url";
import {
  type AttributeCursor,
  encodeAttribute,
  findAttribute,
  pointAttributesField,
  rewriteAttributes,
} from "../src/pdata/attributes.ts";
import { concat } from "../src/pdata/concat.ts";
import { countItems } from "../src/pdata/count.ts";
import { createPayload, type Payload, type Signal } from "../src/pdata/payload.ts";
import { keep, type Place, replaced, rewrite, type Verdict } from "../src/pdata/rewrite.ts";
import { select } from "../src/pdata/select.ts";
import { split } from "../src/pdata/split.ts";
import { verify } from "../src/pdata/verify.ts";
import type { Writer } from "../src/pdata/wire.ts";
import { type FieldOrder, logs, repeatMetrics, spans, testbedMetrics } from "./shapes.ts";

interface Shape {
  readonly name: string;
  readonly payloads: readonly Payload[];
  readonly items: number;
  readonly bytesPerItem: number;
}

/** Distinct requests of a shape, so that no branch predictor knows one by heart. */
const requests = 16;

function shape(name: string, signal: Signal, make: (i: number) => Uint8Array): Shape {
  const payloads = Array.from({ length: requests }, (_, i) => {
    const bytes = make(i);
    return createPayload(signal, [bytes], [verify(signal, bytes)]);
  });
  const items = payloads.reduce((sum, payload) => sum + payload.itemCount, 0);
  const bytes = payloads.reduce((sum, payload) => sum + payload.byteLength, 0);
  return { name, payloads, items, bytesPerItem: bytes / items };
}

const both = (name: string, signal: Signal, make: (i: number, order: FieldOrder) => Uint8Array) => [
  shape(name, signal, (i) => make(i, "ascending")),
  shape(`${name}, Collector's order`, signal, (i) => make(i, "descending")),
];

const testbed = both("testbed point", "metrics", testbedMetrics);
const all: readonly Shape[] = [
  ...testbed,
  ...both("repeat point", "metrics", (i, order) => repeatMetrics(i, 1000, order)),
  ...both("span", "traces", (i, order) => spans(100, i, order)),
  ...both("log", "logs", (i, order) => logs(1000, i, order)),
  shape("repeat point, request of 10", "metrics", (i) => repeatMetrics(i, 10)),
];

const environment = encodeAttribute(7, "deployment.environment", "production");

/** Adds an attribute that is not there yet to a gauge point (what `attributes: insert` does). */
function insert(place: Place, out: Writer): Verdict {
  const number = pointAttributesField[place.metricKind];
  if (findAttribute(place.bytes, place.start, place.end, number, keyBytes) !== undefined)
    return keep;
  out.raw(place.bytes, place.start, place.end);
  out.raw(environment);
  return replaced;
}
const keyBytes = Buffer.from("deployment.environment");

const batchKey = Buffer.from("batch_index");
const newBatch = encodeAttribute(7, "batch_index", "batch_000000000");

/** Gives one attribute of a gauge point another value (what `attributes: update` does). */
function update(place: Place, out: Writer): Verdict {
  const number = pointAttributesField[place.metricKind];
  return rewriteAttributes(place, number, updateOne, out) ? replaced : keep;
}

function updateOne(attribute: AttributeCursor, out: Writer): Verdict {
  if (!attribute.keyIs(batchKey)) return keep;
  out.raw(newBatch);
  return replaced;
}

interface Row {
  readonly name: string;
  readonly items: number;
  /** Returns something that depends on the work. */
  readonly run: () => number;
}

const perPayload = (of: Shape, work: (payload: Payload) => number) => (): number => {
  let sum = 0;
  for (const payload of of.payloads) sum += work(payload);
  return sum;
};

function rowsOf(verb: string, shapes: readonly Shape[], work: (payload: Payload) => number): Row[] {
  return shapes.map((one) => ({
    name: `${verb}: ${one.name} (${one.bytesPerItem.toFixed(0)} B)`,
    items: one.items,
    run: perPayload(one, work),
  }));
}

const joined = concat(testbed[0]!.payloads);

const rows: readonly Row[] = [
  ...rowsOf("verify", all, (payload) => verify(payload.signal, payload.parts[0]!)),
  ...rowsOf("count", all, (payload) => countItems(payload.signal, payload.parts[0]!)),
  {
    name: "split into 8,192: testbed point",
    items: joined.itemCount,
    run: () => split(joined, { maxItems: 8192 }).length,
  },
  ...rowsOf("split into 100", testbed, (payload) => split(payload, { maxItems: 100 }).length),
  ...rowsOf("split into 20 kB", testbed, (payload) => split(payload, { maxBytes: 20_000 }).length),
  ...rowsOf(
    "visit and keep",
    testbed,
    (payload) => rewrite(payload, { point: () => keep })!.itemCount,
  ),
  ...rowsOf(
    "insert an attribute",
    testbed,
    (payload) => rewrite(payload, { point: insert })!.byteLength,
  ),
  ...rowsOf(
    "update an attribute",
    testbed,
    (payload) => rewrite(payload, { point: update })!.byteLength,
  ),
  ...rowsOf(
    "select every other",
    testbed,
    (payload) => select(payload, (i) => i % 2 === 0)!.itemCount,
  ),
];

/** Runs a row until it has done about this many items; CPU ns an item. */
const itemsARound = 40_000;

function measure(row: Row): number {
  const times = Math.max(1, Math.round(itemsARound / row.items));
  const before = process.cpuUsage();
  let result = 0;
  for (let i = 0; i < times; i++) result += row.run();
  const { user, system } = process.cpuUsage(before);
  if (result === 0) throw new Error(`${row.name} did nothing`);
  return ((user + system) * 1000) / (times * row.items);
}

export interface Cost {
  readonly name: string;
  readonly medianNs: number;
  readonly bestNs: number;
}

/** Costs of the rows whose name begins so, interleaved. */
export function measureCosts(prefix: string, rounds: number): Cost[] {
  const chosen = rows.filter(({ name }) => name.startsWith(prefix));
  const results = chosen.map((): number[] => []);
  // The first rounds compile; they are not counted.
  for (let round = -5; round < rounds; round++) {
    for (const [i, row] of chosen.entries()) {
      const ns = measure(row);
      if (round >= 0) results[i]!.push(ns);
    }
  }
  return chosen.map(({ name }, i) => {
    const sorted = results[i]!.toSorted((a, b) => a - b);
    return { name, medianNs: sorted[sorted.length >> 1]!, bestNs: sorted[0]! };
  });
}

function main(rounds: number): void {
  process.stdout.write(`${"CPU ns an item".padEnd(58)}  median    best\n`);
  for (const { name, medianNs, bestNs } of measureCosts("", rounds)) {
    const figures = [medianNs, bestNs].map((ns) => ns.toFixed(1).padStart(8));
    process.stdout.write(`${name.padEnd(58)}${figures.join("")}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(Number(process.argv[2] ?? 15));
