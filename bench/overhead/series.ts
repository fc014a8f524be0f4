/** Memory of many series, and what it costs to collect and encode them. */
import { median } from "../row.ts";
import { resultOf } from "./child.ts";
import { type Context, estimateText, type Section } from "./section.ts";
import type { SeriesOptions, SeriesResult } from "./series-process.ts";
import { estimate } from "./statistics.ts";
import { verdictOf } from "./verdict.ts";

const goalMegabytes = 60;
const goalMs = 60;
const launches = 5;
const quickLaunches = 1;
const kinds = [
  { kind: "counter", series: 100_000, name: "100,000 counters" },
  { kind: "histogram", series: 20_000, name: "20,000 histograms of 14 bounds" },
] as const;

type Kind = (typeof kinds)[number];

interface Measure {
  readonly what: string;
  readonly unit: string;
  readonly of: (result: SeriesResult) => number;
  readonly goal?: number;
}

const measures: readonly Measure[] = [
  { what: "held", unit: "MB", of: (result) => result.heldMegabytes, goal: goalMegabytes },
  {
    what: "growth of the process, with pages that V8 keeps for later",
    unit: "MB RSS",
    of: (result) => result.rssMegabytes,
  },
  {
    what: "collect and encode, the first time",
    unit: "ms CPU",
    of: (result) => result.coldMs,
    goal: goalMs,
  },
  {
    what: "collect and encode, later",
    unit: "ms CPU",
    of: (result) => median(result.warmMs),
    goal: goalMs,
  },
  { what: "encoded", unit: "MB", of: (result) => result.encodedBytes / 1024 ** 2 },
];

async function launchAll(kind: Kind, context: Context): Promise<SeriesResult[]> {
  const count = context.isQuick ? quickLaunches : launches;
  const results: SeriesResult[] = [];
  for (let i = 0; i < count; i++) {
    context.tell(`series: ${kind.name}, launch ${i + 1} of ${count}`);
    const options = { kind: kind.kind, series: kind.series, warmPasses: 10 };
    const given = options satisfies SeriesOptions;
    results.push(await resultOf<SeriesResult>("./series-process.ts", given, ["--expose-gc"]));
  }
  return results;
}

async function rowsOf(kind: Kind, context: Context): Promise<string[][]> {
  const results = await launchAll(kind, context);
  return measures.map(({ what, unit, of, goal }) => {
    const figure = estimate([results.map(of)]);
    return [
      `${kind.name}: ${what}`,
      unit,
      estimateText(figure, 1),
      goal === undefined ? "-" : `<= ${goal}`,
      verdictOf(context, goal === undefined ? undefined : figure.value <= goal),
    ];
  });
}

export const manySeries: Section = {
  name: "series",
  async run(context) {
    const rows: string[][] = [];
    for (const kind of kinds) rows.push(...(await rowsOf(kind, context)));
    return {
      title: "Many series of three attributes",
      head: ["what", "unit", "mean and 95 % interval", "goal", "verdict"],
      rows,
    };
  },
};
