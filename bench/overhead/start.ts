/** What the import and start() cost an application, against a process that does neither. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Context, estimateText, type Section } from "./section.ts";
import { withSink } from "./sink.ts";
import { type Estimate, estimate, mean } from "./statistics.ts";
import { verdictOf } from "./verdict.ts";

const pairs = 30;
const quickPairs = 3;
const goalMs = 15;
const goalMegabytes = 6;

interface Cost {
  readonly cpuMs: number;
  readonly rssMegabytes: number;
}

/** No TypeScript here: what Node needs to read that would hide the rest. */
const program = (work: string) => `
  ${work}
  const { user, system } = process.cpuUsage();
  const rssMegabytes = process.memoryUsage.rss() / 1024 ** 2;
  console.log(JSON.stringify({ cpuMs: (user + system) / 1000, rssMegabytes }));`;

async function launch(work: string): Promise<Cost> {
  const flags = ["--input-type=module", "--eval", program(work)];
  const { stdout } = await promisify(execFile)(process.execPath, flags);
  return JSON.parse(stdout) as Cost;
}

function row(
  what: string,
  all: readonly number[],
  added: Estimate,
  [unit, goal]: [string, number],
  context: Context,
) {
  return [
    what,
    `${mean(all).toFixed(1)} ${unit}`,
    `${estimateText(added, 1)} ${unit}`,
    `< ${goal} ${unit}`,
    verdictOf(context, added.value < goal),
  ];
}

export const startUp: Section = {
  name: "start",
  run: (context) =>
    withSink(async (endpoint) => {
      const start = `const { start } = await import(${JSON.stringify(context.entry)});
        start({ serviceName: "bench", endpoint: ${JSON.stringify(endpoint)} });`;
      const count = context.isQuick ? quickPairs : pairs;
      const empty: Cost[] = [];
      const started: Cost[] = [];
      for (let i = 0; i < count; i++) {
        if (i % 10 === 0) context.tell(`start: pair ${i + 1} of ${count}`);
        for (const isStarted of i % 2 === 0 ? [false, true] : [true, false]) {
          (isStarted ? started : empty).push(await launch(isStarted ? start : ""));
        }
      }
      const added = (of: keyof Cost) =>
        estimate([started.map((cost, i) => cost[of] - empty[i]![of])]);
      const base = (of: keyof Cost) => empty.map((cost) => cost[of]);
      return {
        title: "Import and start() of all default helpers, against an empty process",
        head: ["what", "empty process", "added, mean and 95 % interval", "goal", "verdict"],
        rows: [
          row("CPU", base("cpuMs"), added("cpuMs"), ["ms", goalMs], context),
          row(
            "memory",
            base("rssMegabytes"),
            added("rssMegabytes"),
            ["MB RSS", goalMegabytes],
            context,
          ),
        ],
      };
    }),
};
