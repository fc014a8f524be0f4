import { describe, expect, test } from "@jest/globals";
import { Problems } from "../../../src/instrument/problems.ts";
import { retryAfterMs } from "../../../src/instrument/sending/post.ts";
import { resolveSettings } from "../../../src/instrument/settings.ts";
import type { StartOptions } from "../../../src/instrument/types.ts";

function resolve(options: StartOptions, env: Record<string, string> = {}) {
  const said: string[] = [];
  const problems = new Problems(({ code, message }) => said.push(`${code}: ${message}`));
  const settings = resolveSettings(options, env, problems);
  return {
    ...settings,
    said,
    url: settings.target?.url.href,
    resource: Object.fromEntries(settings.resource),
  };
}

describe("endpoint", () => {
  test.each<[string, StartOptions, Record<string, string>]>([
    ["http://127.0.0.1:4318/v1/metrics", {}, {}],
    [
      "http://a:1/v1/metrics",
      { endpoint: "http://a:1" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://b" },
    ],
    ["http://a:1/x/v1/metrics", { endpoint: "http://a:1/x/" }, {}],
    ["http://a:1/v1/metrics", { endpoint: "http://a:1/v1/metrics" }, {}],
    ["https://b/v1/metrics", {}, { OTEL_EXPORTER_OTLP_ENDPOINT: "https://b" }],
    [
      "http://c/own",
      {},
      {
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://c/own",
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://b",
      },
    ],
    [
      "http://a/v1/metrics",
      { endpoint: "http://a" },
      { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://c/own" },
    ],
    ["http://127.0.0.1:4318/v1/metrics", {}, { OTEL_EXPORTER_OTLP_ENDPOINT: " " }],
  ])("%s", (url, options, env) => {
    expect(resolve(options, env)).toMatchObject({ url, said: [] });
  });

  test.each(["localhost", "localhost:4318", "grpc://a", "ftp://a", ""])(
    "%p is said and nothing is sent",
    (endpoint) => {
      const { url, said } = resolve({ endpoint });
      expect(url).toBeUndefined();
      expect(said).toEqual([
        `invalid_option: the endpoint "${endpoint}" is no http or https URL; nothing is sent`,
      ]);
    },
  );
});

test("an endpoint is said without its credentials", () => {
  expect(resolve({ endpoint: "grpc://user:secret@a:4317" }).said).toEqual([
    'invalid_option: the endpoint "grpc://a:4317" is no http or https URL; nothing is sent',
  ]);
});

test("headers: the option's beside the environment's, percent-decoded", () => {
  const { target, said } = resolve(
    { headers: { b: "2" } },
    { OTEL_EXPORTER_OTLP_HEADERS: "a=x%20y, b=1,broken,c=%zz" },
  );
  expect(target!.headers).toEqual({ a: "x y", b: "2" });
  expect(said).toHaveLength(1);
});

test.each([
  ["grpc", 1],
  ["http/json", 1],
  ["http/protobuf", 0],
])("protocol %s", (protocol, problems) => {
  const { said, url } = resolve({}, { OTEL_EXPORTER_OTLP_PROTOCOL: protocol });
  expect(said).toHaveLength(problems);
  expect(url).toBeDefined();
});

test("numbers: option, then environment, then default; nonsense is said", () => {
  expect(resolve({})).toMatchObject({
    intervalMs: 10_000,
    timeoutMs: 10_000,
    maxSeriesPerMetric: 2000,
    maxQueueBytes: 4_194_304,
    exitFlushMs: 500,
    isDelta: false,
    isGzip: false,
  });
  const env = { OTEL_METRIC_EXPORT_INTERVAL: "2000", OTEL_EXPORTER_OTLP_TIMEOUT: "300" };
  expect(resolve({ intervalMs: 50 }, env)).toMatchObject({ intervalMs: 50, timeoutMs: 300 });
  const wrong = resolve({ intervalMs: -1 }, { OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "soon" });
  expect(wrong).toMatchObject({ intervalMs: 10_000, timeoutMs: 10_000 });
  expect(wrong.said).toHaveLength(2);
});

test("compression and temporality", () => {
  const env = {
    OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "Delta",
  };
  expect(resolve({}, env)).toMatchObject({ isGzip: true, isDelta: true });
  expect(resolve({ compression: "none", temporality: "cumulative" }, env)).toMatchObject({
    isGzip: false,
    isDelta: false,
  });
});

test("words that are none are said", () => {
  const options = { compression: "zstd", temporality: 5 } as unknown as StartOptions;
  const { isGzip, isDelta, said } = resolve(options);
  expect([isGzip, isDelta]).toEqual([false, false]);
  expect(said).toEqual([
    "invalid_option: compression cannot be zstd; none is used",
    "invalid_option: temporality cannot be a number; cumulative is used",
  ]);
});

test("what switches off", () => {
  expect(resolve({ export: false }).url).toBeUndefined();
  expect(resolve({}, { OTEL_METRICS_EXPORTER: "none" }).url).toBeUndefined();
  expect(resolve({ http: false }).http).toBeUndefined();
  expect(resolve({ http: true }).http).toEqual({});
  expect(resolve({ http: { maxRoutes: 5 } }).http).toEqual({ maxRoutes: 5 });
  expect(resolve({ export: true }, { OTEL_SDK_DISABLED: "true" })).toMatchObject({
    url: undefined,
    http: undefined,
  });
});

describe("resource", () => {
  test("each process is told apart", () => {
    const [a, b] = [resolve({}).resource, resolve({}).resource];
    expect(a["service.name"]).toBe("unknown_service:node");
    expect(a["service.instance.id"]).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/u,
    );
    expect(a["service.instance.id"]).not.toBe(b["service.instance.id"]);
  });

  test("option over OTEL_SERVICE_NAME over OTEL_RESOURCE_ATTRIBUTES", () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: "service.name=r,deployment.environment.name=a%2Cb" };
    expect(resolve({}, env).resource).toMatchObject({
      "service.name": "r",
      "deployment.environment.name": "a,b",
    });
    const named = { ...env, OTEL_SERVICE_NAME: "n" };
    expect(resolve({}, named).resource["service.name"]).toBe("n");
    expect(resolve({ resource: { "service.name": "o" } }, named).resource["service.name"]).toBe(
      "o",
    );
    const both = { serviceName: "s", resource: { "service.name": "o", x: 1, y: undefined } };
    expect(resolve(both, named).resource).toMatchObject({ "service.name": "s", x: 1 });
  });

  test.each<[unknown]>([[{}], [""], [5]])("a service name that is none is said: %j", (given) => {
    const serviceName = given as string;
    const { resource, said } = resolve({ serviceName }, { OTEL_SERVICE_NAME: "n" });
    expect(resource["service.name"]).toBe("n");
    expect(said).toEqual(["invalid_option: serviceName is no text"]);
  });
});

test("Retry-After: seconds or a date", () => {
  const now = Date.parse("Wed, 21 Oct 2026 07:28:00 GMT");
  expect(retryAfterMs("7", now)).toBe(7000);
  expect(retryAfterMs("Wed, 21 Oct 2026 07:28:05 GMT", now)).toBe(5000);
  expect(retryAfterMs("Wed, 21 Oct 2026 07:27:00 GMT", now)).toBe(0);
  expect(retryAfterMs("soon", now)).toBeUndefined();
  expect(retryAfterMs(undefined, now)).toBeUndefined();
});
