/** What the figures say about the goals. */
import type { Context } from "./section.ts";
import type { Estimate } from "./statistics.ts";

export type Verdict = "met" | "**missed**" | "void" | "no verdict" | "-";

/** Half the width of the control's interval, in %. */
const maxControlHalfWidth = 0.5;

/** Whether a control that changes nothing shows nothing, and would have shown half a percent. */
export const isControlGood = ({ low, high }: Estimate) =>
  low <= 0 && high >= 0 && (high - low) / 2 <= maxControlHalfWidth;

/** `isWithin` is undefined where there is no goal. */
export function verdictOf(
  { isQuick }: Pick<Context, "isQuick">,
  isWithin: boolean | undefined,
): Verdict {
  if (isWithin === undefined) return "-";
  if (isQuick) return "no verdict";
  return isWithin ? "met" : "**missed**";
}

/** Without a good control a measurement says nothing, whatever its figure. */
export function controlledVerdict(
  context: Pick<Context, "isQuick">,
  control: Estimate,
  isWithin: boolean | undefined,
): Verdict {
  if (context.isQuick) return "no verdict";
  return isControlGood(control) ? verdictOf(context, isWithin) : "void";
}
