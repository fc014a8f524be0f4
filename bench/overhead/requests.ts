/** What the HTTP helper costs a request, by switching it on and off in a running server. */
import { type Framework, path } from "./apps.ts";
import { Child } from "./child.ts";
import type { LoadOptions } from "./load.ts";
import { type Context, estimateText, type Section, type Table } from "./section.ts";
import type { Pair } from "./segments.ts";
import type { ServerOptions, ServerResult } from "./server.ts";
import { type Estimate, estimate, sortedOf, trimmedMean } from "./statistics.ts";
import { controlledVerdict, type Verdict } from "./verdict.ts";

interface Goals {
  readonly framework: Framework;
  /** A request, on an empty handler. */
  readonly microseconds: number;
  /** The upper bound of the interval, on a handler of 0.15 ms. */
  readonly percent: number;
}

const goals: readonly Goals[] = [
  { framework: "node:http", microseconds: 0.8, percent: 1 },
  { framework: "Express", microseconds: 1.5, percent: 2 },
  { framework: "Fastify", microseconds: 1.5, percent: 2 },
];

interface Work {
  readonly name: string;
  readonly microseconds: number;
  /** Sized so that a segment is some 10 ms: longer than a clock tick, shorter than what disturbs. */
  readonly segmentRequests: number;
  readonly settleRequests: number;
  readonly quadruples: number;
}

const works: readonly Work[] = [
  { name: "empty", microseconds: 0, segmentRequests: 250, settleRequests: 32, quadruples: 300 },
  { name: "0.15 ms", microseconds: 150, segmentRequests: 50, settleRequests: 16, quadruples: 120 },
  { name: "1.1 ms", microseconds: 1100, segmentRequests: 16, settleRequests: 6, quadruples: 60 },
];

const connections = 16;
const launches = 6;
const quickLaunches = 2;
const quickQuadruples = 20;
const warmUpShare = 0.1;
const leastWarmUp = 6;

async function launch(options: ServerOptions): Promise<ServerResult> {
  const server = new Child("./server.ts", options);
  try {
    const { port } = await server.read<{ port: number }>();
    const load = new Child("./load.ts", { port, path, connections } satisfies LoadOptions);
    try {
      const result = await server.read<ServerResult>();
      assertMeasured(result);
      return result;
    } finally {
      load.stop();
    }
  } finally {
    server.stop();
  }
}

/** A helper that measures nothing would be cheap. A request that was open when it was switched may be missing. */
function assertMeasured({ requestsOn, measured }: ServerResult): void {
  if (measured.requests > requestsOn * 0.99 && measured.requests < requestsOn * 1.01) return;
  throw new Error(`the helper measured ${measured.requests} of ${requestsOn} requests`);
}

interface Measured {
  readonly baseMicroseconds: number;
  readonly microseconds: Estimate;
  readonly percent: Estimate;
  readonly controlPercent: Estimate;
}

const differences = (pairs: readonly Pair[]) => pairs.map(({ off, on }) => on - off);
const baseOf = (pairs: readonly Pair[]) => trimmedMean(sortedOf(pairs.map(({ off }) => off)));
/** Of the launch's base, as the noise of a single one would not cancel out. */
const percents = (pairs: readonly Pair[]) => {
  const base = baseOf(pairs);
  return differences(pairs).map((difference) => (difference / base) * 100);
};

function evaluate(results: readonly ServerResult[]): Measured {
  return {
    baseMicroseconds: estimate(results.map(({ helper }) => helper.map(({ off }) => off))).value,
    microseconds: estimate(results.map(({ helper }) => differences(helper))),
    percent: estimate(results.map(({ helper }) => percents(helper))),
    controlPercent: estimate(results.map(({ control }) => percents(control))),
  };
}

function progressText({ helper, control }: ServerResult): string {
  const percent = (pairs: readonly Pair[]) => trimmedMean(sortedOf(percents(pairs))).toFixed(2);
  const microseconds = trimmedMean(sortedOf(differences(helper))).toFixed(2);
  return `+${microseconds} µs, ${percent(helper)} %; control ${percent(control)} %`;
}

async function measure(goal: Goals, work: Work, context: Context): Promise<Measured> {
  const { entry, isQuick } = context;
  const count = isQuick ? quickLaunches : launches;
  const results: ServerResult[] = [];
  for (let i = 0; i < count; i++) {
    context.tell(`${nameOf(goal, work)}: launch ${i + 1} of ${count}`);
    const quadruples = isQuick ? quickQuadruples : work.quadruples;
    const { segmentRequests, settleRequests } = work;
    const result = await launch({
      entry,
      framework: goal.framework,
      workMicroseconds: work.microseconds,
      segmentRequests,
      settleRequests,
      quadruples,
      warmUpQuadruples: Math.max(leastWarmUp, Math.ceil(quadruples * warmUpShare)),
      launch: i,
    });
    results.push(result);
    context.tell(`  ${progressText(result)}`);
  }
  return evaluate(results);
}

/** The goals are set where they can be measured best, and where the customer asked. */
function judged(work: Work, goal: Goals, measured: Measured, context: Context): [string, Verdict] {
  const { microseconds, percent, controlPercent } = measured;
  switch (work.name) {
    case "empty":
      return [
        `<= ${goal.microseconds} µs`,
        controlledVerdict(context, controlPercent, microseconds.value <= goal.microseconds),
      ];
    case "0.15 ms":
      return [
        `upper bound < ${goal.percent} %`,
        controlledVerdict(context, controlPercent, percent.high < goal.percent),
      ];
    default:
      return ["-", controlledVerdict(context, controlPercent, undefined)];
  }
}

const nameOf = ({ framework }: Goals, { name }: Work) => `requests of ${framework}, ${name}`;

const sectionOf = (goal: Goals, work: Work): Section => ({
  name: nameOf(goal, work),
  async run(context): Promise<Table> {
    const measured = await measure(goal, work, context);
    return {
      title: "The HTTP helper: CPU a request, mean and 95 % interval",
      head: [
        "server, handler",
        "without, µs",
        "added, µs",
        "added, %",
        "control, %",
        "goal",
        "verdict",
      ],
      rows: [
        [
          `${goal.framework}, ${work.name}`,
          measured.baseMicroseconds.toFixed(1),
          estimateText(measured.microseconds, 2),
          estimateText(measured.percent, 2),
          estimateText(measured.controlPercent, 2),
          ...judged(work, goal, measured, context),
        ],
      ],
    };
  },
});

export const requestSections: readonly Section[] = goals.flatMap((goal) =>
  works.map((work) => sectionOf(goal, work)),
);
