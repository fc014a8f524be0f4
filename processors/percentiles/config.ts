import { durationWithDefault, int, section, z } from "../../src/config/fields.ts";
import { Regex } from "../../src/regex/regex.ts";

export const sampledTypes = ["histogram", "exponential_histogram", "gauge", "sum"] as const;
export type SampledType = (typeof sampledTypes)[number];

const maxQuantiles = 20;
/** Slides within a window: so many partial results are kept of each series. */
const maxPanes = 60;
const minWindowMs = 1000;

const attribute = section({
  key: z.string().min(1).describe("Key of an attribute of the data point, else of the resource."),
  value: z
    .union([z.string(), z.number(), z.boolean()])
    .optional()
    .describe("Its value, as text; any where absent."),
});

const matchFields = section({
  match_type: z
    .enum(["strict", "regexp"])
    .default("strict")
    .describe("strict: equal texts; regexp: RE2 patterns that the text contains."),
  metric_names: z
    .array(z.string())
    .default([])
    .describe("The metric's name is one of these; empty: any."),
  attributes: z.array(attribute).default([]).describe("All of these must match."),
});

export type MatchConfig = z.output<typeof matchFields>;

const match = () => matchFields.prefault({});

const fields = section({
  quantiles: z
    .array(z.number().min(0).max(1))
    .min(1)
    .max(maxQuantiles)
    .default([0.5, 0.95, 0.99])
    .describe("Quantiles to compute, 0 to 1; at most 20."),
  window: durationWithDefault("60s").describe("What a result covers; at least 1s."),
  slide: durationWithDefault("0s").describe(
    "A result every so often, each over a whole window; divides the window, at most 60 times. 0: one a window.",
  ),
  types: z
    .array(z.enum(sampledTypes))
    .min(1)
    .default(["histogram", "exponential_histogram"])
    .describe("Types of metrics that are sampled; also gauge and sum."),
  include: match().describe("Only what has all of these properties is sampled."),
  exclude: match().describe("What has all of these properties is not; wins over include."),
  group_by: z
    .array(z.string().min(1))
    .nullable()
    .default(null)
    .describe(
      "null: each series for itself. Keys: series with equal values of these are merged. []: all series of a metric are.",
    ),
  output: z
    .enum(["gauge", "summary"])
    .default("gauge")
    .describe("gauge: a metric a quantile; summary: one summary."),
  naming: z
    .enum(["suffix", "attribute"])
    .default("suffix")
    .describe('Gauges: <name>_p95, or <name>_quantile with the attribute quantile="0.95".'),
  bounds: z
    .boolean()
    .default(false)
    .describe("Gauges: also <name>_p95_lower and _upper, the limits of the value's bucket."),
  drop_source: z.boolean().default(false).describe("Do not send on what is sampled."),
  max_series: int().positive().default(10_000).describe("Groups kept; see Limits."),
});

export type PercentilesConfig = z.output<typeof fields>;

export const config = fields.superRefine((value, context) => {
  for (const [path, message] of problems(value)) {
    context.addIssue({ code: "custom", path: [path], message });
  }
});

type Problem = [path: keyof PercentilesConfig, message: string];

function* problems(value: PercentilesConfig): Iterable<Problem> {
  const { quantiles, types, group_by: groupBy, output, bounds, include, exclude } = value;
  const labels = quantiles.map(percentText);
  if (new Set(labels).size < labels.length) yield ["quantiles", "quantiles must be unique"];
  if (new Set(types).size < types.length) yield ["types", "types must be unique"];
  if (groupBy !== null && new Set(groupBy).size < groupBy.length) {
    yield ["group_by", "keys must be unique"];
  }
  if (output === "summary" && bounds) yield ["bounds", "bounds needs output: gauge"];
  yield* windowProblems(value);
  yield* patternProblems("include", include);
  yield* patternProblems("exclude", exclude);
}

function* windowProblems({ window, slide }: PercentilesConfig): Iterable<Problem> {
  if (window < minWindowMs) yield ["window", "window must be at least 1s"];
  else if (!Number.isInteger(window)) yield ["window", "window must be whole milliseconds"];
  if (slide === 0) return;
  if (slide < 0 || !Number.isInteger(slide)) {
    yield ["slide", "slide must be whole milliseconds, or 0"];
  } else if (window % slide !== 0) {
    yield ["slide", "slide must divide window"];
  } else if (window / slide > maxPanes) {
    yield ["slide", `window / slide must be at most ${maxPanes}`];
  }
}

function* patternProblems(path: "include" | "exclude", given: MatchConfig): Iterable<Problem> {
  if (given.match_type !== "regexp") return;
  const values = given.attributes.map(({ value }) => String(value ?? ""));
  for (const pattern of [...given.metric_names, ...values]) {
    try {
      Regex.compile(pattern);
    } catch (error) {
      yield [path, (error as Error).message];
    }
  }
}

/** 100 q without trailing zeros: 0.999 is 99.9. Rounded, because 100 * 0.57 is not 57. */
export function percentText(q: number): string {
  return String(Number((q * 100).toPrecision(12)));
}
