/** What metrics a source metric's percentiles become, as the config says. */
import { writeKeyValue } from "../../src/pdata/attributes.ts";
import { Writer } from "../../src/pdata/wire.ts";
import { type PercentilesConfig, percentText } from "./config.ts";

/** The attribute of naming: attribute. */
export const quantileKey = "quantile";

export type Part = "value" | "lower" | "upper";

/** One number of a group: a gauge's point. */
export interface OutputPoint {
  /** Index into the configured quantiles. */
  readonly quantile: number;
  readonly part: Part;
  /** An attribute field, or nothing. */
  readonly attribute: Uint8Array;
}

export interface OutputMetric {
  readonly suffix: string;
  /** Behind the source's description. */
  readonly note: string;
  /** Of each group; undefined: one point, a summary. */
  readonly points: readonly OutputPoint[] | undefined;
}

const partNotes: Readonly<Record<Part, string>> = {
  value: "",
  lower: ", lower limit",
  upper: ", upper limit",
};
const partSuffixes: Readonly<Record<Part, string>> = {
  value: "",
  lower: "_lower",
  upper: "_upper",
};

export function outputMetrics(config: PercentilesConfig): readonly OutputMetric[] {
  if (config.output === "summary") {
    const suffix = config.drop_source ? "" : "_summary";
    return [{ suffix, note: "percentiles", points: undefined }];
  }
  const parts: readonly Part[] = config.bounds ? ["value", "lower", "upper"] : ["value"];
  return config.naming === "suffix"
    ? config.quantiles.flatMap((q, i) => parts.map((part) => suffixed(q, i, part)))
    : parts.map((part) => attributed(config.quantiles, part));
}

function suffixed(q: number, quantile: number, part: Part): OutputMetric {
  const percent = percentText(q);
  return {
    suffix: `_p${percent}${partSuffixes[part]}`,
    note: `p${percent}${partNotes[part]}`,
    points: [{ quantile, part, attribute: new Uint8Array(0) }],
  };
}

const attributed = (quantiles: readonly number[], part: Part): OutputMetric => ({
  suffix: `_quantile${partSuffixes[part]}`,
  note: `quantiles${partNotes[part]}`,
  points: quantiles.map((q, quantile) => ({ quantile, part, attribute: quantileAttribute(q) })),
});

function quantileAttribute(q: number): Uint8Array {
  const out = new Writer(32);
  writeKeyValue(out, 7, quantileKey, String(q));
  return out.take();
}
