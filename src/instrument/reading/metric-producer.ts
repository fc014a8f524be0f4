import type { Pair } from "../metrics/attribute-bytes.ts";
import type { Family } from "../metrics/family.ts";
import { messageOf, type Problems } from "../problems.ts";
import { scopeName } from "../sending/encoder.ts";
import type { Value } from "../types.ts";
import { hrTimeOf, metricDataOf } from "./metric-data.ts";
import type { MetricData, MetricProducer, Resource } from "./sdk-types.ts";

export interface ProducerOptions {
  readonly families: () => readonly Family[];
  readonly resource: readonly Pair[];
  readonly startMs: number;
  readonly nowMs: () => number;
  readonly problems: Problems;
}

/** The event loop gets its turn after so much work. */
const sliceMs = 5;

/** For the metric readers of @opentelemetry/sdk-metrics (2 and 3), which put it beside their own metrics. */
export function metricProducer(options: ProducerOptions): MetricProducer {
  const resource = resourceOf(Object.fromEntries(options.resource));
  return {
    collect: async () => {
      try {
        const metrics = await collectMetrics(options);
        const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: scopeName }, metrics }];
        return { resourceMetrics: { resource, scopeMetrics }, errors: [] };
      } catch (error) {
        options.problems.report("collect_failed", messageOf(error));
        // A rejection would take the reader's other metrics with it.
        return { resourceMetrics: { resource, scopeMetrics: [] }, errors: [error] };
      }
    },
  };
}

async function collectMetrics({
  families,
  startMs,
  nowMs,
}: ProducerOptions): Promise<MetricData[]> {
  const times = { startTime: hrTimeOf(startMs), endTime: hrTimeOf(nowMs()) };
  const metrics: MetricData[] = [];
  let sliceStart = performance.now();
  const all = families();
  // All of them first: what one is asked for may be counted by another one.
  for (const family of all) family.beforeCollect();
  for (const family of all) {
    for (const metric of metricDataOf(family, times)) {
      if (metric !== undefined) metrics.push(metric);
      if (performance.now() - sliceStart < sliceMs) continue;
      await nextTurn();
      sliceStart = performance.now();
    }
  }
  return metrics;
}

const nextTurn = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

function resourceOf(attributes: Record<string, Value>): Resource {
  return {
    attributes,
    asyncAttributesPending: false,
    waitForAsyncAttributes: () => Promise.resolve(),
    getRawAttributes: () => Object.entries(attributes),
    merge: (other) => resourceOf({ ...attributes, ...other?.attributes }),
  };
}
