/**
 * Lines to families: the buckets, sums and counts of a histogram or summary become one sample, `_created` its
 * start time.
 */
import type { Exemplar, FamilyType } from "../family.ts";
import type { Label } from "../labels.ts";
import { type Entry, type EntrySource, millisecondsOf, type SeriesEntry } from "./entry.ts";
import type { ParsedFamily, ParsedSample } from "./family.ts";
import { parseFloatText, quoteText } from "./go-text.ts";
import { type ParseLimits, tooManySamples } from "./limits.ts";

/** What a line is of its family. */
type Role = "value" | "bucket" | "count" | "sum" | "created";

interface Metadata {
  type: FamilyType | undefined;
  help: string | undefined;
  unit: string | undefined;
}

interface Suffix {
  readonly suffix: string;
  readonly role: Role;
  readonly types: readonly FamilyType[];
}

const suffixes: readonly Suffix[] = [
  { suffix: "_bucket", role: "bucket", types: ["histogram", "gaugehistogram"] },
  { suffix: "_count", role: "count", types: ["histogram", "gaugehistogram", "summary"] },
  { suffix: "_sum", role: "sum", types: ["histogram", "gaugehistogram", "summary"] },
];
/** OpenMetrics only: there a family's name has no suffix. */
const openMetricsSuffixes: readonly Suffix[] = [
  ...suffixes,
  { suffix: "_gcount", role: "count", types: ["gaugehistogram"] },
  { suffix: "_gsum", role: "sum", types: ["gaugehistogram"] },
  { suffix: "_total", role: "value", types: ["counter"] },
  { suffix: "_info", role: "value", types: ["info"] },
  { suffix: "_created", role: "created", types: ["counter", "histogram", "summary"] },
];

/** A sample that is still being put together. */
interface Draft {
  readonly labels: readonly Label[];
  timestampMs: number | undefined;
  startTimestampMs: number | undefined;
  value: number | undefined;
  exemplar: Exemplar | undefined;
  count: number | undefined;
  sum: number | undefined;
  readonly buckets: { le: number; count: number; exemplar: Exemplar | undefined }[];
  readonly quantiles: { quantile: number; value: number }[];
}

/** A family, and what the lines of one name are of it. */
interface Place {
  readonly name: string;
  readonly family: DraftFamily;
  readonly role: Role;
}

interface DraftFamily {
  readonly name: string;
  readonly type: FamilyType;
  readonly metadata: Metadata;
  readonly drafts: Draft[];
  /** By their labels without le and quantile. */
  readonly byLabels: Map<string, Draft>;
  /** The one that the last line belonged to. */
  last: Draft | undefined;
}

const linesOfStep = 64;

export class FamilyAssembler {
  readonly #source: EntrySource;
  readonly #suffixes: readonly Suffix[];
  readonly #metadata = new Map<string, Metadata>();
  readonly #families = new Map<string, DraftFamily>();
  /** Lines of one name mostly follow one another; metadata between them may change what they are. */
  #lastPlace: Place | undefined;

  readonly #limits: ParseLimits;
  #samples = 0;

  constructor(
    source: EntrySource,
    options: { readonly openMetrics: boolean; readonly limits: ParseLimits },
  ) {
    this.#source = source;
    this.#limits = options.limits;
    this.#suffixes = options.openMetrics ? openMetricsSuffixes : suffixes;
  }

  /** Reads the source to its end, in steps of some lines. */
  *families(): Generator<void, ParsedFamily[]> {
    let lines = 0;
    for (let entry = this.#source.next(); entry !== undefined; entry = this.#source.next()) {
      this.#take(entry);
      if (++lines % linesOfStep === 0) yield;
    }
    const families: ParsedFamily[] = [];
    for (const family of this.#families.values()) {
      const samples: ParsedSample[] = [];
      for (const draft of family.drafts) {
        const sample = finished(family.type, draft);
        if (sample !== undefined) samples.push(sample);
        if (++lines % linesOfStep === 0) yield;
      }
      const { name, type, metadata } = family;
      const { help, unit } = metadata;
      if (samples.length > 0) families.push({ name, type, help, unit, samples });
    }
    return families;
  }

