/** Every metric that the demo shows, by its name at /metrics. */
import type { Page } from "./page.ts";

/** Counters and histograms: there is data when something was counted. */
const counted = [
  "http_server_request_duration_seconds",
  "http_client_request_duration_seconds",
  "repomind_api_request_latency_seconds",
  "repomind_rate_limit_requests_total",
  "gen_ai_client_operation_duration_seconds",
  "gen_ai_client_operation_time_to_first_chunk_seconds",
  "gen_ai_client_token_usage",
  "repomind_llm_tokens_total",
  "repomind_llm_retries_total",
  "repomind_llm_cost_total",
  "repomind_cache_requests_total",
  "repomind_cache_evictions_total",
  "repomind_cache_operation_duration_seconds",
  "repomind_cache_saved_time_seconds_total",
  "repomind_query_duration_seconds",
  "repomind_query_feedback_total",
  "process_cpu_time_seconds_total",
  "v8js_gc_duration_seconds",
] as const;

/** Current values: zero is data. */
const current = [
  "http_server_active_requests",
  "repomind_rate_limit_utilization_ratio",
  "repomind_cache_usage_bytes",
  "repomind_cache_limit_bytes",
  "repomind_cache_entries",
  "process_memory_usage_bytes",
  "process_cpu_utilization_ratio",
  "nodejs_eventloop_delay_p50_seconds",
  "nodejs_eventloop_delay_p99_seconds",
  "nodejs_eventloop_delay_max_seconds",
  "repomind_server_active_connections",
  "repomind_queue_size",
  "repomind_queue_capacity",
] as const;

/** Made by the processors of the shipped pipelines.yaml. */
const derived = ["repomind_api_request_duration_seconds"] as const;
const percentiles = ["p50", "p95", "p99"].map(
  (quantile) => `repomind_api_request_latency_${quantile}_seconds`,
);

export interface Missing {
  readonly metrics: readonly string[];
  /** They come when their window has slid once. */
  readonly percentiles: readonly string[];
}

export function missingOn(page: Page, hasShippedPipelines: boolean): Missing {
  const isAbsent = (name: string) => page.series(name).length === 0;
  const metrics = [
    ...counted.filter((name) => page.value(name) === 0),
    ...current.filter(isAbsent),
    ...(hasShippedPipelines ? derived.filter((name) => page.value(name) === 0) : []),
  ];
  return { metrics, percentiles: hasShippedPipelines ? percentiles.filter(isAbsent) : [] };
}
