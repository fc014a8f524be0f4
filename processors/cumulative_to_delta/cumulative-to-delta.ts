import type { Settings } from "../../src/component.ts";
import { isLess } from "../../src/metrics/point-codec.ts";
import { type Conversion, cumulative, delta } from "../../src/metrics/temporality-converter.ts";
import type { TemporalityStageOptions } from "../../src/metrics/temporality-stage.ts";
import type { CumulativeToDeltaConfig, InitialValue } from "./config.ts";
import { exponentialDelta } from "./exponential-delta.ts";
import { histogramDelta } from "./histogram-delta.ts";
import { metricChoice } from "./metric-choice.ts";
import { numberDelta } from "./number-delta.ts";
import { explanations, type FirstPoints, type LastPoint, type Reason } from "./reasons.ts";

export function cumulativeToDelta(
  config: CumulativeToDeltaConfig,
  settings: Settings,
): TemporalityStageOptions<LastPoint, Reason> {
  const first = firstPoints(config.initial_value as InitialValue, settings.clock.now());
  return {
    conversion: conversion(config, first),
    explanations,
    noteCounter: "rmt_cumulative_to_delta_discontinuities",
    states: {
      maxSeries: config.max_series,
      limitKey: "max_series",
      maxStaleMs: config.max_staleness,
    },
  };
}

function conversion(
  config: CumulativeToDeltaConfig,
  first: FirstPoints,
): Conversion<LastPoint, Reason> {
  const isChosen = metricChoice(config);
  return {
    temporality: delta,
    takes: ({ name, kind, temporality, monotonic }) =>
      temporality === cumulative && (kind !== "sum" || monotonic) && isChosen(name, kind),
    convert(point, out) {
      const { kind } = point.series.parent;
      if (kind === "sum") return numberDelta(point, first, out);
      return kind === "histogram"
        ? histogramDelta(point, first, out)
        : exponentialDelta(point, first, out);
    },
  };
}

/** auto: a series that began after the service has been seen from its beginning. */
function firstPoints(initialValue: InitialValue, serviceStartMs: number): FirstPoints {
  if (initialValue !== "auto") return () => initialValue === "keep";
  const serviceStartNs = BigInt(Math.floor(serviceStartMs)) * 1_000_000n;
  const high = Number(serviceStartNs >> 32n);
  const low = Number(serviceStartNs & 0xffff_ffffn);
  return ({ startHigh, startLow, timeHigh, timeLow }) =>
    !isLess(startHigh, startLow, high, low) && (startHigh !== timeHigh || startLow !== timeLow);
}