  #take(entry: Entry): void {
    if (entry.kind === "series") this.#series(entry);
    else if (entry.kind === "type") this.#type(entry.name, entry.type);
    else if (entry.kind === "help") this.#help(entry.name, entry.text);
    else if (entry.kind === "unit") this.#metadataOf(entry.name).unit = entry.text;
  }

  #metadataOf(name: string): Metadata {
    this.#lastPlace = undefined;
    let metadata = this.#metadata.get(name);
    if (metadata === undefined) {
      if (this.#metadata.size >= this.#limits.maxSamples) throw tooManySamples(this.#limits);
      metadata = { type: undefined, help: undefined, unit: undefined };
      this.#metadata.set(name, metadata);
    }
    return metadata;
  }

  #type(name: string, type: FamilyType): void {
    const metadata = this.#metadataOf(name);
    if (this.#source.strict && metadata.type !== undefined) {
      const shown = quoteText(name);
      this.#source.fail(
        `second TYPE line for metric name ${shown}, or TYPE reported after samples`,
      );
    }
    // What came before keeps its type.
    metadata.type ??= type;
  }

  #help(name: string, help: string): void {
    const metadata = this.#metadataOf(name);
    if (this.#source.strict && metadata.help !== undefined) {
      this.#source.fail(`second HELP line for metric name ${quoteText(name)}`);
    }
    metadata.help ??= help;
  }

  #series(entry: SeriesEntry): void {
    if (++this.#samples > this.#limits.maxSamples) throw tooManySamples(this.#limits);
    const { family, role } = this.#placeOf(entry.name);
    const { type } = family;
    if (type === "histogram" || type === "gaugehistogram") {
      this.#histogramLine(family, role, entry);
    } else if (type === "summary") {
      this.#summaryLine(family, role, entry);
    } else {
      this.#valueLine(family, role, entry);
    }
  }

  #placeOf(name: string): Place {
    if (this.#lastPlace?.name === name) return this.#lastPlace;
    this.#lastPlace = this.#suffixedPlace(name) ?? this.#ownPlace(name);
    return this.#lastPlace;
  }

  /** undefined: the name is not one of a family with another name. */
  #suffixedPlace(name: string): Place | undefined {
    if (this.#metadata.has(name)) return undefined;
    for (const { suffix, role, types } of this.#suffixes) {
      if (!name.endsWith(suffix)) continue;
      const base = name.slice(0, -suffix.length);
      const metadata = this.#metadata.get(base);
      const type = metadata?.type;
      if (metadata === undefined || type === undefined || !types.includes(type)) continue;
      return { name, family: this.#family(familyName(base, type), metadata), role };
    }
    return undefined;
  }

  #ownPlace(name: string): Place {
    const metadata = this.#metadataOf(name);
    metadata.type ??= "unknown";
    return { name, family: this.#family(name, metadata), role: "value" };
  }

  #family(name: string, metadata: Metadata): DraftFamily {
    let family = this.#families.get(name);
    if (family === undefined) {
      const type = metadata.type ?? "unknown";
      family = { name, type, metadata, drafts: [], byLabels: new Map(), last: undefined };
      this.#families.set(name, family);
    }
    return family;
  }

  #valueLine(family: DraftFamily, role: Role, entry: SeriesEntry): void {
    if (role === "created") {
      this.#draft(family, entry.labels).startTimestampMs = created(entry);
      return;
    }
    // Only counters of OpenMetrics can have a line of their start time.
    const isKeyed = family.type === "counter" && this.#suffixes === openMetricsSuffixes;
    let draft = isKeyed ? this.#draft(family, entry.labels) : undefined;
    if (draft === undefined || draft.value !== undefined) {
      draft = emptyDraft(entry.labels);
      family.drafts.push(draft);
    }
    draft.value = entry.value;
    draft.timestampMs = entry.timestampMs;
    draft.exemplar = entry.exemplar;
  }

  #histogramLine(family: DraftFamily, role: Role, entry: SeriesEntry): void {
    const [text, labels] = withoutLabel(entry.labels, "le");
    const le = text === undefined ? undefined : this.#bound("le", text);
    const draft = this.#draft(family, labels);
    draft.timestampMs = entry.timestampMs ?? draft.timestampMs;
    const { value } = entry;
    if (role === "created") {
      draft.startTimestampMs = created(entry);
    } else if (role === "sum") {
      draft.sum = value;
    } else if (role === "count") {
      this.#refuseNegative(value, "count", family);
      draft.count = value;
    } else if (le !== undefined && !Number.isNaN(le)) {
      this.#refuseNegative(value, "bucket population", family);
      draft.buckets.push({ le, count: value, exemplar: entry.exemplar });
    }
  }

  #refuseNegative(value: number, what: string, family: DraftFamily): void {
    if (!this.#source.strict || !(value < 0)) return;
    this.#source.fail(`negative ${what} for histogram ${quoteText(family.name)}`);
  }

  #summaryLine(family: DraftFamily, role: Role, entry: SeriesEntry): void {
    const [text, labels] = withoutLabel(entry.labels, "quantile");
    const quantile = text === undefined ? undefined : this.#bound("quantile", text);
    const draft = this.#draft(family, labels);
    draft.timestampMs = entry.timestampMs ?? draft.timestampMs;
    const { value } = entry;
    if (role === "created") draft.startTimestampMs = created(entry);
    else if (role === "sum") draft.sum = value;
    else if (role === "count") draft.count = Math.trunc(value);
    else if (quantile !== undefined && !Number.isNaN(quantile)) {
      draft.quantiles.push({ quantile, value });
    }
  }

  #bound(label: "le" | "quantile", text: string): number | undefined {
    const value = parseFloatText(text);
    if (typeof value === "number") return value;
    if (!this.#source.strict) return undefined;
    const got = quoteText(text);
    return this.#source.fail(`expected float as value for '${label}' label, got ${got}`);
  }

  #draft(family: DraftFamily, labels: readonly Label[]): Draft {
    if (family.last !== undefined && sameLabels(family.last.labels, labels)) return family.last;
    const key = keyOf(labels);
    let draft = family.byLabels.get(key);
    if (draft === undefined) {
      draft = emptyDraft(labels);
      family.byLabels.set(key, draft);
      family.drafts.push(draft);
    }
    family.last = draft;
    return draft;
  }
}

