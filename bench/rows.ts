/** Everything that is measured. */
import type { Row } from "./row.ts";
import { birthRows } from "./rows/birth.ts";
import { httpMetricsRows } from "./rows/http-metrics.ts";
import { otlpRows } from "./rows/otlp.ts";
import { prometheusRows } from "./rows/prometheus.ts";
import { startRows } from "./rows/start.ts";
import { statsdRows } from "./rows/statsd.ts";

export const rows: readonly Row[] = [
  ...otlpRows,
  ...birthRows,
  ...prometheusRows,
  ...statsdRows,
  ...httpMetricsRows,
  ...startRows,
];
