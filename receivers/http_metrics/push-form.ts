/**
 * What the families of a push are in OTLP, and their points. Times stand at fixed places, so that a family is
 * encoded once and sent again with other times.
 *
 *     Metric = 1: name  2: description  3: unit  5: Gauge | 7: Sum | 9: Histogram | 10: ExponentialHistogram | 11: Summary
 *     point  = (2: start fixed64)  3: time fixed64  …
 *     NumberDataPoint    = … 4: as_double  7: attributes  8: flags
 *     HistogramDataPoint = … 4: count  5: sum  6: bucket_counts  7: explicit_bounds  9: attributes  10: flags
 *     ExponentialHistogramDataPoint = … 1: attributes  4: count  5: sum  6: scale  7: zero_count  8: positive
 *                                     9: negative  10: flags  14: zero_threshold
 *     SummaryDataPoint   = … 4: count  5: sum  6: quantiles (1: quantile 2: value)  7: attributes  8: flags
 */
import { type Writer, wireFixed64, wireLength, wireVarint } from "../../src/pdata/wire.ts";
import type { SummaryValue } from "../../src/prometheus/family.ts";
import type {
  NativeHistogram,
  NativeSpan,
  ParsedFamily,
  ParsedHistogram,
  ParsedSample,
} from "../../src/prometheus/parse/family.ts";

export interface Form {
  /** Of the metric's data. */
  readonly field: number;
  readonly attributes: number;
  readonly flags: number;
  readonly isCumulative: boolean;
  readonly isMonotonic: boolean;
}

const cumulative = { isCumulative: true, isMonotonic: false };
const gauge: Form = { field: 5, attributes: 7, flags: 8, isCumulative: false, isMonotonic: false };
const sum: Form = { field: 7, attributes: 7, flags: 8, isCumulative: true, isMonotonic: true };
const histogram: Form = { field: 9, attributes: 9, flags: 10, ...cumulative };
const exponential: Form = { field: 10, attributes: 1, flags: 10, ...cumulative };
const summary: Form = { field: 11, attributes: 7, flags: 8, ...cumulative };

export function formOf({ type, samples }: Pick<ParsedFamily, "type" | "samples">): Form {
  if (type === "counter") return sum;
  if (type === "summary") return summary;
  if (type !== "histogram") return gauge;
  const isNative = samples.every(
    ({ histogram: h }) => h?.native !== undefined && h.buckets.length === 0,
  );
  return isNative ? exponential : histogram;
}

/** What tells whether a cumulative series began anew; undefined: it is none. */
export function progressOf(form: Form, sample: ParsedSample): number | undefined {
  if (!form.isCumulative) return undefined;
  if (sample.summary !== undefined) return sample.summary.count;
  return sample.histogram === undefined ? sample.value : sample.histogram.count;
}

/** The value's fields. */
export function writeValue(out: Writer, form: Form, sample: ParsedSample): void {
  if (sample.summary !== undefined) writeSummary(out, sample.summary);
  else if (sample.histogram === undefined) writeDouble(out, 4, sample.value);
  else if (form === exponential) writeNative(out, sample.histogram);
  else writeHistogram(out, sample.histogram);
}

function writeDouble(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.double(value);
}

function writeCount(out: Writer, count: number): void {
  out.fixed32(count % 2 ** 32);
  out.fixed32(Math.floor(count / 2 ** 32));
}

function writeCountField(out: Writer, field: number, count: number): void {
  out.tag(field, wireFixed64);
  writeCount(out, count);
}

function writeSummary(out: Writer, { count, sum: total, quantiles }: SummaryValue): void {
  writeCountField(out, 4, count);
  writeDouble(out, 5, total);
  for (const { quantile, value } of quantiles) {
    const at = out.begin(6, 1);
    writeDouble(out, 1, quantile);
    writeDouble(out, 2, value);
    out.end(at);
  }
}

function writeHistogram(out: Writer, { buckets, count, sum: total }: ParsedHistogram): void {
  const finite = buckets.filter(({ le }) => le !== Infinity);
  // In OTLP the count is the sum of the buckets.
  const most = Math.max(count, buckets.at(-1)?.count ?? 0);
  writeCountField(out, 4, most);
  if (total !== undefined) writeDouble(out, 5, total);
  out.tag(6, wireLength);
  out.varint((finite.length + 1) * 8);
  let before = 0;
  for (const bucket of finite) {
    writeCount(out, bucket.count - before);
    before = bucket.count;
  }
  writeCount(out, most - before);
  if (finite.length === 0) return;
  out.tag(7, wireLength);
  out.varint(finite.length * 8);
  for (const { le } of finite) out.double(le);
}

function writeNative(out: Writer, { native, count, sum: total }: ParsedHistogram): void {
  const { schema, zeroCount, zeroThreshold, positive, negative } = native as NativeHistogram;
  writeCountField(out, 4, count);
  if (total !== undefined) writeDouble(out, 5, total);
  out.tag(6, wireVarint);
  out.sint32(schema);
  writeCountField(out, 7, zeroCount);
  writeSpans(out, 8, positive);
  writeSpans(out, 9, negative);
  if (zeroThreshold > 0) writeDouble(out, 14, zeroThreshold);
}

/** Prometheus numbers a bucket by its upper bound, OTLP by its lower one. */
function writeSpans(out: Writer, field: number, spans: readonly NativeSpan[]): void {
  const first = spans[0];
  if (first === undefined) return;
  const at = out.begin(field, 2);
  out.tag(1, wireVarint);
  out.sint32(first.firstIndex - 1);
  const counts = out.begin(2, 2);
  let index = first.firstIndex;
  for (const span of spans) {
    for (; index < span.firstIndex; index++) out.varint(0);
    for (const count of span.counts) out.varint(count);
    index += span.counts.length;
  }
  out.end(counts);
  out.end(at);
}

/** Buckets that OTLP writes out for a side, with the empty ones between spans. */
export function nativeWidth(spans: readonly NativeSpan[]): number {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return 0;
  return last.firstIndex + last.counts.length - first.firstIndex;
}