/** The name of the samples, as in text 0.0.4. */
function familyName(base: string, type: FamilyType): string {
  if (type === "counter") return `${base}_total`;
  return type === "info" ? `${base}_info` : base;
}

const created = ({ value }: SeriesEntry) =>
  Number.isFinite(value) ? millisecondsOf(value) : undefined;

const emptyDraft = (labels: readonly Label[]): Draft => ({
  labels,
  timestampMs: undefined,
  startTimestampMs: undefined,
  value: undefined,
  exemplar: undefined,
  count: undefined,
  sum: undefined,
  buckets: [],
  quantiles: [],
});

function sameLabels(a: readonly Label[], b: readonly Label[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]!.value !== b[i]!.value || a[i]!.name !== b[i]!.name) return false;
  }
  return true;
}

/** Equal for equal sets of labels, whatever their order. */
function keyOf(labels: readonly Label[]): string {
  if (labels.length === 0) return "";
  const pairs = labels.map(({ name, value }) => JSON.stringify([name, value]));
  return pairs.length === 1 ? pairs[0]! : pairs.toSorted().join("");
}

function withoutLabel(
  labels: readonly Label[],
  name: string,
): [value: string | undefined, others: readonly Label[]] {
  const found = labels.find((label) => label.name === name);
  if (found === undefined) return [undefined, labels];
  return [found.value, labels.filter((label) => label.name !== name)];
}

/** undefined: there was only a start time. */
function finished(type: FamilyType, draft: Draft): ParsedSample | undefined {
  const { labels, timestampMs, startTimestampMs } = draft;
  const base = { labels, timestampMs, startTimestampMs };
  if (type === "histogram" || type === "gaugehistogram") {
    const buckets = draft.buckets.toSorted((a, b) => a.le - b.le);
    const last = buckets.at(-1);
    const count = draft.count ?? (last?.le === Infinity ? last.count : 0);
    return { ...base, histogram: { buckets, count, sum: draft.sum } };
  }
  if (type === "summary") {
    const { quantiles, count = 0, sum = 0 } = draft;
    return { ...base, summary: { quantiles, count, sum } };
  }
  if (draft.value === undefined) return undefined;
  return { ...base, value: draft.value, exemplar: draft.exemplar };
}
