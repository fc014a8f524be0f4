import { durationWithDefault, int, section, uint, z } from "../../src/config/fields.ts";
import { httpServer } from "../../src/config/fragments/http-server.ts";

const defaultMaxBodyBytes = 20 * 2 ** 20;

const custom = section({
  enabled: z.boolean().default(true).describe("Serve POST /v1/metrics/custom."),
  max_points: int().positive().default(10_000).describe("Items of one request."),
  idempotency_ttl: durationWithDefault("5m").describe("How long an answer can be replayed."),
  idempotency_max_keys: uint()
    .default(10_000)
    .describe("Answers that are remembered; 0: Idempotency-Key is ignored."),
});

const push = section({
  enabled: z.boolean().default(true).describe("Serve the Pushgateway's push API."),
  repeat_interval: durationWithDefault("60s").describe(
    "How often all groups are sent on again, with the current time.",
  ),
  max_groups: int().positive().default(1000).describe("Groups that are kept."),
  max_series: int().positive().default(100_000).describe("Series of all groups together."),
});

const rateLimit = section({
  requests_per_second: z
    .number()
    .nonnegative()
    .default(0)
    .describe("Requests of one identity, or address where nobody is authenticated; 0: no limit."),
  burst: uint()
    .default(0)
    .describe("Requests that may come at once; 0: as many as in a second, at least one."),
});

export const config = section({
  ...httpServer("localhost:9091").shape,
  max_request_body_size: int()
    .default(defaultMaxBodyBytes)
    .describe("Largest body in bytes after decompression; 0: 64 MiB."),
  custom: custom.prefault({}).describe("The JSON API for metrics of one's own."),
  prometheus_push: push.prefault({}).describe("The push API of Prometheus' Pushgateway."),
  rate_limit: rateLimit.prefault({}).describe("How often a client may send."),
}).superRefine((value, context) => {
  const fail = (message: string, ...path: string[]) =>
    context.addIssue({ code: "custom", message, path });
  if (!value.custom.enabled && !value.prometheus_push.enabled) {
    fail("at least one of custom and prometheus_push must be enabled");
  }
  if (value.custom.idempotency_ttl <= 0) {
    fail("idempotency_ttl must be a positive duration", "custom", "idempotency_ttl");
  }
  if (value.prometheus_push.repeat_interval < 1000) {
    fail("repeat_interval must be at least 1s", "prometheus_push", "repeat_interval");
  }
});

export type HttpMetricsConfig = z.output<typeof config>;
