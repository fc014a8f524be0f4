/** `npm run bench -- --help`: ours and the peer, in interleaved runs on this machine. */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { tableHead, tableLines } from "./report.ts";
import type { Row, Sample } from "./row.ts";
import { rows } from "./rows.ts";
import { ours, peer, type SystemKind } from "./system.ts";

const help = `npm run bench [-- options], after npm run build

Prints what we cost, and what a peer costs for the same work, as a Markdown table: CPU (user and system, read from
the measured process), items a second, peak memory, lost items. Runs of ours and the peer are interleaved; the
figures are medians. Load generator, sink and scraper are in this folder and run in processes of their own.

  --peer PATH          an OpenTelemetry Collector (otelcol): the rows of OTLP, the Prometheus exporter, start, memory
  --peer-contrib PATH  one with the attributes, resource and metricstransform processors and the statsd receiver
  --only TEXT          rows whose name contains it; repeatable
  --runs N             runs of each (default 3)
  --list               the names of the rows
  --help               this text

Without a peer only ours is measured: there are no ratios then.
`;

interface Options {
  readonly core: SystemKind | undefined;
  readonly contrib: SystemKind | undefined;
  readonly only: readonly string[];
  readonly runs: number;
}

async function measure(row: Row, options: Options): Promise<string> {
  const against = row.against === "none" ? undefined : options[row.against];
  const mine: Sample[] = [];
  const theirs: Sample[] = [];
  for (let run = 0; run < options.runs; run++) {
    mine.push(await row.run(ours));
    if (against !== undefined) theirs.push(await row.run(against));
  }
  return tableLines(row, mine, theirs);
}

/** Whether all rows could be measured. */
async function measureAll(options: Options): Promise<boolean> {
  if (options.core === undefined && options.contrib === undefined) {
    process.stdout.write("No --peer given: only ours is measured, there are no ratios.\n");
  }
  const chosen = rows.filter(
    ({ name }) => options.only.length === 0 || options.only.some((text) => name.includes(text)),
  );
  if (chosen.length === 0) throw new Error("no such row; --list prints their names");
  process.stdout.write(`Load of the machine before: ${loadText()}\n\n${tableHead}`);
  let isComplete = true;
  for (const row of chosen) {
    try {
      process.stdout.write(await measure(row, options));
    } catch (error) {
      isComplete = false;
      process.stderr.write(`${row.name}: ${(error as Error).message}\n`);
    }
  }
  process.stdout.write(`\nLoad of the machine after: ${loadText()}\n`);
  return isComplete;
}

const loadText = () => loadavg()[0]!.toFixed(1);
const peerAt = (path: string | undefined) => (path === undefined ? undefined : peer(path));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peer: { type: "string" },
      "peer-contrib": { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      runs: { type: "string", default: "3" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) process.stdout.write(help);
  else if (values.list) process.stdout.write(`${rows.map(({ name }) => name).join("\n")}\n`);
  else {
    const [core, contrib] = [peerAt(values.peer), peerAt(values["peer-contrib"])];
    const { only, runs } = values;
    process.exitCode = (await measureAll({ core, contrib, only, runs: Number(runs) })) ? 0 : 1;
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
