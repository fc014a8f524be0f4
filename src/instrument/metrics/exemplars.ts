/**
 * Values with the span in which they were recorded:
 *
 *     Exemplar = 2: time_unix_nano fixed64  3: as_double  4: span_id (8 bytes)  5: trace_id (16 bytes)
 */
import { type Writer, wireFixed64, wireLength } from "../../pdata/wire.ts";
import { activeSpan } from "./active-span.ts";

/** Of one metric between two collections; about 200 bytes each. */
const maxExemplars = 500;
/** Of one series; a reader keeps no more. */
const maxPerSeries = 32;
/** Values that pass without a look, at most, after looks that found no span: a look costs more than a counter. */
export const maxPause = 31;

interface Exemplar {
  readonly bucket: number;
  readonly value: number;
  readonly timeMs: number;
  readonly traceId: string;
  readonly spanId: string;
}

/** The first sampled value of each bucket of each series since the last collection. */
export class Exemplars {
  readonly #field: number;
  readonly #byRow = new Map<number, Exemplar[]>();
  #size = 0;
  #pause = 0;

  /** @param field The number of the field `exemplars` in a data point. */
  constructor(field: number) {
    this.#field = field;
  }

  /** Returns how many values are to pass before the next is offered. */
  offer(row: number, bucket: number, value: number): number {
    if (this.#size >= maxExemplars || this.#has(row, bucket)) return 0;
    const span = activeSpan();
    this.#pause = span === undefined ? Math.min(this.#pause * 2 + 1, maxPause) : 0;
    if (span) {
      const { traceId, spanId } = span;
      this.#add(row, { bucket, value, timeMs: Date.now(), traceId, spanId });
    }
    return this.#pause;
  }

  #has(row: number, bucket: number): boolean {
    const known = this.#byRow.get(row);
    if (known === undefined) return false;
    return known.length >= maxPerSeries || known.some((exemplar) => exemplar.bucket === bucket);
  }

  #add(row: number, exemplar: Exemplar): void {
    const known = this.#byRow.get(row);
    if (known === undefined) this.#byRow.set(row, [exemplar]);
    else known.push(exemplar);
    this.#size++;
  }

  /** Writes a row's exemplars as fields of its data point, and forgets them. */
  take(row: number, out: Writer): void {
    const exemplars = this.#byRow.get(row);
    if (exemplars === undefined) return;
    this.#byRow.delete(row);
    this.#size -= exemplars.length;
    for (const exemplar of exemplars) writeExemplar(out, this.#field, exemplar);
  }
}

function writeExemplar(out: Writer, field: number, exemplar: Exemplar): void {
  const message = out.begin(field, 1);
  out.tag(2, wireFixed64);
  out.fixed64(BigInt(exemplar.timeMs) * 1_000_000n);
  out.tag(3, wireFixed64);
  out.double(exemplar.value);
  writeHex(out, 4, exemplar.spanId);
  writeHex(out, 5, exemplar.traceId);
  out.end(message);
}

function writeHex(out: Writer, field: number, digits: string): void {
  out.tag(field, wireLength);
  out.varint(digits.length / 2);
  out.raw(Buffer.from(digits, "hex"));
}
