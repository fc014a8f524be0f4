import {
  durationWithDefault,
  formatDuration,
  int,
  refused,
  section,
  type z,
} from "../../src/config/fields.ts";

const defaultMaxStreams = 500_000;

/** The keys of the Collector's deltatocumulative processor. */
export const config = section({
  max_stale: durationWithDefault("5m").describe(
    "A series without a point for so long is forgotten; when it comes again, it begins anew.",
  ),
  max_streams: int()
    .default(defaultMaxStreams)
    .describe("Series remembered; points of further ones are dropped. 0: the default."),
  storage: refused("the sums are kept in memory only"),
}).superRefine(({ max_stale, max_streams }, context) => {
  const fail = (key: string, message: string) =>
    context.addIssue({ code: "custom", path: [key], message });
  if (max_stale <= 0) {
    fail("max_stale", `max_stale must be a positive duration (got ${formatDuration(max_stale)})`);
  }
  if (max_streams < 0) {
    fail("max_streams", `max_streams must be a positive number (got ${max_streams})`);
  }
});

export type DeltaToCumulativeConfig = z.output<typeof config>;

export const maxSeriesOf = ({ max_streams }: DeltaToCumulativeConfig): number =>
  max_streams === 0 ? defaultMaxStreams : max_streams;
