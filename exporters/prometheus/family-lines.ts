import { isClassicMetricName, wireName } from "../../src/prometheus/escape.ts";
import type { Format } from "../../src/prometheus/negotiate.ts";
import { escapeLabelValue, TextWriter } from "../../src/prometheus/text-writer.ts";
import type { ExponentialData, ExponentialRange } from "./exponential.ts";
import type { ExposedFamily } from "./family.ts";
import type { HistogramData } from "./histogram.ts";
import { labelsOfPairs, toBinary } from "./labels-of.ts";
import type { LineBuffer } from "./line-buffer.ts";
import type { ExemplarText, SeriesState, Shown } from "./state.ts";
import type { SummaryData } from "./summary.ts";

/** What stands around the label pairs in the lines of one sample name. */
interface Frame {
  /** `name{` or `{"name",`. */
  readonly open: string;
  /** The same without labels, up to the value. */
  readonly bare: string;
}

/** Writes the lines of families in one format. One a format is kept, with its texts of bounds. */
export class FamilyLines {
  readonly format: Format;
  readonly #writer: TextWriter;
  readonly #timestamps: boolean;
  readonly #openMetrics: boolean;
  /** `le="…"} ` texts by the array of bounds, which equal histograms share. */
  readonly #bounds = new WeakMap<object, readonly string[]>();
  /** Frames by name and suffix, of the current family. */
  #family: ExposedFamily | undefined;
  #frames = new Map<string, Frame>();
  /** Its buckets, the same for all series of a page although they may grow between two slices. */
  #range: ExponentialRange | undefined;
  #time = "";
  #pairs = "";

  constructor(format: Format, timestamps: boolean) {
    this.format = format;
    this.#writer = new TextWriter(format);
    this.#timestamps = timestamps;
    this.#openMetrics = format.kind === "openmetrics";
  }

  /** The name under which the family appears; two names may become one by escaping. */
  nameOf(family: ExposedFamily): string {
    return wireName(family.name, this.format.escaping);
  }

  /** Begins a family on a page. */
  header(out: LineBuffer, family: ExposedFamily): void {
    this.#family = family;
    this.#frames = new Map();
    this.#range = undefined;
    const { name, type, help, unit } = family;
    out.text(toBinary(this.#writer.header(name, type, help, unit)));
  }

  /** All lines of one series of the family whose header came last. */
  series(out: LineBuffer, state: SeriesState, shown: Shown): void {
    this.#pairs = this.#pairsOf(state.pairs);
    this.#time = this.#timestamps && shown.timeMs > 0 ? this.#writer.timestamp(shown.timeMs) : "";
    const { data } = shown;
    if (data === undefined) this.#number(out, shown);
    else if (data.kind === "histogram") this.#histogram(out, data, shown.exemplars);
    else if (data.kind === "exponential") this.#exponential(out, data, shown.exemplars);
    else this.#summary(out, data);
  }

  /** Names that the format cannot carry as they are: taken apart and escaped, rare. */
  #pairsOf(pairs: string): string {
    const { escaping } = this.format;
    if (escaping === "allow-utf-8" || !hasQuotedName(pairs)) return pairs;
    return toBinary(this.#writer.pairs(labelsOfPairs(pairs)));
  }

  #frame(suffix: string): Frame {
    let frame = this.#frames.get(suffix);
    if (frame === undefined) {
      const name = this.nameOf(this.#family!) + suffix;
      const quoted = `{"${escapeLabelValue(name)}"`;
      frame = isClassicMetricName(name)
        ? { open: `${name}{`, bare: `${name} ` }
        : { open: toBinary(`${quoted},`), bare: toBinary(`${quoted}} `) };
      this.#frames.set(suffix, frame);
    }
    return frame;
  }

  /** A line up to its value. */
  #begin(out: LineBuffer, { open, bare }: Frame): void {
    if (this.#pairs === "") return out.text(bare);
    out.text(open);
    out.text(this.#pairs);
    out.text("} ");
  }

  /** A value and the rest of its line. */
  #float(out: LineBuffer, value: number, exemplar: string): void {
    out.text(this.#writer.float(value));
    this.#end(out, exemplar);
  }

  #count(out: LineBuffer, value: number, exemplar: string): void {
    if (value >>> 0 === value && value < maxDigits) out.digits(value);
    else out.text(this.#writer.count(value));
    this.#end(out, exemplar);
  }

  #end(out: LineBuffer, exemplar: string): void {
    if (this.#time !== "") out.text(this.#time);
    if (exemplar !== "") out.text(exemplar);
    out.endLine();
  }

  #number(out: LineBuffer, { value, exemplars }: Shown): void {
    this.#begin(out, this.#frame(""));
    const exemplar = exemplars[0];
    this.#float(out, value, exemplar !== undefined && this.#openMetrics ? exemplar.text : "");
  }

  #summary(out: LineBuffer, data: SummaryData): void {
    const prefix = this.#prefix("");
    for (const { quantile, value } of data.quantiles) {
      out.text(prefix);
      out.text(`quantile="${this.#writer.bound(quantile)}"} `);
      this.#float(out, value, "");
    }
    this.#begin(out, this.#frame("_sum"));
    this.#float(out, data.sum, "");
    this.#begin(out, this.#frame("_count"));
    this.#count(out, data.count, "");
  }

  /** A line up to its last label: one text for all buckets of a series. */
  #prefix(suffix: string): string {
    const { open } = this.#frame(suffix);
    return this.#pairs === "" ? open : `${open}${this.#pairs},`;
  }

