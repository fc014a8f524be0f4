import { accepted, int, section, z } from "../../src/config/fields.ts";

const levels = ["basic", "normal", "detailed"] as const;

const title = (level: unknown) => {
  const text = String(level);
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** The keys of the Collector's debug exporter. */
export const config = section({
  verbosity: z
    .string()
    .transform((level) => level.toLowerCase())
    .pipe(
      z.enum(levels, {
        error: ({ input }) => `verbosity level ${JSON.stringify(title(input))} is not supported`,
      }),
    )
    .prefault("basic")
    .describe("basic: counts per payload; normal: a line per item; detailed: everything."),
  sampling_initial: int()
    .nonnegative()
    .default(2)
    .describe("Lines of the same text written in each second before sampling sets in."),
  sampling_thereafter: int()
    .nonnegative()
    .default(1)
    .describe("After those, every n-th line is written; 1: all, 0: none."),
  use_internal_logger: z
    .boolean()
    .default(true)
    .describe("Write to the service's log; false: to output_paths."),
  output_paths: z
    .array(z.string())
    .default(["stdout"])
    .describe("stdout, stderr or files; used where use_internal_logger is false."),
  sending_queue: accepted(
    z.record(z.string(), z.unknown()),
    "text is written at once, so nothing waits in a queue",
  ).describe("Queue in front of the exporter."),
});

export type DebugConfig = z.output<typeof config>;
