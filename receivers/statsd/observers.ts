/** What the values of each line type become, as the config says. */

import { Regex } from "../../src/regex/regex.ts";
import type { MappingConfig, StatsdConfig } from "./config.ts";
import type { ExponentialShape } from "./distributions.ts";
import { type LineType, lineTypes } from "./line.ts";

export type CounterType = "int" | "float" | "stochastic_int";

interface ExplicitBuckets {
  readonly pattern: Regex;
  readonly bounds: readonly number[];
}

export interface HistogramObserver {
  readonly kind: "histogram";
  readonly shape: ExponentialShape;
  /** By metric name; the others get the shape. */
  readonly explicit: readonly ExplicitBuckets[];
}

export type Observer =
  | { readonly kind: "counter" | "gauge" | "points" | "set" }
  | HistogramObserver
  | { readonly kind: "summary"; readonly percentiles: readonly number[] };

export interface Observation {
  /** Undefined: a written mapping does not name the type. */
  readonly observer: Observer | undefined;
  /** Types of one group, with equal names and tags, are one series. */
  readonly group: number;
  /** The value of metric_type. */
  readonly typeName: string;
}

const typeNames: Readonly<Record<LineType, string>> = {
  c: "counter",
  g: "gauge",
  ms: "timing",
  h: "histogram",
  d: "distribution",
  s: "set",
};

/** Quantiles within 1.1 %, and one scale for all series. */
const fixedShape: ExponentialShape = { scale: 5, maxSize: 1280 };
const autoScale = 20;
const defaultMaxSize = 160;
const defaultPercentiles = [0, 10, 50, 90, 95, 100];

/** By type code. */
export function observations(config: StatsdConfig): readonly Observation[] {
  const observers = timerObservers(config.timer_histogram_mapping ?? []);
  const isMapped = observers !== undefined;
  return lineTypes.map((type, code) => ({
    observer: observerOf(type, observers),
    // Unmapped, timers of all three types are one kind of thing.
    group: !isMapped && (type === "h" || type === "d") ? lineTypes.indexOf("ms") : code,
    typeName: typeNames[type],
  }));
}

type TimerType = "ms" | "h" | "d";
type TimerObservers = Partial<Record<TimerType, Observer>>;

function observerOf(type: LineType, timers: TimerObservers | undefined): Observer | undefined {
  if (type === "c") return { kind: "counter" };
  if (type === "g") return { kind: "gauge" };
  if (type === "s") return { kind: "set" };
  return timers === undefined
    ? { kind: "histogram", shape: fixedShape, explicit: [] }
    : timers[type];
}

/** Undefined: there is no mapping. Of entries for one type the last counts; h and d stand in for each other. */
function timerObservers(mappings: readonly MappingConfig[]): TimerObservers | undefined {
  if (mappings.length === 0) return undefined;
  const named: TimerObservers = {};
  for (const mapping of mappings) named[timerTypeOf(mapping.statsd_type)] = mappedObserver(mapping);
  return { ...named, ...definedOf("h", named.h ?? named.d), ...definedOf("d", named.d ?? named.h) };
}

const definedOf = (type: TimerType, observer: Observer | undefined): TimerObservers =>
  observer === undefined ? {} : { [type]: observer };

function timerTypeOf(statsdType: string): TimerType {
  if (statsdType === "histogram") return "h";
  return statsdType === "distribution" ? "d" : "ms";
}

function mappedObserver(mapping: MappingConfig): Observer {
  const { observer_type: observer, histogram, summary } = mapping;
  if (observer === "gauge") return { kind: "points" };
  if (observer === "summary") {
    const { percentiles } = summary;
    return {
      kind: "summary",
      percentiles: percentiles.length === 0 ? defaultPercentiles : percentiles,
    };
  }
  return {
    kind: "histogram",
    shape: { scale: autoScale, maxSize: histogram.max_size || defaultMaxSize },
    explicit: histogram.explicit_buckets.map(({ matcher_pattern: pattern, buckets }) => ({
      pattern: Regex.compile(pattern),
      bounds: buckets,
    })),
  };
}

/** The types that a written mapping leaves out. */
export function unmappedTypes(config: StatsdConfig): string[] {
  return observations(config)
    .filter(({ observer }) => observer === undefined)
    .map(({ typeName }) => typeName);
}
