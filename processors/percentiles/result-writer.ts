/**
 * Percentiles as OTLP.
 *
 *     ResourceMetrics  = 1: Resource  2: ScopeMetrics  3: schema URL
 *     ScopeMetrics     = 1: scope  2: Metric …  3: schema URL
 *     Metric           = 1: name  2: description  3: unit  5: Gauge | 11: Summary = 1: points
 *     NumberDataPoint  = 2: start  3: time fixed64  4: as_double  7: attributes  8: flags
 *     SummaryDataPoint = 2: start  3: time  4: count fixed64  5: sum double  6: ValueAtQuantile  7, 8 as above
 *     ValueAtQuantile  = 1: quantile double  2: value double
 */
import type { Quantile } from "../../src/metrics/exponential-histogram.ts";
import { Writer, wireFixed64, wireVarint } from "../../src/pdata/wire.ts";
import type { Distribution } from "./distribution.ts";
import type { GroupedMetric, Origin } from "./group.ts";
import { type OutputMetric, type OutputPoint } from "./output-metrics.ts";

const noRecordedValue = 1;

/** What a group has to say of a window. */
export interface GroupResult {
  readonly attributes: Uint8Array;
  /** Undefined: the window before had data, this one has none. */
  readonly result:
    | { readonly quantiles: readonly Quantile[]; readonly distribution: Distribution }
    | undefined;
}

export class ResultWriter {
  readonly #quantiles: readonly number[];
  readonly #outputs: readonly OutputMetric[];
  readonly #out = new Writer(64 * 1024);
  readonly #times = new Writer(18);
  #origin: Origin | undefined;
  #handles: [resource: number, scope: number] = [0, 0];
  /** Points that were written. */
  items = 0;

  constructor(quantiles: readonly number[], outputs: readonly OutputMetric[]) {
    this.#quantiles = quantiles;
    this.#outputs = outputs;
  }

  /** Begins a payload. */
  begin(startMs: number, endMs: number): void {
    this.#out.reset();
    this.#origin = undefined;
    this.items = 0;
    const times = this.#times;
    times.reset();
    times.tag(2, wireFixed64);
    times.fixed64(BigInt(Math.floor(startMs)) * 1_000_000n);
    times.tag(3, wireFixed64);
    times.fixed64(BigInt(Math.floor(endMs)) * 1_000_000n);
  }

  add(metric: GroupedMetric, groups: readonly GroupResult[]): void {
    if (groups.length === 0) return;
    this.#enter(metric.origin);
    for (const output of this.#outputs) this.#metric(metric, output, groups);
  }

  get bytes(): number {
    return this.#out.position;
  }

  take(): Uint8Array {
    this.#leave();
    return this.#out.take();
  }

  #enter(origin: Origin): void {
    if (origin === this.#origin) return;
    this.#leave();
    const out = this.#out;
    this.#origin = origin;
    const resource = out.begin(1, 3);
    out.lengthDelimited(1, origin.resource);
    this.#handles = [resource, out.begin(2, 3)];
    out.lengthDelimited(1, origin.scope);
  }

  #leave(): void {
    const { resourceSchemaUrl, scopeSchemaUrl } = this.#origin ?? {};
    if (this.#origin === undefined) return;
    const out = this.#out;
    if (scopeSchemaUrl) out.string(3, scopeSchemaUrl);
    out.end(this.#handles[1]);
    if (resourceSchemaUrl) out.string(3, resourceSchemaUrl);
    out.end(this.#handles[0]);
    this.#origin = undefined;
  }

  #metric(source: GroupedMetric, output: OutputMetric, groups: readonly GroupResult[]): void {
    const out = this.#out;
    const metric = out.begin(2, 3);
    out.string(1, source.name + output.suffix);
    out.string(2, `${source.description} (${output.note})`.trimStart());
    if (source.unit !== "") out.string(3, source.unit);
    const data = out.begin(output.points === undefined ? 11 : 5, 3);
    for (const group of groups) {
      if (output.points === undefined) this.#summary(group);
      else for (const point of output.points) this.#gauge(group, point);
    }
    out.end(data);
    out.end(metric);
  }

  #gauge({ attributes, result }: GroupResult, { quantile, part, attribute }: OutputPoint): void {
    const out = this.#out;
    const point = this.#beginPoint();
    if (result !== undefined) writeDouble(out, 4, result.quantiles[quantile]![part]);
    out.raw(attributes);
    out.raw(attribute);
    this.#endPoint(point, result === undefined);
  }

  #summary({ attributes, result }: GroupResult): void {
    const out = this.#out;
    const point = this.#beginPoint();
    if (result !== undefined) {
      const { count, sum } = result.distribution;
      out.tag(4, wireFixed64);
      // A sender may claim any count; 2^64 - 1 is none that a double can hold.
      out.fixed64(BigInt(Math.min(count, 2 ** 64 - 2048)));
      writeDouble(out, 5, sum);
      this.#quantiles.forEach((q, i) => {
        const value = out.begin(6, 1);
        writeDouble(out, 1, q);
        writeDouble(out, 2, result.quantiles[i]!.value);
        out.end(value);
      });
    }
    out.raw(attributes);
    this.#endPoint(point, result === undefined);
  }

  #beginPoint(): number {
    const point = this.#out.begin(1, 2);
    this.#out.raw(this.#times.bytes, 0, this.#times.position);
    return point;
  }

  #endPoint(point: number, isStale: boolean): void {
    const out = this.#out;
    if (isStale) {
      out.tag(8, wireVarint);
      out.varint(noRecordedValue);
    }
    out.end(point);
    this.items++;
  }
}

function writeDouble(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.double(value);
}
