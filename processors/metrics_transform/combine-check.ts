/** Whether metrics can become one, in the Collector's words. */
import { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import type { MetricDraft } from "./metric-draft.ts";

const kindNames = {
  gauge: "Gauge",
  sum: "Sum",
  histogram: "Histogram",
  exponentialHistogram: "ExponentialHistogram",
  summary: "Summary",
  none: "Empty",
} as const;
const temporalityNames = ["Unspecified", "Delta", "Cumulative"];

/** Why metrics cannot be combined; undefined: they can. */
export function combineProblem(metrics: readonly MetricDraft[]): string | undefined {
  const summary = metrics.find(({ kind }) => kind === "summary");
  if (summary !== undefined) return `summary metrics cannot be combined: ${summary.name}`;
  const [first, ...others] = metrics as [MetricDraft, ...MetricDraft[]];
  for (const other of others) {
    const problem = pairProblem(first, other);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function pairProblem(a: MetricDraft, b: MetricDraft): string | undefined {
  const say = (what: string, show: (metric: MetricDraft) => string) =>
    `metrics cannot be combined as they ${what}: ${a.name} (${show(a)}) and ${b.name} (${show(b)})`;
  if (a.kind !== b.kind) return say("are of different types", ({ kind }) => kindNames[kind]);
  if (a.unit !== b.unit) return say("have different units", ({ unit }) => unit);
  if (keysOf(a) !== keysOf(b)) return say("have different attributes", keysOf);
  if (a.kind !== "gauge" && a.temporality !== b.temporality) {
    return say("have different aggregation temporalities", ({ temporality }) => {
      return temporalityNames[temporality] ?? "";
    });
  }
  if (a.isMonotonic !== b.isMonotonic) {
    return say("have different monotonicity", ({ isMonotonic }) => String(isMonotonic));
  }
  return undefined;
}

/** The keys of all labels of all points. */
function keysOf({ points, attributesField }: MetricDraft): string {
  const set = new AttributeSet();
  const keys = new Set<string>();
  for (const point of points) {
    const { bytes, start, end } = point.attributes;
    set.load(bytes, start, end, attributesField);
    for (let i = 0; i < set.count; i++) keys.add(set.keyText(i));
  }
  return `[${[...keys].toSorted().join(" ")}]`;
}
