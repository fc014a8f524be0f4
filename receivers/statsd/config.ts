import { accepted, durationWithDefault, int, section, uint, z } from "../../src/config/fields.ts";
import { Regex } from "../../src/regex/regex.ts";
import { defaultEndpoint } from "./addresses.ts";

const noDatagrams =
  "Node.js has no unix datagram sockets; send over udp to localhost, or put a relay such as socat in front";

/** max_size of the Collector's histogram library. */
const smallestMaxSize = 2;
const largestMaxSize = 16_384;

const explicitBucket = section({
  matcher_pattern: z
    .string()
    .default("")
    .describe("RE2 pattern of the names of the metrics that get these buckets."),
  buckets: z.array(z.number()).default([]).describe("Upper bounds, ascending."),
});

const mapping = section({
  statsd_type: z.string().default("").describe("timing or timer, histogram, distribution."),
  observer_type: z
    .string()
    .default("")
    .describe("What the values become: histogram, summary, or gauge (a point a value)."),
  histogram: section({
    max_size: int()
      .default(0)
      .describe("Buckets of the auto-scaling histogram, of each sign; 0 means 160."),
    explicit_buckets: z
      .array(explicitBucket)
      .default([])
      .describe("Fixed buckets for metrics by name; the first match counts."),
  })
    .prefault({})
    .describe("For observer_type histogram."),
  summary: section({
    percentiles: z
      .array(z.number())
      .default([])
      .describe("0 to 100; none means 0, 10, 50, 90, 95 and 100."),
  })
    .prefault({})
    .describe("For observer_type summary."),
});

type Mapping = z.output<typeof mapping>;

const keys = section({
  endpoint: z.string().default(defaultEndpoint).describe("Where it listens, host:port."),
  transport: z
    .string()
    .default("udp")
    .describe(
      "udp, udp4, udp6, tcp, tcp4 or tcp6. unixgram is refused: Node.js has no such sockets.",
    ),
  aggregation_interval: durationWithDefault("60s").describe(
    "How often the aggregates are sent on.",
  ),
  enable_metric_type: z
    .boolean()
    .default(false)
    .describe(
      "Add the attribute metric_type: counter, gauge, timing, histogram, distribution, set.",
    ),
  enable_simple_tags: z.boolean().default(false).describe("Accept tags without a value."),
  enable_ip_only_aggregation: z
    .boolean()
    .default(false)
    .describe("Aggregate senders apart by IP address, without the port."),
  ignore_host: z
    .boolean()
    .optional()
    .describe(
      "Aggregate all senders together. Default: true, unless enable_ip_only_aggregation is.",
    ),
  is_monotonic_counter: z
    .boolean()
    .default(true)
    .describe("Counters only go up; negative counter lines are refused."),
  counter_type: z
    .string()
    .default("int")
    .describe("int (the fraction is carried on), float or stochastic_int (rounded by chance)."),
  timer_histogram_mapping: z
    .array(mapping)
    .optional()
    .describe("What timers, histograms and distributions become; see below."),
  socket_permissions: accepted(z.unknown(), "it is for transport unixgram only"),
  socket_buffer_size: uint()
    .default(0)
    .describe("Bytes of the UDP sockets' receive buffer; 0 asks for 8 MiB."),
  max_series: int().positive().default(100_000).describe("Series kept; see Limits."),
});

/** The Collector's texts. */
export const config = keys.superRefine((value, context) => {
  const fail = (message: string, ...path: (string | number)[]) =>
    context.addIssue({ code: "custom", path, message });
  if (value.transport === "unixgram" || value.transport === "unix") {
    fail(`transport ${value.transport} is not supported: ${noDatagrams}`, "transport");
  } else if (!/^(?:udp|tcp)[46]?$/u.test(value.transport)) {
    fail(`unsupported transport type ${JSON.stringify(value.transport)}`, "transport");
  }
  if (value.aggregation_interval <= 0) {
    fail("aggregation_interval must be a positive duration", "aggregation_interval");
  }
  if (!["", "int", "float", "stochastic_int"].includes(value.counter_type)) {
    fail(
      `invalid counter_type: ${value.counter_type}, must be one of: int, float, stochastic_int`,
      "counter_type",
    );
  }
  value.timer_histogram_mapping?.forEach((entry, i) => {
    for (const message of mappingProblems(entry)) fail(message, "timer_histogram_mapping", i);
  });
});

function* mappingProblems(entry: Mapping): Iterable<string> {
  const { statsd_type: type, observer_type: observer, histogram, summary } = entry;
  if (type === "" || observer === "") {
    yield "must specify object id for all TimerHistogramMappings";
    return;
  }
  if (!["timing", "timer", "histogram", "distribution"].includes(type)) {
    yield `statsd_type is not a supported mapping for histogram and timing metrics: ${type}`;
  }
  if (!["gauge", "summary", "histogram"].includes(observer)) {
    yield `observer_type is not supported for histogram and timing metrics: ${observer}`;
  }
  const { max_size: size, explicit_buckets: buckets } = histogram;
  if (observer === "histogram") {
    if (size !== 0 && (size < smallestMaxSize || size > largestMaxSize)) {
      yield `histogram max_size out of range: ${size}`;
    }
    yield* bucketProblems(buckets);
  } else if (size !== 0 || buckets.length > 0) {
    yield "histogram configuration requires observer_type: histogram";
  }
  yield* percentileProblems(observer, summary.percentiles);
}

function* percentileProblems(observer: string, percentiles: readonly number[]): Iterable<string> {
  if (observer !== "summary" && percentiles.length > 0) {
    yield "summary configuration requires observer_type: summary";
  }
  for (const percentile of percentiles) {
    if (!(percentile >= 0 && percentile <= 100)) {
      yield `summary percentiles out of [0, 100] range: ${percentile}`;
    }
  }
}

function* bucketProblems(list: Mapping["histogram"]["explicit_buckets"]): Iterable<string> {
  for (const [i, { matcher_pattern: pattern, buckets }] of list.entries()) {
    if (pattern === "") yield `explicit bucket [${i}] matcher_pattern must not be empty`;
    const error = patternError(pattern);
    if (error !== undefined) {
      yield `explicit bucket [${i}] matcher_pattern is not a valid regular expression: ${error}`;
    }
    if (buckets.length === 0) yield `explicit bucket [${i}] buckets must not be empty`;
    else if (buckets.some((bound, at) => at > 0 && bound <= buckets[at - 1]!)) {
      yield `explicit bucket [${i}] buckets are not unique or not ascendingly sorted [${buckets.join(" ")}]`;
    }
  }
}

function patternError(pattern: string): string | undefined {
  try {
    Regex.compile(pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export type StatsdConfig = z.output<typeof config>;
export type MappingConfig = Mapping;
