/**
 * What the Pushgateway refuses beyond what does not parse (storage, sanity check before a push is taken), and what
 * OTLP cannot carry. A push is taken whole or not at all.
 */
import type { FamilyType, SummaryValue } from "../../src/prometheus/family.ts";
import type { Label } from "../../src/prometheus/labels.ts";
import type {
  NativeHistogram,
  NativeSpan,
  ParsedFamily,
  ParsedHistogram,
  ParsedSample,
} from "../../src/prometheus/parse/family.ts";
import { quoteText } from "../../src/prometheus/parse/go-text.ts";
import { nativeWidth } from "./push-form.ts";
import type { GroupLabels } from "./push-path.ts";

/** Scales of OTLP; others (custom buckets) have no form in it. */
const schemas = { least: -4, most: 8 };
const samplesOfStep = 64;

/** The first thing that is wrong; undefined: nothing. In steps of some samples. */
export function* inconsistency(
  families: readonly ParsedFamily[],
  group: GroupLabels,
): Generator<void, string | undefined> {
  const names = new NameUse();
  let samples = 0;
  for (const family of families) {
    const clash = names.take(family.name, family.type);
    if (clash !== undefined) return clash;
    for (const sample of family.samples) {
      const found = sampleProblem(family, sample, group);
      if (found !== undefined) return `${found} (metric ${quoteText(shortened(family.name))})`;
      if (++samples % samplesOfStep === 0) yield;
    }
  }
  return undefined;
}

const shortened = (text: string) => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

/** One name, one type; histograms and summaries occupy the names of their parts too. */
class NameUse {
  readonly #types = new Map<string, FamilyType>();
  readonly #parts = new Map<string, string>();

  take(name: string, type: FamilyType): string | undefined {
    const shown = quoteText(shortened(name));
    const before = this.#types.get(name);
    if (before !== undefined && before !== type) {
      return `metric ${shown} is pushed as ${before} and as ${type}`;
    }
    const owner = this.#parts.get(name);
    if (owner !== undefined && owner !== name)
      return `metric ${shown} collides with ${quoteText(owner)}`;
    this.#types.set(name, type);
    for (const part of partsOf(name, type)) {
      if (this.#types.has(part)) return `metric ${quoteText(part)} collides with ${shown}`;
      this.#parts.set(part, name);
    }
    return undefined;
  }
}

function partsOf(name: string, type: FamilyType): string[] {
  if (type === "summary") return [`${name}_count`, `${name}_sum`];
  if (type !== "histogram") return [];
  return [`${name}_count`, `${name}_sum`, `${name}_bucket`];
}

function sampleProblem(
  { type }: ParsedFamily,
  sample: ParsedSample,
  group: GroupLabels,
): string | undefined {
  if (sample.timestampMs !== undefined) return "pushed metrics must not have timestamps";
  const taken = takenLabel(type);
  if (taken !== undefined && (group.has(taken) || sample.labels.some((l) => l.name === taken))) {
    return `a ${type} must not have an explicit ${quoteText(taken)} label`;
  }
  if (!isLabelSet(sample.labels)) return "a label name is empty, reserved or there twice";
  if (type === "gaugehistogram") return "gauge histograms cannot be received";
  return valueProblem(type, sample);
}

/** Where it is written as text, the type has this label itself. */
function takenLabel(type: FamilyType): string | undefined {
  if (type === "histogram") return "le";
  return type === "summary" ? "quantile" : undefined;
}

function isLabelSet(labels: readonly Label[]): boolean {
  for (let i = 0; i < labels.length; i++) {
    const { name } = labels[i]!;
    if (name === "" || name.startsWith("__")) return false;
    for (let k = 0; k < i; k++) if (labels[k]!.name === name) return false;
  }
  return true;
}

function valueProblem(type: FamilyType, sample: ParsedSample): string | undefined {
  if (sample.summary !== undefined) return summaryProblem(sample.summary);
  if (sample.histogram !== undefined) return histogramProblem(sample.histogram);
  if (type !== "counter" || (sample.value >= 0 && sample.value < Infinity)) return undefined;
  return `the value ${sample.value} is none that a counter can have`;
}

function summaryProblem({ count, quantiles }: SummaryValue): string | undefined {
  const distinct = new Set(quantiles.map(({ quantile }) => quantile));
  return distinct.size < quantiles.length ? "two quantiles are the same" : countProblem(count);
}

/** A client that counts while it writes may be ahead in some buckets; above the count they are no fault. */
function histogramProblem({ buckets, count, native }: ParsedHistogram): string | undefined {
  const problem = countProblem(count);
  if (problem !== undefined) return problem;
  let [lastBound, lastCount] = [-Infinity, 0];
  for (const bucket of buckets) {
    if (!(bucket.le > lastBound)) return "two buckets have the same bound";
    if (!isCount(bucket.count) || bucket.count < lastCount) return "bucket counts must ascend";
    [lastBound, lastCount] = [bucket.le, bucket.count];
  }
  return native === undefined || buckets.length > 0 ? undefined : nativeProblem(native);
}

function nativeProblem({ schema, zeroCount, positive, negative }: NativeHistogram) {
  if (nativeWidth(positive) > maxNativeBuckets || nativeWidth(negative) > maxNativeBuckets) {
    return "a native histogram has too many buckets";
  }
  if (!nativeCounts(positive) || !nativeCounts(negative) || !isCount(zeroCount)) {
    return "native histograms with fractions or negative counts cannot be received";
  }
  if (schema >= schemas.least && schema <= schemas.most) return undefined;
  return `native histograms of schema ${schema} cannot be received`;
}

/** Buckets of a side: Prometheus' own are below 200. */
const maxNativeBuckets = 4096;

const nativeCounts = (spans: readonly NativeSpan[]) =>
  spans.every(({ counts }) => counts.every(isCount));

const countProblem = (count: number) =>
  isCount(count) ? undefined : `the count ${count} is no whole number from 0 to 2^53 - 1`;

const isCount = (count: number) => Number.isSafeInteger(count) && count >= 0;
