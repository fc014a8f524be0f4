/**
 * Delimited protobuf (io.prometheus.client): each MetricFamily behind its length as a varint.
 *
 *     MetricFamily = name:1 help:2 type:3 Metric:4… unit:5
 *     Metric       = label:1… gauge:2 counter:3 summary:4 untyped:5 timestamp_ms:6 histogram:7
 *     Gauge, Untyped = value:1       Counter = value:1 exemplar:2 start:3       LabelPair = name:1 value:2
 *     Summary      = count:1 sum:2 Quantile:3…(quantile:1 value:2) start:4
 *     Histogram    = count:1 sum:2 Bucket:3… count_float:4 schema:5 zero_threshold:6 zero_count:7 zero_count_float:8
 *                    negative: span:9… delta:10… count:11…   positive: span:12… delta:13… count:14…
 *                    start:15 exemplar:16…
 *     Bucket       = cumulative_count:1 upper_bound:2 exemplar:3 cumulative_count_float:4
 *     BucketSpan   = offset:1 length:2                          Exemplar = label:1… value:2 timestamp:3
 *     Timestamp    = seconds:1 nanos:2
 */
import type { Exemplar, FamilyType, SummaryValue } from "../family.ts";
import type { Label } from "../labels.ts";
import type {
  NativeHistogram,
  NativeSpan,
  ParsedFamily,
  ParsedHistogram,
  ParsedSample,
} from "./family.ts";
import { quoteText } from "./go-text.ts";
import { defaultLimits, malformed, type ParseLimits, tooManySamples } from "./limits.ts";
import { ProtobufReader } from "./protobuf-reader.ts";

const types: readonly FamilyType[] = [
  "counter",
  "gauge",
  "summary",
  "unknown",
  "histogram",
  "gaugehistogram",
];

/** Buckets or quantiles of one sample, and those of a side of a native histogram; Prometheus' own are below 200. */
const maxBuckets = 65_536;
/** Buckets of a native histogram are numbers: so many take as much memory as one sample. */
const nativeBucketsOfSample = 8;

/** All families that have samples, in steps of some samples. */
export function* delimitedFamilies(
  bytes: Uint8Array,
  limits: ParseLimits = defaultLimits,
): Generator<void, ParsedFamily[]> {
  const families: ParsedFamily[] = [];
  const reader = new ProtobufReader(bytes);
  const familyReader = new FamilyReader(limits);
  while (reader.nextDelimited()) {
    const message = new ProtobufReader(bytes, reader.valueStart, reader.valueEnd);
    const family = yield* familyReader.read(message);
    if (family !== undefined) families.push(family);
    yield;
  }
  return families;
}

const samplesOfStep = 64;

class FamilyReader {
  readonly #limits: ParseLimits;
  #samples = 0;
  #nextPause = samplesOfStep;

  constructor(limits: ParseLimits) {
    this.#limits = limits;
  }

