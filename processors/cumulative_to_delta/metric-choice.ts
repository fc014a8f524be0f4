import type { DataKind } from "../../src/pdata/series/kinds.ts";
import { Regex } from "../../src/regex/regex.ts";
import type { CumulativeToDeltaConfig, MatchConfig, MetricType } from "./config.ts";

const typeNames: Readonly<Partial<Record<DataKind, MetricType>>> = {
  sum: "sum",
  histogram: "histogram",
  exponentialHistogram: "exponentialhistogram",
};

/** What include and exclude say of a metric. Exclude by name and by type are asked apart, as the Collector does. */
export function metricChoice(
  config: CumulativeToDeltaConfig,
): (name: string, kind: DataKind) => boolean {
  const included = { name: nameTest(config.include), type: typeTest(config.include) };
  const excluded = { name: nameTest(config.exclude), type: typeTest(config.exclude) };
  return (name, kind) => {
    const type = typeNames[kind];
    if (type === undefined) return false;
    if (included.name?.(name) === false || included.type?.(type) === false) return false;
    return excluded.name?.(name) !== true && excluded.type?.(type) !== true;
  };
}

function nameTest({ metrics, match_type }: MatchConfig): ((name: string) => boolean) | undefined {
  if (metrics.length === 0) return undefined;
  if (match_type === "strict") {
    const names = new Set(metrics);
    return (name) => names.has(name);
  }
  const patterns = metrics.map((pattern) => Regex.compile(pattern));
  return (name) => patterns.some((pattern) => pattern.test(name));
}

function typeTest({ metric_types }: MatchConfig): ((type: MetricType) => boolean) | undefined {
  if (metric_types.length === 0) return undefined;
  const types = new Set(metric_types.map((type) => type.toLowerCase()));
  return (type) => types.has(type);
}
