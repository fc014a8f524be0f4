import { countItems } from "../../src/pdata/count.ts";
import { messageFromJson } from "../../src/pdata/json/decode.ts";
import { encodeJson } from "../../src/pdata/json/encode.ts";
import { createPayload, type Payload } from "../../src/pdata/payload.ts";

/** OTLP/JSON as far as tests of metrics write it. */
export interface MetricsJson {
  readonly resourceMetrics: readonly ResourceJson[];
}

interface ResourceJson {
  readonly resource?: { readonly attributes?: readonly AttributeJson[] };
  readonly schemaUrl?: string;
  readonly scopeMetrics: readonly {
    readonly scope?: { readonly name?: string };
    readonly metrics: readonly MetricJson[];
  }[];
}

export interface MetricJson {
  readonly name: string;
  readonly [other: string]: unknown;
}

interface AttributeJson {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Attributes of texts; numbers become integers. */
export function attributes(values: Readonly<Record<string, string | number>>): AttributeJson[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(value) },
  }));
}

/** A gauge with a point for each set of attributes; the values count up from 1. */
export function gauge(
  name: string,
  ...points: readonly Readonly<Record<string, string | number>>[]
): MetricJson {
  const dataPoints = points.map((values, i) => ({
    timeUnixNano: "1800000000000000000",
    attributes: attributes(values),
    asDouble: i + 1,
  }));
  return { name, gauge: { dataPoints } };
}

/** A request of one resource and one scope. */
export function metricsOf(
  resource: Readonly<Record<string, string | number>>,
  ...metrics: readonly MetricJson[]
): MetricsJson {
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributes(resource) },
        scopeMetrics: [{ scope: { name: "test" }, metrics }],
      },
    ],
  };
}

/** One payload, a part for each request. */
export function metricsPayload(...requests: readonly MetricsJson[]): Payload<"metrics"> {
  const parts = requests.map((request) =>
    messageFromJson("ExportMetricsServiceRequest", Buffer.from(JSON.stringify(request))),
  );
  const items = parts.map((part) => countItems("metrics", part));
  return createPayload("metrics", parts, items);
}

/** A point with what it belongs to, attributes as `key=value` texts in their order. */
export interface SimplePoint {
  readonly resource: string;
  readonly metric: string;
  readonly point: string;
}

/** All points of a payload in their order. */
export function pointsOf(payload: Payload<"metrics"> | undefined): SimplePoint[] {
  if (payload === undefined) return [];
  const request = JSON.parse(encodeJson(payload)) as MetricsJson;
  return request.resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) =>
        dataPointsOf(metric).map((point) => ({
          resource: textOf(resource?.attributes),
          metric: metric.name,
          point: textOf(point.attributes),
        })),
      ),
    ),
  );
}

const dataKeys = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

function dataPointsOf(metric: MetricJson): { attributes?: AttributeJson[] }[] {
  const key = dataKeys.find((name) => metric[name] !== undefined);
  if (key === undefined) return [];
  return (metric[key] as { dataPoints?: { attributes?: AttributeJson[] }[] }).dataPoints ?? [];
}

function textOf(list: readonly AttributeJson[] = []): string {
  return list
    .map(({ key, value }) => `${key}=${String(Object.values(value)[0] as string | number)}`)
    .join(",");
}
