/**
 * The export request of one collection:
 *
 *     request         = 1: ResourceMetrics
 *     ResourceMetrics = 1: Resource { 1: attributes }  2: ScopeMetrics
 *     ScopeMetrics    = 1: scope { 1: name }  2: Metric
 *     Metric          = 1: name  2: description  3: unit  5: Gauge | 7: Sum | 9: Histogram | 10: ExponentialHistogram
 *     Gauge … E.H.    = 1: points  2: aggregation_temporality  3: is_monotonic (Sum)
 */
import { Writer, wireFixed64, wireVarint } from "../../pdata/wire.ts";
import { lookForTracing } from "../metrics/active-span.ts";
import { type Pair, writeAttributes } from "../metrics/attribute-bytes.ts";
import type { Family, Pass } from "../metrics/family.ts";

export interface EncodedRequest {
  readonly body: Uint8Array;
  readonly points: number;
}

export interface CollectTimes {
  readonly startMs: number;
  /** Where delta points begin: the collection before. */
  readonly previousMs: number;
  readonly nowMs: number;
}

export interface EncoderOptions {
  readonly resource: readonly Pair[];
  readonly isDelta: boolean;
  /** A request ends with the point that reaches this size. */
  readonly maxRequestBytes: number;
  /** Work between two pauses. */
  readonly sliceMs: number;
}

/** Rows between two looks at the clock; a wide exponential histogram takes about 10 µs. */
const rowsPerLook = 64;
export const scopeName = "repomind-telemetry/instrument";

/** Encodes what the instruments hold. */
export class Encoder {
  readonly #options: EncoderOptions;
  readonly #resource: Uint8Array;

  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#resource = encodeResource(options.resource);
    lookForTracing();
  }

  /** Yields each request when it is complete, and undefined where the event loop should have its turn. */
  *encode(
    families: readonly Family[],
    times: CollectTimes,
  ): Generator<EncodedRequest | undefined, void> {
    const { isDelta, sliceMs, maxRequestBytes } = this.#options;
    const pass: Pass = {
      isDelta,
      times: encodeTimes(isDelta ? times.previousMs : times.startMs, times.nowMs),
      cumulativeTimes: encodeTimes(times.startMs, times.nowMs),
    };
    lookForTracing();
    const request = new OpenRequest(this.#resource, pass, maxRequestBytes);
    let sliceStart = performance.now();
    // All of them first: what one is asked for may be counted by another one.
    for (const family of families) family.beforeCollect();
    for (const family of families) {
      let { rows } = family;
      for (let row = 0; row < rows; ) {
        row = request.add(family, row, Math.min(row + rowsPerLook, rows));
        if (request.size >= maxRequestBytes) yield request.close();
        if (performance.now() - sliceStart > sliceMs) {
          yield undefined;
          rows = family.rows;
          sliceStart = performance.now();
        }
      }
      request.endFamily();
    }
    if (request.points > 0) yield request.close();
  }
}

/** A request that grows point by point; messages are opened when their first point comes. */
class OpenRequest {
  #out = new Writer(16 * 1024);
  readonly #resource: Uint8Array;
  readonly #pass: Pass;
  #outer: readonly [resource: number, scope: number] | undefined;
  #metric: readonly [metric: number, data: number] | undefined;
  readonly #maxBytes: number;
  points = 0;

  constructor(resource: Uint8Array, pass: Pass, maxBytes: number) {
    this.#resource = resource;
    this.#pass = pass;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#out.position;
  }

  /** Adds the points of rows [from, to), until the request is full; returns the next row. */
  add(family: Family, from: number, to: number): number {
    let row = from;
    while (row < to && this.#out.position < this.#maxBytes) this.#addRow(family, row++);
    return row;
  }

  #addRow(family: Family, row: number): void {
    const out = this.#out;
    const before = out.position;
    const isFirst = this.#metric === undefined;
    const [outer, metric] = [this.#outer, this.#metric];
    if (isFirst) this.#begin(family);
    if (family.writeRow(row, this.#pass, out)) {
      this.points++;
    } else if (isFirst) {
      // Nothing to say: as if the metric had not been begun.
      out.position = before;
      this.#outer = outer;
      this.#metric = metric;
    }
  }

  #begin(family: Family): void {
    const out = this.#out;
    if (this.#outer === undefined) {
      const resource = out.begin(1, 3);
      out.raw(this.#resource);
      const scopeMetrics = out.begin(2, 3);
      const scope = out.begin(1, 1);
      out.string(1, scopeName);
      out.end(scope);
      this.#outer = [resource, scopeMetrics];
    }
    // Where a length needs more bytes than guessed, all of the metric is moved.
    const lengthBytes = family.rows > 100 ? 3 : 2;
    const metric = out.begin(2, lengthBytes);
    out.string(1, family.name);
    if (family.description !== "") out.string(2, family.description);
    if (family.unit !== "") out.string(3, family.unit);
    const data = out.begin(family.layout.dataField, lengthBytes);
    const temporality = family.temporality(this.#pass);
    if (temporality !== undefined) writeVarint(out, 2, temporality);
    if (family.layout.isMonotonic) writeVarint(out, 3, 1);
    this.#metric = [metric, data];
  }

  endFamily(): void {
    if (this.#metric === undefined) return;
    this.#out.end(this.#metric[1]);
    this.#out.end(this.#metric[0]);
    this.#metric = undefined;
  }

  /** The request's bytes; the next point opens another one. */
  close(): EncodedRequest {
    this.endFamily();
    if (this.#outer !== undefined) {
      this.#out.end(this.#outer[1]);
      this.#out.end(this.#outer[0]);
    }
    const request = { body: this.#takeBody(), points: this.points };
    this.#outer = undefined;
    this.points = 0;
    return request;
  }

  /** A buffer that is nearly full is given away instead of copied. */
  #takeBody(): Uint8Array {
    const { bytes, position } = this.#out;
    if (position < bytes.length * 0.75) {
      const copy = this.#out.take();
      this.#out.reset();
      return copy;
    }
    this.#out = new Writer(bytes.length);
    return bytes.subarray(0, position);
  }
}

function encodeResource(pairs: readonly Pair[]): Uint8Array {
  const out = new Writer(512);
  const resource = out.begin(1, 2);
  writeAttributes(out, 1, pairs);
  out.end(resource);
  return out.take();
}

/** All kinds of points have start_time_unix_nano as field 2 and time_unix_nano as field 3. */
function encodeTimes(startMs: number, nowMs: number): Uint8Array {
  const out = new Writer(18);
  out.tag(2, wireFixed64);
  out.fixed64(nanosOf(startMs));
  out.tag(3, wireFixed64);
  out.fixed64(nanosOf(nowMs));
  return out.take();
}

const nanosOf = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n;

function writeVarint(out: Writer, field: number, value: number): void {
  out.tag(field, wireVarint);
  out.varint(value);
}