  #histogram(out: LineBuffer, data: HistogramData, exemplars: readonly ExemplarText[]): void {
    const texts = this.#boundTexts(data.bounds);
    const { bounds, counts } = data;
    const prefix = this.#prefix("_bucket");
    let cumulative = 0;
    let below = -Infinity;
    for (let i = 0; i < bounds.length; i++) {
      cumulative += counts[i]!;
      const bound = bounds[i]!;
      // A bound of +Inf is the line that follows.
      if (bound !== Infinity) {
        out.text(prefix);
        out.text(texts[i]!);
        this.#count(out, cumulative, this.#exemplar(exemplars, below, bound));
      }
      below = bound;
    }
    this.#total(out, prefix, data, this.#exemplar(exemplars, below, Infinity));
  }

  #exponential(out: LineBuffer, data: ExponentialData, exemplars: readonly ExemplarText[]): void {
    this.#range ??= this.#family!.exponential.snapshot();
    const range = this.#range;
    const bounds = range.bounds();
    const texts = this.#boundTexts(bounds);
    const cumulative = range.cumulative(data);
    const prefix = this.#prefix("_bucket");
    let below = -Infinity;
    for (let i = 0; i < bounds.length; i++) {
      const bound = bounds[i]!;
      out.text(prefix);
      out.text(texts[i]!);
      this.#count(out, cumulative[i]!, this.#exemplar(exemplars, below, bound));
      below = bound;
    }
    this.#total(out, prefix, data, this.#exemplar(exemplars, below, Infinity));
  }

  #total(
    out: LineBuffer,
    prefix: string,
    { count, sum, hasSum }: HistogramData | ExponentialData,
    exemplar: string,
  ): void {
    out.text(prefix);
    out.text('le="+Inf"} ');
    this.#count(out, count, exemplar);
    if (hasSum) {
      this.#begin(out, this.#frame("_sum"));
      this.#float(out, sum, "");
    }
    this.#begin(out, this.#frame("_count"));
    this.#count(out, count, "");
  }

  #boundTexts(bounds: Float64Array | readonly number[]): readonly string[] {
    let texts = this.#bounds.get(bounds);
    if (texts === undefined) {
      texts = Array.from(bounds, (bound) => `le="${this.#writer.bound(bound)}"} `);
      this.#bounds.set(bounds, texts);
    }
    return texts;
  }

  /** The latest exemplar in (below, bound]. */
  #exemplar(exemplars: readonly ExemplarText[], below: number, bound: number): string {
    if (exemplars.length === 0 || !this.#openMetrics) return "";
    return exemplars.findLast(({ value }) => value > below && value <= bound)?.text ?? "";
  }
}

/** Both formats write whole numbers below as their digits. */
const maxDigits = 1e6;

const hasQuotedName = (pairs: string) => pairs.startsWith('"') || pairs.includes('","');
