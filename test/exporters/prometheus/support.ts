import { afterEach } from "@jest/globals";
import { config } from "../../../exporters/prometheus/config.ts";
import { PrometheusExporter } from "../../../exporters/prometheus/exporter.ts";
import type { z } from "../../../src/config/fields.ts";
import { decodeJson } from "../../../src/pdata/json/decode.ts";
import { createPayload, type Payload } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import type { ServerSpec } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { httpTestServer } from "../../support/http-listen.ts";
import { type TestSettings, testSettings } from "../../support/settings.ts";

export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface Running {
  readonly exporter: PrometheusExporter;
  readonly settings: TestSettings;
  readonly clock: FakeClock;
  /** `http://host:port` of the endpoint. */
  url(): string;
  /** What it asked the network for. */
  spec(): ServerSpec;
  push(request: unknown): Promise<void>;
  scrape(headers?: Readonly<Record<string, string>>, method?: string, path?: string): Promise<Page>;
  stop(): Promise<void>;
}

export async function payloadOf(request: unknown): Promise<Payload<"metrics">> {
  const bytes = await decodeJson("metrics", Buffer.from(JSON.stringify(request)));
  return createPayload("metrics", [bytes], [verify("metrics", bytes)]);
}

/** A started exporter behind a real HTTP server on a free port. */
export async function startExporter(keys: Keys = {}, options: Options = {}): Promise<Running> {
  const clock = new FakeClock();
  const server = httpTestServer();
  const settings = testSettings({
    id: "prometheus",
    clock,
    listen: (spec) => server.listen(spec),
    ...options,
  });
  const parsed = config.parse({ endpoint: "127.0.0.1:0", ...keys });
  const exporter = new PrometheusExporter(parsed, settings);
  await exporter.start();
  return {
    exporter,
    settings,
    clock,
    url: () => server.url(),
    spec: () => server.spec(),
    async push(request) {
      await exporter.push(await payloadOf(request));
    },
    async scrape(headers = {}, method = "GET", path = "/metrics") {
      const response = await fetch(server.url() + path, {
        method,
        headers: { "accept-encoding": "identity", ...headers },
      });
      return { status: response.status, headers: response.headers, text: await response.text() };
    },
    stop: () => exporter.shutdown(new AbortController().signal),
  };
}

type Keys = z.input<typeof config>;
type Options = Parameters<typeof testSettings>[0];

/** Starts exporters with these keys and further ones; they are stopped after the test. */
export function exporterStarter(defaults: Keys = {}) {
  const started: Running[] = [];
  afterEach(async () => {
    for (const running of started.splice(0)) await running.stop();
  });
  return async (keys: Keys = {}, options: Options = {}): Promise<Running> => {
    const running = await startExporter({ ...defaults, ...keys }, options);
    started.push(running);
    return running;
  };
}

/** Nanoseconds of a test's second. */
export const at = (seconds: number) =>
  String(1_700_000_000_000_000_000n + BigInt(seconds) * 1_000_000_000n);

export const attributes = (pairs: Readonly<Record<string, string | number | boolean>>) =>
  Object.entries(pairs).map(([key, value]) => ({
    key,
    value:
      typeof value === "string"
        ? { stringValue: value }
        : typeof value === "number"
          ? { intValue: value }
          : { boolValue: value },
  }));

interface Parts {
  readonly resource?: Readonly<Record<string, string>>;
  readonly scope?: object;
}

/** A request with these metrics under one resource and scope. */
export const request = (metrics: readonly object[], { resource = {}, scope = {} }: Parts = {}) => ({
  resourceMetrics: [
    {
      resource: { attributes: attributes(resource) },
      scopeMetrics: [{ scope, metrics }],
    },
  ],
});

export const gauge = (name: string, dataPoints: readonly object[], rest: object = {}) => ({
  name,
  gauge: { dataPoints },
  ...rest,
});

/** Cumulative and monotonic unless told otherwise. */
export const sum = (name: string, dataPoints: readonly object[], rest: object = {}) => ({
  name,
  sum: { dataPoints, aggregationTemporality: 2, isMonotonic: true, ...rest },
});

/** Cumulative unless told otherwise; `family` is one of histogram, exponentialHistogram and summary. */
export const distribution = (
  family: "histogram" | "exponentialHistogram" | "summary",
  name: string,
  dataPoints: readonly object[],
  rest: object = {},
) => ({
  name,
  [family]: {
    dataPoints: dataPoints.map((point) => ({ timeUnixNano: at(1), ...point })),
    ...(family === "summary" ? {} : { aggregationTemporality: 2 }),
    ...rest,
  },
});

/** A number point of second 1. */
export const value = (asDouble: number | string, pairs: Parameters<typeof attributes>[0] = {}) => ({
  timeUnixNano: at(1),
  asDouble,
  attributes: attributes(pairs),
});

/** The lines of the page that are no comments. */
export async function lines(
  running: Running,
  headers?: Readonly<Record<string, string>>,
): Promise<string[]> {
  const { text } = await running.scrape(headers);
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

export const accept = {
  utf8: { accept: "text/plain;version=1.0.0;escaping=allow-utf-8" },
  openMetrics: { accept: "application/openmetrics-text;version=1.0.0" },
} as const;

/** A metric whose page has `series` times two thousand lines, 30 bytes each: many bytes of few points. */
export const largeMetric = (series: number) => {
  const explicitBounds = Array.from({ length: 1998 }, (_, i) => i);
  const bucketCounts = Array.from({ length: 1999 }, () => 1);
  const points = Array.from({ length: series }, (_, k) => ({
    count: 1999,
    explicitBounds,
    bucketCounts,
    attributes: attributes({ k }),
  }));
  return distribution("histogram", "large", points);
};
