import { describe, expect, test } from "@jest/globals";
import { factory } from "../../../receivers/http_metrics/factory.ts";
import { testSettings } from "../../support/settings.ts";

const messagesOf = (keys: unknown) =>
  factory.config.safeParse(keys).error?.issues.map(({ message }) => message);

test("defaults", () => {
  expect(factory.config.parse({})).toMatchObject({
    endpoint: "localhost:9091",
    max_request_body_size: 20 * 2 ** 20,
    custom: {
      enabled: true,
      max_points: 10_000,
      idempotency_ttl: 300_000,
      idempotency_max_keys: 10_000,
    },
    prometheus_push: {
      enabled: true,
      repeat_interval: 60_000,
      max_groups: 1000,
      max_series: 100_000,
    },
    rate_limit: { requests_per_second: 0, burst: 0 },
  });
});

describe("what makes no sense is refused", () => {
  test.each([
    [
      { custom: { enabled: false }, prometheus_push: { enabled: false } },
      "at least one of custom and prometheus_push must be enabled",
    ],
    [{ custom: { idempotency_ttl: "0s" } }, "idempotency_ttl must be a positive duration"],
    [{ prometheus_push: { repeat_interval: "10ms" } }, "repeat_interval must be at least 1s"],
  ])("%j", (keys, message) => {
    expect(messagesOf(keys)).toEqual([message]);
  });
  test.each([
    { custom: { max_points: 0 } },
    { prometheus_push: { max_groups: 0 } },
    { rate_limit: { requests_per_second: -1 } },
    { no_such_key: 1 },
  ])("%j", (keys) => {
    expect(messagesOf(keys)).toHaveLength(1);
  });
});

test("an authenticator that does not exist is an error: the endpoint never stands open", () => {
  const config = factory.config.parse({ auth: { authenticator: "basic_auth" } });
  expect(() => factory.create({ config, next: {}, settings: testSettings() })).toThrow(
    'failed to resolve authenticator "basic_auth": authenticator not found',
  );
});

test.each([
  [{ custom: { enabled: false } }, ["/metrics/job/*", "/metrics/job@base64/*"]],
  [
    { prometheus_push: { enabled: false } },
    ["/v1/metrics/custom", "/v1/metrics/custom/openapi.json"],
  ],
])("%j serves only %j", async (keys, paths) => {
  let served: string[] = [];
  const settings = testSettings({
    listen: (spec) => {
      served = spec.kind === "http" ? [...spec.routes.keys()] : [];
      return Promise.resolve({ addresses: [], close: () => Promise.resolve() });
    },
  });
  const edge = {
    assurance: "held",
    ready: () => undefined,
    consume: () => Promise.resolve(),
  } as const;
  const config = factory.config.parse(keys);
  const receiver = factory.create({ config, next: { metrics: edge }, settings });
  await receiver.start?.();
  expect(served).toEqual(paths);
  await receiver.shutdown?.(AbortSignal.abort());
  await receiver.shutdown?.(AbortSignal.abort());
});
