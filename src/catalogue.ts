/**
 * Every metric the service has about itself: one catalogue. Names, labels and levels as the Collector's
 * (docs: internal-telemetry); the engine adds the component's own label (receiver, processor, exporter …).
 */
export type MetricLevel = "basic" | "normal" | "detailed";

export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  /** UCUM; appended to the name only where the reader asks for units. */
  readonly unit: string;
  readonly help: string;
  readonly level: MetricLevel;
  /** Histograms: upper bounds. */
  readonly bounds?: readonly number[];
  /** Labels that series have at level detailed only. */
  readonly detailedLabels?: readonly string[];
}

/**
 * The handle of a metric above the level that is collected: takes anything and keeps nothing. Whoever gets it need not
 * measure what is costly to measure.
 */
export const notMeasured = { add(): void {}, record(): void {} } as const;

const batchSizeBounds = [
  10, 25, 50, 75, 100, 250, 500, 750, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000,
  20000, 30000, 50000, 100000,
];
/** Seconds; the Collector has the SDK's default bounds, which are meant for milliseconds. */
const durationBounds = [1e-5, 1e-4, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
/** Seconds; as the semantic conventions for HTTP and RPC advise. */
const requestBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** 128 B to 16 MiB, doubling. */
const queueByteBounds = Array.from({ length: 18 }, (_, i) => 128 * 2 ** i);
const byteBounds = [
  10, 25, 50, 75, 100, 250, 500, 750, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000,
  20_000, 30_000, 50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000,
  900_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 6_000_000, 7_000_000, 8_000_000,
  9_000_000,
];

const counter = (unit: string, help: string, level: MetricLevel = "basic"): MetricDefinition => ({
  type: "counter",
  unit,
  help,
  level,
});
const gauge = (unit: string, help: string, level: MetricLevel = "basic"): MetricDefinition => ({
  type: "gauge",
  unit,
  help,
  level,
});
/** Items in failed attempts, with the kind of the error at level detailed. */
const sendFailed = (unit: string, items: string): MetricDefinition => ({
  ...counter(unit, `Number of ${items} in failed attempts to send to destination.`),
  detailedLabels: ["error.type", "error.permanent"],
});
const histogram = (
  unit: string,
  help: string,
  level: MetricLevel,
  bounds: readonly number[],
): MetricDefinition => ({ type: "histogram", unit, help, level, bounds });

export const catalogue = {
  otelcol_receiver_accepted_spans: counter(
    "{spans}",
    "Number of spans successfully pushed into the pipeline.",
  ),
  otelcol_receiver_accepted_metric_points: counter(
    "{datapoints}",
    "Number of metric points successfully pushed into the pipeline.",
  ),
  otelcol_receiver_accepted_log_records: counter(
    "{records}",
    "Number of log records successfully pushed into the pipeline.",
  ),
  otelcol_receiver_refused_spans: counter(
    "{spans}",
    "Number of spans that could not be pushed into the pipeline.",
  ),
  otelcol_receiver_refused_metric_points: counter(
    "{datapoints}",
    "Number of metric points that could not be pushed into the pipeline.",
  ),
  otelcol_receiver_refused_log_records: counter(
    "{records}",
    "Number of log records that could not be pushed into the pipeline.",
  ),
  otelcol_receiver_failed_spans: counter(
    "{spans}",
    "Number of spans that failed to be processed by the receiver due to internal errors.",
  ),
  otelcol_receiver_failed_metric_points: counter(
    "{datapoints}",
    "Number of metric points that failed to be processed by the receiver due to internal errors.",
  ),
  otelcol_receiver_failed_log_records: counter(
    "{records}",
    "Number of log records that failed to be processed by the receiver due to internal errors.",
  ),
  otelcol_receiver_requests: counter("{requests}", "The number of requests performed."),
  otelcol_processor_incoming_items: counter("{items}", "Number of items passed to the processor."),
  otelcol_processor_outgoing_items: counter(
    "{items}",
    "Number of items emitted from the processor.",
  ),
  otelcol_processor_internal_duration: histogram(
    "s",
    "Duration of time taken to process a batch of telemetry data through the processor.",
    "detailed",
    durationBounds,
  ),
  otelcol_processor_batch_batch_send_size: histogram(
    "{units}",
    "Number of units in the batch.",
    "normal",
    batchSizeBounds,
  ),
  otelcol_processor_batch_batch_send_size_bytes: histogram(
    "By",
    "Number of bytes in batch that was sent.",
    "detailed",
    byteBounds,
  ),
  otelcol_processor_batch_batch_size_trigger_send: counter(
    "{times}",
    "Number of times the batch was sent due to a size trigger.",
    "normal",
  ),
  otelcol_processor_batch_timeout_trigger_send: counter(
    "{times}",
    "Number of times the batch was sent due to a timeout trigger.",
    "normal",
  ),
  otelcol_processor_batch_metadata_cardinality: gauge(
    "{combinations}",
    "Number of distinct metadata value combinations being processed.",
    "normal",
  ),
  otelcol_processor_memory_limiter_accepted_spans: counter(
    "{spans}",
    "Number of spans successfully pushed into the next component.",
  ),
  otelcol_processor_memory_limiter_accepted_metric_points: counter(
    "{datapoints}",
    "Number of metric points successfully pushed into the next component.",
  ),
  otelcol_processor_memory_limiter_accepted_log_records: counter(
    "{records}",
    "Number of log records successfully pushed into the next component.",
  ),
  otelcol_processor_memory_limiter_refused_spans: counter(
    "{spans}",
    "Number of spans that were rejected by the memory limiter.",
  ),
  otelcol_processor_memory_limiter_refused_metric_points: counter(
    "{datapoints}",
    "Number of metric points that were rejected by the memory limiter.",
  ),
  otelcol_processor_memory_limiter_refused_log_records: counter(
    "{records}",
    "Number of log records that were rejected by the memory limiter.",
  ),
  otelcol_exporter_sent_spans: counter(
    "{spans}",
    "Number of spans successfully sent to destination.",
  ),
  otelcol_exporter_sent_metric_points: counter(
    "{datapoints}",
    "Number of metric points successfully sent to destination.",
  ),
  otelcol_exporter_sent_log_records: counter(
    "{records}",
    "Number of log records successfully sent to destination.",
  ),
  otelcol_exporter_send_failed_spans: sendFailed("{spans}", "spans"),
  otelcol_exporter_send_failed_metric_points: sendFailed("{datapoints}", "metric points"),
  otelcol_exporter_send_failed_log_records: sendFailed("{records}", "log records"),
  otelcol_exporter_enqueue_failed_spans: counter(
    "{spans}",
    "Number of spans failed to be added to the sending queue.",
  ),
  otelcol_exporter_enqueue_failed_metric_points: counter(
    "{datapoints}",
    "Number of metric points failed to be added to the sending queue.",
  ),
  otelcol_exporter_enqueue_failed_log_records: counter(
    "{records}",
    "Number of log records failed to be added to the sending queue.",
  ),
  otelcol_exporter_queue_size: gauge("{batches}", "Current size of the retry queue (in batches)."),
  otelcol_exporter_queue_capacity: gauge(
    "{batches}",
    "Fixed capacity of the retry queue (in batches).",
  ),
  otelcol_exporter_in_flight_requests: gauge(
    "{requests}",
    "Number of export requests on their way to the destination.",
    "normal",
  ),
  otelcol_exporter_enqueue_size: histogram(
    "{units}",
    "Number of units in the request added to the sending queue.",
    "detailed",
    batchSizeBounds,
  ),
  otelcol_exporter_enqueue_size_bytes: histogram(
    "By",
    "Number of bytes in the request added to the sending queue.",
    "detailed",
    queueByteBounds,
  ),
  otelcol_exporter_queue_batch_send_size: histogram(
    "{units}",
    "Number of units in the batch. Only recorded when batching is enabled.",
    "detailed",
    batchSizeBounds,
  ),
  otelcol_exporter_queue_batch_send_size_bytes: histogram(
    "By",
    "Number of bytes in batch that was sent. Only recorded when batching is enabled.",
    "detailed",
    queueByteBounds,
  ),
  http_server_request_duration: histogram(
    "s",
    "Duration of HTTP server requests.",
    "detailed",
    requestBounds,
  ),
  http_client_request_duration: histogram(
    "s",
    "Duration of HTTP client requests.",
    "detailed",
    requestBounds,
  ),
  rpc_server_call_duration: histogram(
    "s",
    "Duration of inbound remote procedure calls (RPC).",
    "detailed",
    requestBounds,
  ),
  rpc_client_call_duration: histogram(
    "s",
    "Duration of outbound remote procedure calls (RPC).",
    "detailed",
    requestBounds,
  ),
  otelcol_process_uptime: counter("s", "Uptime of the process."),
  otelcol_process_cpu_seconds: counter("s", "Total CPU user and system time in seconds."),
  otelcol_process_memory_rss: gauge("By", "Total physical memory (resident set size)."),
  otelcol_process_runtime_heap_alloc_bytes: gauge(
    "By",
    "Bytes of allocated heap objects (V8 heapUsed).",
  ),
  otelcol_process_runtime_total_alloc_bytes: counter(
    "By",
    "Cumulative bytes allocated for heap objects.",
  ),
  otelcol_process_runtime_total_sys_memory_bytes: gauge(
    "By",
    "Total bytes of memory obtained from the OS.",
  ),
  rmt_dropped_items: counter(
    "{items}",
    "Items that were accepted and went no further, by reason: lost, or taken out on purpose (filtered).",
  ),
  rmt_memory_budget_used_bytes: gauge("By", "Bytes of buffers that live because of data."),
  rmt_memory_budget_limit_bytes: gauge(
    "By",
    "Limit of the memory budget; at the limit new data is refused.",
  ),
  rmt_edge_items: counter(
    "{items}",
    "Items that crossed an edge of the pipeline graph.",
    "detailed",
  ),
  rmt_edge_bytes: counter("By", "Bytes that crossed an edge of the pipeline graph.", "detailed"),
  rmt_event_loop_delay_seconds: gauge(
    "s",
    "99th percentile of the main thread's delay since the last collection.",
    "normal",
  ),
  rmt_relabel_collided_series: counter(
    "{series}",
    "Series that relabelling made equal to another one; both went on.",
  ),
  rmt_relabel_cache_bytes: gauge("By", "Bytes of the series that relabel remembers."),
  rmt_attribute_cache_bytes: gauge(
    "By",
    "Bytes of the attribute sets whose edited form a processor remembers.",
  ),
  rmt_metrics_transform_unmerged_points: counter(
    "{datapoints}",
    "Points of equal labels and time that could not be merged and were kept apart.",
  ),
  rmt_prometheus_exporter_series: gauge("{series}", "Series held for the next scrape."),
  rmt_prometheus_exporter_ignored_points: counter(
    "{datapoints}",
    "Points that the exporter could not express, by reason.",
  ),
  rmt_series: gauge("{series}", "Series that a stateful component keeps."),
  rmt_series_limit: gauge("{series}", "Series that a stateful component keeps at most."),
  rmt_series_overflow_points: counter(
    "{datapoints}",
    "Points without a series of their own, because the limit of series was reached.",
  ),
  rmt_series_expired: counter(
    "{series}",
    "Series that a stateful component forgot, because nothing came of them for too long.",
  ),
  rmt_series_state_bytes: gauge("By", "Bytes of what a component remembers of its series."),
  rmt_series_cache_bytes: gauge("By", "Bytes by which a component recognises its series."),
  rmt_cumulative_to_delta_discontinuities: counter(
    "{datapoints}",
    "Points of series that began anew or whose time went back, by reason.",
  ),
  rmt_delta_to_cumulative_discontinuities: counter(
    "{datapoints}",
    "Points behind a gap, or with which a series began anew, by reason.",
  ),
  rmt_series_of_metric: gauge(
    "{series}",
    "Series of the metrics that have the most, once the limit of series was reached.",
  ),
  rmt_statsd_lines: counter("{lines}", "StatsD lines received, good or bad."),
  rmt_statsd_refused_lines: counter("{lines}", "StatsD lines that were not taken, by reason."),
  rmt_statsd_events: counter(
    "{lines}",
    "DogStatsD events and service checks, which have no use here.",
  ),
  rmt_statsd_cache_bytes: gauge("By", "Bytes of the texts by which statsd recognises its series."),
  rmt_statsd_kernel_drops: counter(
    "{packets}",
    "Packets that the kernel dropped because the socket's buffer was full.",
  ),
  rmt_percentiles_sampled_points: counter(
    "{datapoints}",
    "Points that percentiles were computed of.",
  ),
  rmt_percentiles_ignored_points: counter(
    "{datapoints}",
    "Points that matched and could not be sampled, by reason.",
  ),
  rmt_percentiles_state_bytes: gauge("By", "Bytes of the sketches and baselines of percentiles."),
  rmt_percentiles_cache_bytes: gauge("By", "Bytes of the series that percentiles remembers."),
  rmt_percentiles_baselines: gauge(
    "{series}",
    "Cumulative series whose last point percentiles remembers.",
  ),
  rmt_http_metrics_refused: counter(
    "{items}",
    "Items of the custom API and pushes that were not taken, by reason.",
  ),
  rmt_http_metrics_groups: gauge("{groups}", "Groups of pushed metrics that are kept."),
} as const satisfies Record<string, MetricDefinition>;

export type CatalogueName = keyof typeof catalogue;