  /** undefined: it has no samples. */
  *read(r: ProtobufReader): Generator<void, ParsedFamily | undefined> {
    let name = "";
    let help: string | undefined;
    let unit: string | undefined;
    let type: FamilyType = "counter";
    const metrics: ProtobufReader[] = [];
    while (r.next()) {
      if (r.number === 1) name = r.string();
      else if (r.number === 2) help = r.string();
      else if (r.number === 3) type = typeOf(r.uint());
      else if (r.number === 4) {
        this.#count();
        metrics.push(r.message());
        if (this.#isStepFull()) yield;
      } else if (r.number === 5) unit = r.string();
    }
    if (name === "") throw malformed("metric family without a name");
    if (metrics.length === 0) return undefined;
    const samples: ParsedSample[] = [];
    for (const metric of metrics) {
      samples.push(this.#metric(metric, name, type));
      if (samples.length % samplesOfStep === 0 || this.#isStepFull()) yield;
    }
    return { name, type, help, unit, samples };
  }

  #count(samples = 1): void {
    this.#samples += samples;
    if (this.#samples > this.#limits.maxSamples) throw tooManySamples(this.#limits);
  }

  #isStepFull(): boolean {
    if (this.#samples < this.#nextPause) return false;
    this.#nextPause = this.#samples + samplesOfStep;
    return true;
  }

  #metric(r: ProtobufReader, name: string, type: FamilyType): ParsedSample {
    const labels: Label[] = [];
    let timestampMs: number | undefined;
    let value: Partial<ParsedSample> | undefined;
    while (r.next()) {
      if (r.number === 1) this.#label(r.message(), labels);
      else if (r.number === 6) timestampMs = r.int();
      else value = this.#data(r, type) ?? value;
    }
    if (value === undefined) throw malformed(`metric ${quoteText(name)} has no ${type} value`);
    return { ...value, labels, timestampMs } as ParsedSample;
  }

  /** The member that the family's type asks for; others are passed over. */
  #data(r: ProtobufReader, type: FamilyType): Partial<ParsedSample> | undefined {
    if (r.number !== memberOf[type]) return undefined;
    if (type === "summary") return this.#summary(r.message());
    if (type === "counter") return this.#counter(r.message());
    if (type === "histogram" || type === "gaugehistogram") return this.#histogram(r.message());
    return { value: onlyDouble(r.message()) };
  }

  #label(r: ProtobufReader, labels: Label[]): void {
    let name = "";
    let value = "";
    while (r.next()) {
      if (r.number === 1) name = r.string();
      else if (r.number === 2) value = r.string();
    }
    if (name === "") throw malformed('invalid label name ""');
    labels.push({ name, value });
    if (labels.length > this.#limits.maxLabels) throw malformed("too many labels");
  }

  #counter(r: ProtobufReader): Partial<ParsedSample> {
    let value = 0;
    let exemplar: Exemplar | undefined;
    let startTimestampMs: number | undefined;
    while (r.next()) {
      if (r.number === 1) value = r.double();
      else if (r.number === 2) exemplar = this.#exemplar(r.message());
      else if (r.number === 3) startTimestampMs = millisecondsOf(r.message());
    }
    return { value, exemplar, startTimestampMs };
  }

  #histogram(r: ProtobufReader): Partial<ParsedSample> {
    const classic = { count: 0, sum: 0, buckets: [] as ParsedHistogram["buckets"][number][] };
    const native = new NativeDraft();
    let startTimestampMs: number | undefined;
    while (r.next()) {
      if (r.number === 1) classic.count ||= r.uint();
      else if (r.number === 2) classic.sum = r.double();
      else if (r.number === 3) add(classic.buckets, this.#bucket(r.message()));
      else if (r.number === 4) classic.count = r.double() || classic.count;
      else if (r.number === 15) startTimestampMs = millisecondsOf(r.message());
      else if (r.number === 16) {
        this.#count();
        add(native.exemplars, this.#exemplar(r.message()));
      } else native.field(r);
    }
    this.#count(native.size / nativeBucketsOfSample);
    return { histogram: { ...classic, native: native.finish() }, startTimestampMs };
  }

  #summary(r: ProtobufReader): Partial<ParsedSample> {
    let count = 0;
    let sum = 0;
    let startTimestampMs: number | undefined;
    const quantiles: SummaryValue["quantiles"][number][] = [];
    while (r.next()) {
      if (r.number === 1) count = r.uint();
      else if (r.number === 2) sum = r.double();
      else if (r.number === 3) {
        this.#count();
        add(quantiles, quantileOf(r.message()));
      } else if (r.number === 4) startTimestampMs = millisecondsOf(r.message());
    }
    return { summary: { quantiles, count, sum }, startTimestampMs };
  }

  #bucket(r: ProtobufReader): ParsedHistogram["buckets"][number] {
    this.#count();
    let count = 0;
    let le = 0;
    let exemplar: Exemplar | undefined;
    while (r.next()) {
      if (r.number === 1) count ||= r.uint();
      else if (r.number === 2) le = r.double();
      else if (r.number === 3) exemplar = this.#exemplar(r.message());
      else if (r.number === 4) count = r.double() || count;
    }
    return { le, count, exemplar };
  }

  #exemplar(r: ProtobufReader): Exemplar {
    const labels: Label[] = [];
    let value = 0;
    let timestampSeconds: number | undefined;
    while (r.next()) {
      if (r.number === 1) this.#label(r.message(), labels);
      else if (r.number === 2) value = r.double();
      else if (r.number === 3) timestampSeconds = secondsOf(r.message());
    }
    return { labels, value, timestampSeconds };
  }
}

const tooManyBuckets = () => malformed("histogram or summary has too many buckets");

/** One sample is read in one step: its length is bounded. */
function add<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > maxBuckets) throw tooManyBuckets();
}

/** Field number in Metric; info and stateset are not in this format. */
const memberOf: Readonly<Record<FamilyType, number>> = {
  gauge: 2,
  counter: 3,
  summary: 4,
  unknown: 5,
  histogram: 7,
  gaugehistogram: 7,
  info: 0,
  stateset: 0,
};

