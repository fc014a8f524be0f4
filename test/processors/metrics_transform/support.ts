import { config } from "../../../processors/metrics_transform/config.ts";
import { MetricsTransform } from "../../../processors/metrics_transform/metrics-transform.ts";
import type { LogFields, Logger } from "../../../src/log.ts";
import type { Payload } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { metricsOf, metricsRequest, payloadOf } from "../../support/otlp-objects.ts";
import { type TestSettings, testSettings } from "../../support/settings.ts";

export interface Tested {
  readonly settings: TestSettings;
  readonly warnings: { message: string; fields: LogFields | undefined }[];
  readonly process: (payload: Payload<"metrics">) => Payload<"metrics"> | undefined;
  /** Metrics in, metrics out, as OTLP/JSON; twice, to see that what is remembered gives the same. */
  readonly run: (metrics: unknown[]) => Record<string, unknown>[];
}

/** The processor with these transforms. */
export function transformer(...transforms: object[]): Tested {
  const warnings: { message: string; fields: LogFields | undefined }[] = [];
  const silent = testSettings().log;
  const log: Logger = {
    ...silent,
    warn: (message, fields) => void warnings.push({ message, fields }),
  };
  const settings = testSettings({ log });
  const processor = new MetricsTransform(config.parse({ transforms }).transforms, settings);
  const process = (payload: Payload<"metrics">) => {
    const before = Buffer.concat(payload.parts);
    const result = processor.process(payload);
    if (!Buffer.concat(payload.parts).equals(before)) throw new Error("the input was written to");
    for (const [i, part] of (result?.parts ?? []).entries()) {
      const items = verify("metrics", part);
      if (items !== result!.partItems[i])
        throw new Error(`${items} items, ${result!.partItems[i]} said`);
    }
    return result;
  };
  return {
    settings,
    warnings,
    process,
    run: (metrics) => {
      const payload = payloadOf("metrics", metricsRequest(metrics));
      const first = metricsOf(process(payload));
      const second = metricsOf(process(payload));
      if (JSON.stringify(first) !== JSON.stringify(second))
        throw new Error("another result on second sight");
      return first;
    },
  };
}

type Labels = Record<string, string | number>;

const attributesOf = (labels: Labels) =>
  Object.entries(labels).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(value) },
  }));

/** A number point; a bigint value is an integer. */
export function point(
  labels: Labels,
  value: number | bigint | undefined,
  rest: object = {},
): object {
  const attributes = attributesOf(labels);
  return {
    ...(attributes.length > 0 && { attributes }),
    startTimeUnixNano: "1",
    timeUnixNano: "2",
    ...(typeof value === "bigint" && { asInt: String(value) }),
    ...(typeof value === "number" && { asDouble: value }),
    ...rest,
  };
}

export const gauge = (name: string, ...dataPoints: object[]) => ({ name, gauge: { dataPoints } });

export const sum = (name: string, aggregationTemporality: number, ...dataPoints: object[]) => ({
  name,
  sum: { dataPoints, aggregationTemporality, isMonotonic: true },
});

/** The points of a metric that came back: their labels as an object, and the rest. */
export function pointsOf(metric: Record<string, unknown> | undefined): Record<string, unknown>[] {
  const data = Object.values(metric ?? {}).find(
    (value): value is { dataPoints: Record<string, unknown>[] } =>
      typeof value === "object" && value !== null && "dataPoints" in value,
  );
  return (data?.dataPoints ?? []).map(({ attributes, ...rest }) => ({
    ...rest,
    labels: Object.fromEntries(
      ((attributes ?? []) as { key: string; value: Record<string, unknown> }[]).map(
        ({ key, value }) => [key, Object.values(value)[0]],
      ),
    ),
  }));
}

/** Labels and value of each point. */
export const valuesOf = (metric: Record<string, unknown> | undefined) =>
  pointsOf(metric).map(({ labels, asInt, asDouble }) => [labels, asInt ?? asDouble]);
