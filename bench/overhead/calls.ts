/** What one call costs, beside the same call of the OpenTelemetry SDK and of prom-client. */
import { median } from "../row.ts";
import type { System } from "./calls/subject.ts";
import type { CallsOptions, CallsResult } from "./calls-process.ts";
import { resultOf } from "./child.ts";
import type { Context, Section } from "./section.ts";
import { verdictOf } from "./verdict.ts";

const launches = 5;
const rounds = 30;
const quickRounds = 10;
/** The most that ours may take, ns. */
export const goals: ReadonlyMap<string, number> = new Map([
  ["counter, one series", 5],
  ["counter, 90 series in turn", 10],
  ["histogram of 14 bounds, one series", 30],
  ["histogram of 14 bounds, 90 series in turn", 30],
  ["exponential histogram, one series", 30],
  ["exponential histogram, 90 series in turn", 30],
  ["counter, three attributes given with the call", 100],
  ["the same, attributes declared", 100],
  ["histogram of 14 bounds, three attributes given with the call", 100],
]);

/** Of several launches, as a process that compiles one of them badly keeps it so; their rounds come together. */
async function runAll({ entry, isQuick, tell }: Context): Promise<CallsResult[]> {
  const count = isQuick ? 1 : launches;
  const options: CallsOptions = { entry, rounds: isQuick ? quickRounds : rounds };
  const all: CallsResult[][] = [];
  for (let i = 0; i < count; i++) {
    tell(`calls: launch ${i + 1} of ${count}`);
    all.push(await resultOf<CallsResult[]>("./calls-process.ts", options));
  }
  return all[0]!.map((result, i) => ({
    ...result,
    nanoseconds: all.flatMap((results) => results[i]!.nanoseconds),
  }));
}

export const calls: Section = {
  name: "calls",
  async run(context) {
    const results = await runAll(context);
    const cell = (call: string, system: System) => {
      const found = results.find((result) => result.call === call && result.system === system);
      if (found === undefined) return "-";
      const fastest = Math.min(...found.nanoseconds);
      return `${fastest.toFixed(1)} / ${median(found.nanoseconds).toFixed(1)}`;
    };
    return {
      title: "One call: ns CPU, fastest / median of the rounds",
      head: ["call", "ours", "OTel SDK", "prom-client", "goal", "verdict"],
      rows: [...goals].map(([call, goal]) => {
        const own = results.find((result) => result.call === call && result.system === "ours")!;
        return [
          call,
          cell(call, "ours"),
          cell(call, "OTel SDK"),
          cell(call, "prom-client"),
          `<= ${goal}`,
          verdictOf(context, median(own.nanoseconds) <= goal),
        ];
      }),
    };
  },
};