function typeOf(number: number): FamilyType {
  const type = types[number];
  if (type === undefined) throw malformed(`unknown metric type ${number}`);
  return type;
}

function onlyDouble(r: ProtobufReader): number {
  let value = 0;
  while (r.next()) if (r.number === 1) value = r.double();
  return value;
}

function quantileOf(r: ProtobufReader): { quantile: number; value: number } {
  let quantile = 0;
  let value = 0;
  while (r.next()) {
    if (r.number === 1) quantile = r.double();
    else if (r.number === 2) value = r.double();
  }
  return { quantile, value };
}

function timestampOf(r: ProtobufReader): { seconds: number; nanos: number } {
  const timestamp = { seconds: 0, nanos: 0 };
  while (r.next()) {
    if (r.number === 1) timestamp.seconds = r.int();
    else if (r.number === 2) timestamp.nanos = r.int();
  }
  return timestamp;
}

function secondsOf(r: ProtobufReader): number {
  const { seconds, nanos } = timestampOf(r);
  return seconds + nanos / 1e9;
}

function millisecondsOf(r: ProtobufReader): number {
  const { seconds, nanos } = timestampOf(r);
  return seconds * 1000 + Math.trunc(nanos / 1e6);
}

/** One side of a native histogram: spans, and differences or counts of its buckets. */
class Side {
  readonly spans: { offset: number; length: number }[] = [];
  readonly deltas: number[] = [];
  readonly counts: number[] = [];
  #buckets = 0;

  finish(): NativeSpan[] {
    const spans: NativeSpan[] = [];
    let index = 0;
    let next = 0;
    let last = 0;
    for (const { offset, length } of this.spans) {
      index += offset;
      const counts: number[] = [];
      for (let i = 0; i < length; i++, next++) {
        last =
          this.counts.length > 0 ? this.#at(this.counts, next) : last + this.#at(this.deltas, next);
        counts.push(last);
      }
      if (length > 0) spans.push({ firstIndex: index, counts });
      index += length;
    }
    return spans;
  }

  get size(): number {
    return this.deltas.length + this.counts.length;
  }

  #at(values: readonly number[], index: number): number {
    const value = values[index];
    if (value === undefined) throw malformed("native histogram has more buckets than counts");
    return value;
  }

  addSpan(r: ProtobufReader): void {
    const span = { offset: 0, length: 0 };
    while (r.next()) {
      if (r.number === 1) span.offset = r.sint();
      else if (r.number === 2) span.length = r.uint();
    }
    this.spans.push(span);
    this.#buckets += span.length;
    if (this.#buckets > maxBuckets || this.spans.length > maxBuckets) throw tooManyBuckets();
  }
}

class NativeDraft {
  readonly exemplars: Exemplar[] = [];
  #schema = 0;
  #zeroThreshold = 0;
  #zeroCount = 0;
  readonly #negative = new Side();
  readonly #positive = new Side();

  get size(): number {
    return this.#negative.size + this.#positive.size;
  }

  field(r: ProtobufReader): void {
    if (r.number === 5) this.#schema = r.sint();
    else if (r.number === 6) this.#zeroThreshold = r.double();
    else if (r.number === 7) this.#zeroCount ||= r.uint();
    else if (r.number === 8) this.#zeroCount = r.double() || this.#zeroCount;
    else if (r.number >= 9 && r.number <= 11) sideField(this.#negative, r, r.number - 9);
    else if (r.number >= 12 && r.number <= 14) sideField(this.#positive, r, r.number - 12);
  }

  /** undefined: the histogram is a classic one only (as Prometheus tells them apart). */
  finish(): NativeHistogram | undefined {
    const isNative =
      this.#positive.spans.length > 0 ||
      this.#negative.spans.length > 0 ||
      this.#zeroThreshold > 0 ||
      this.#zeroCount > 0;
    if (!isNative) return undefined;
    return {
      schema: this.#schema,
      zeroThreshold: this.#zeroThreshold,
      zeroCount: this.#zeroCount,
      positive: this.#positive.finish(),
      negative: this.#negative.finish(),
      exemplars: this.exemplars,
    };
  }
}

function sideField(side: Side, r: ProtobufReader, field: number): void {
  if (field === 0) side.addSpan(r.message());
  else if (field === 1) r.sints(side.deltas, maxBuckets);
  else r.doubles(side.counts, maxBuckets);
}
