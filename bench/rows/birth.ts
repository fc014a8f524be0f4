/** The check of a request's bytes when it arrives; a longer list of such costs: `node bench/verify.ts`. */
import { type Measure, type Row, value } from "../row.ts";
import { measureCosts } from "../verify.ts";

const rounds = 15;

const item = (name: string, goalNs: number): Measure => ({
  name: `, ${name}`,
  unit: "ns CPU",
  digits: 1,
  goal: value(goalNs),
});

export const birthRows: readonly Row[] = [
  {
    name: "check at birth",
    against: "none",
    measures: [item("testbed point", 25), item("span with an event", 120)],
    run() {
      const costs = measureCosts("verify: ", rounds);
      const of = (name: string) =>
        costs.find((cost) => cost.name.startsWith(`verify: ${name} (`))!.medianNs;
      return Promise.resolve({ values: [of("testbed point"), of("span")] });
    },
  },
];
