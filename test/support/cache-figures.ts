/** What the metrics of one collection say about each cache. */
import type { Bench, Point } from "./instrument-points.ts";

export interface CacheFigures {
  readonly requests: Record<string, number>;
  readonly evictions: Record<string, number>;
  /** How many durations were recorded, by result. */
  readonly timed: Record<string, number>;
  readonly usage: number | undefined;
  readonly limit: number | undefined;
  readonly entries: number | undefined;
  readonly savedSeconds: number | undefined;
}

const prefix = "repomind.cache.";

/** By the name of the cache. */
export function cacheFigures(bench: Bench): Record<string, CacheFigures> {
  const points = bench.collect().filter(({ metric }) => metric.startsWith(prefix));
  const names = new Set(points.map(({ attributes }) => String(attributes["cache.name"])));
  return Object.fromEntries([...names].map((name) => [name, figuresOf(points, name)]));
}

function figuresOf(all: Point[], name: string): CacheFigures {
  const points = all.filter(({ attributes }) => attributes["cache.name"] === name);
  const named = (metric: string) => points.filter((point) => point.metric === prefix + metric);
  const by = (metric: string, key: string, of: (point: Point) => number | undefined) =>
    Object.fromEntries(
      named(metric).map((point) => [String(point.attributes[key]), of(point) ?? Number.NaN]),
    );
  const only = (metric: string) => named(metric)[0]?.value;
  return {
    requests: by("requests", "cache.result", ({ value }) => value),
    evictions: by("evictions", "cache.eviction.reason", ({ value }) => value),
    timed: by("operation.duration", "cache.result", ({ count }) => count),
    usage: only("usage"),
    limit: only("limit"),
    entries: only("entries"),
    savedSeconds: only("saved_time"),
  };
}
