import { duration, durationWithDefault, section, uint, type z } from "../../src/config/fields.ts";

export const config = section({
  check_interval: duration().optional().describe("How often memory use is measured; required."),
  limit_mib: uint().default(0).describe("Hard limit of memory use in MiB."),
  spike_limit_mib: uint()
    .default(0)
    .describe("The soft limit lies this far below the hard one; 0: 20 % of the hard limit."),
  limit_percentage: uint()
    .default(0)
    .describe("Hard limit in percent of the memory of the machine or cgroup."),
  spike_limit_percentage: uint()
    .default(0)
    .describe("As spike_limit_mib, in percent of the memory; for limit_percentage."),
  min_gc_interval_when_soft_limited: durationWithDefault("10s").describe(
    "Shortest time between two forced collections above the soft limit (needs node --expose-gc).",
  ),
  min_gc_interval_when_hard_limited: durationWithDefault("0s").describe(
    "Shortest time between two forced collections above the hard limit (needs node --expose-gc).",
  ),
  max_gc_interval_when_soft_limited: durationWithDefault("30s").describe(
    "Above the soft limit collections that free little are forced ever more rarely, up to this; 0: no back-off.",
  ),
  max_gc_interval_when_hard_limited: durationWithDefault("30s").describe(
    "Above the hard limit collections that free little are forced ever more rarely, up to this; 0: no back-off.",
  ),
}).superRefine((value, context) => {
  const complain = (message: string) => context.addIssue({ code: "custom", message });
  const { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage } = value;
  if (value.check_interval === undefined || value.check_interval <= 0) {
    complain("'check_interval' must be greater than zero");
  }
  if (value.min_gc_interval_when_hard_limited > value.min_gc_interval_when_soft_limited) {
    complain(
      "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'",
    );
  }
  checkLongestIntervals(value, complain);
  if (limit_mib === 0 && limit_percentage === 0) {
    complain("'limit_mib' or 'limit_percentage' must be greater than zero");
  }
  if (limit_percentage > 100 || spike_limit_percentage > 100) {
    complain(
      "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
    );
  }
  if (limit_mib > 0 && limit_mib <= spike_limit_mib)
    complain("'spike_limit_mib' must be smaller than 'limit_mib'");
  if (limit_percentage > 0 && limit_percentage <= spike_limit_percentage) {
    complain("'spike_limit_percentage' must be smaller than 'limit_percentage'");
  }
});

/** 0 turns the back-off of a path off. */
function checkLongestIntervals(
  value: Readonly<Record<`${"min" | "max"}_gc_interval_when_${"soft" | "hard"}_limited`, number>>,
  complain: (message: string) => void,
): void {
  for (const path of ["soft", "hard"] as const) {
    const key = `max_gc_interval_when_${path}_limited` as const;
    const minKey = `min_gc_interval_when_${path}_limited` as const;
    if (value[key] < 0) complain(`'${key}' must be non-negative`);
    if (value[key] > 0 && value[key] < value[minKey])
      complain(`'${key}' must be greater than or equal to '${minKey}' (or 0 to disable)`);
  }
  const { max_gc_interval_when_soft_limited: soft, max_gc_interval_when_hard_limited: hard } =
    value;
  if (soft > 0 && hard > 0 && soft < hard) {
    complain(
      "'max_gc_interval_when_soft_limited' should be larger than or equal to 'max_gc_interval_when_hard_limited' (when both are set)",
    );
  }
}

export type MemoryLimiterConfig = z.output<typeof config>;
