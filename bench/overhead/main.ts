/** `npm run bench:overhead -- --help`: what the instrumentation helpers cost an application. */
import { existsSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { activeChannels } from "./active-channels.ts";
import { calls } from "./calls.ts";
import { collection } from "./collection.ts";
import { requestSections } from "./requests.ts";
import { type Context, markdownOf, merged, type Section, type Table } from "./section.ts";
import { manySeries } from "./series.ts";
import { startUp } from "./start.ts";

const sections: readonly Section[] = [
  ...requestSections,
  activeChannels,
  collection,
  calls,
  manySeries,
  startUp,
];

const help = `npm run bench:overhead [-- options], after npm run build

Prints what the helpers of repomind-telemetry/instrument cost, as Markdown tables with goals and verdicts. All figures
are CPU time of the measured process, not time on the clock: other work on the machine widens the intervals and moves
them little.

Requests: a subscriber that does nothing stays on every channel used; only the helper is switched on and off, in ABBA
quadruples of segments with the same number of requests, in six launches of the server, with the load from another
process. The 95 % interval is a bootstrap over launches. The control exchanges a subscriber that does nothing for
another in the same way, in turns with the helper: where its interval excludes 0 or is wider than +-0.5 %, the verdict is "void".

  --only TEXT   sections whose name contains it; repeatable
  --quick       few launches, to see that everything runs: no verdict
  --dist DIR    the build to measure (default dist)
  --list        the names of the sections
  --help        this text

`;

async function run(chosen: readonly Section[], context: Context): Promise<void> {
  const loadText = () => loadavg()[0]!.toFixed(1);
  const before = loadText();
  const tables: Table[] = [];
  for (const section of chosen) tables.push(await section.run(context));
  const kind = context.isQuick ? " A quick run: figures without a verdict." : "";
  const machine = `Node ${process.versions.node}, ${cpus().length} cores, load ${before} before and ${loadText()} after.${kind}`;
  process.stdout.write(`${machine}\n\n${merged(tables).map(markdownOf).join("\n")}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      quick: { type: "boolean", default: false },
      dist: { type: "string", default: new URL("../../dist", import.meta.url).pathname },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { only, quick, dist } = values;
  if (values.help) return void process.stdout.write(help);
  if (values.list) {
    return void process.stdout.write(`${sections.map(({ name }) => name).join("\n")}\n`);
  }
  const chosen = sections.filter(
    ({ name }) => only.length === 0 || only.some((text) => name.includes(text)),
  );
  if (chosen.length === 0) throw new Error("no such section; --list prints their names");
  const entry = `${dist}/src/instrument/index.js`;
  if (!existsSync(entry)) throw new Error(`cannot find ${entry}: run npm run build`);
  await run(chosen, {
    entry: pathToFileURL(entry).href,
    isQuick: quick,
    tell: (text) => void process.stderr.write(`${text}\n`),
  });
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:overhead: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
