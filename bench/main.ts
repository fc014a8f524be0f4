/**
 * `npm run bench [-- --peer PATH] [--only NAME] [--runs N]`: CPU per item, ours and the peer's, in interleaved
 * runs on this machine; without a peer only ours. CPU is read from the processes, wall time is only shown.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { LoadOptions, LoadResult } from "./load.ts";
import { type Row, rows } from "./rows.ts";
import { ours, peer, RunningSystem, type SystemKind } from "./system.ts";

interface Measurement {
  readonly cpuMicrosPerItem: number;
  readonly itemsPerSecond: number;
  readonly rssMegabytes: number;
  readonly lostItems: number;
  readonly failedRequests: number;
}

async function runLoad(options: LoadOptions, onReady: () => void): Promise<LoadResult> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./load.ts", import.meta.url)), JSON.stringify(options)],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line) as LoadResult | { ready: true };
    if (!("ready" in message)) return message;
    onReady();
    child.stdin.write("go\n");
  }
  throw new Error("the load generator ended without a result");
}

async function measure(kind: SystemKind, row: Row): Promise<Measurement> {
  const system = await RunningSystem.start(kind, row.yaml, row.port);
  try {
    await runLoad({ ...row.load, requests: Math.ceil(row.load.requests / 4) }, () => {});
    let before = 0;
    const result = await runLoad(row.load, () => {
      before = system.cpuSeconds();
    });
    const cpu = system.cpuSeconds() - before;
    return {
      cpuMicrosPerItem: (cpu * 1e6) / result.ackedItems,
      itemsPerSecond: result.ackedItems / result.wallSeconds,
      rssMegabytes: system.rssMegabytes(),
      lostItems: row.load.sinkPort === undefined ? 0 : result.ackedItems - result.receivedItems,
      failedRequests: result.failedRequests,
    };
  } finally {
    await system.stop();
  }
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peer: { type: "string" },
      only: { type: "string" },
      runs: { type: "string", default: "3" },
    },
  });
  const systems = values.peer === undefined ? [ours] : [ours, peer(values.peer)];
  if (values.peer === undefined)
    process.stdout.write("No --peer given: only ours is measured, there are no ratios.\n\n");
  process.stdout.write(
    "| work | ours µs/item | peer µs/item | ratio | ours items/s | RSS MB ours / peer | lost ours / peer |\n|---|---|---|---|---|---|---|\n",
  );
  for (const row of rows.filter(
    ({ name }) => values.only === undefined || name.includes(values.only),
  )) {
    const results = systems.map((): Measurement[] => []);
    for (let run = 0; run < Number(values.runs); run++) {
      for (const [i, system] of systems.entries()) results[i]!.push(await measure(system, row));
    }
    process.stdout.write(`${formatRow(row.name, results)}\n`);
  }
}

function formatRow(name: string, results: readonly (readonly Measurement[])[]): string {
  const [mine, theirs] = results;
  const cpu = (list: readonly Measurement[]) => median(list.map((m) => m.cpuMicrosPerItem));
  const rss = (list: readonly Measurement[]) =>
    Math.max(...list.map((m) => m.rssMegabytes)).toFixed(0);
  const lost = (list: readonly Measurement[]) =>
    list.reduce((sum, m) => sum + m.lostItems + m.failedRequests, 0);
  const rate = (median(mine!.map((m) => m.itemsPerSecond)) / 1000).toFixed(0);
  const against = (f: (list: readonly Measurement[]) => string | number) =>
    theirs === undefined ? "-" : f(theirs);
  const ratio = theirs === undefined ? "-" : `${(cpu(mine!) / cpu(theirs)).toFixed(2)}x`;
  return `| ${name} | ${cpu(mine!).toFixed(3)} | ${against((l) => cpu(l).toFixed(3))} | ${ratio} | ${rate} k | ${rss(mine!)} / ${against(rss)} | ${lost(mine!)} / ${against(lost)} |`;
}

await main();
