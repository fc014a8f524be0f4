/** What the service serves at /metrics, as far as it belongs to one run of the demo. */
import { type ParsedFamily, parseFamilies } from "../prometheus/parse/parse.ts";
import { serviceName } from "./names.ts";

const timeoutMs = 5000;

type Labels = Readonly<Record<string, string>>;

/** One series: its labels, and its value; of a histogram its count and sum. */
export interface Series {
  readonly labels: Labels;
  readonly value: number;
  readonly sum: number;
}

/** Rejects with what a person can do nothing with (ECONNREFUSED, a status). */
export async function readPage(url: string, instance: string): Promise<Page> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const families = await parseFamilies(await response.bytes(), "text-scrape");
  return new Page(families, instance);
}

export class Page {
  readonly #series = new Map<string, Series[]>();

  constructor(families: readonly ParsedFamily[], instance: string) {
    for (const { name, samples } of families) {
      const own = samples
        .map((sample) => ({ ...valueOf(sample), labels: labelsOf(sample) }))
        .filter(({ labels }) => labels["job"] === serviceName && labels["instance"] === instance);
      if (own.length > 0) this.#series.set(name, own);
    }
  }

  /** Of one metric, those with these labels. */
  series(name: string, labels: Labels = {}): readonly Series[] {
    const wanted = Object.entries(labels);
    return (this.#series.get(name) ?? []).filter((one) =>
      wanted.every(([key, value]) => (one.labels[key] ?? "") === value),
    );
  }

  value(name: string, labels: Labels = {}): number {
    return this.series(name, labels).reduce((total, { value }) => total + value, 0);
  }

  sum(name: string, labels: Labels = {}): number {
    return this.series(name, labels).reduce((total, { sum }) => total + sum, 0);
  }
}

type Sample = ParsedFamily["samples"][number];

function valueOf(sample: Sample): { value: number; sum: number } {
  const distribution = sample.histogram ?? sample.summary;
  if (distribution === undefined) return { value: "value" in sample ? sample.value : 0, sum: 0 };
  return { value: distribution.count, sum: distribution.sum ?? 0 };
}

const labelsOf = ({ labels }: Sample): Labels =>
  Object.fromEntries(labels.map(({ name, value }) => [name, value]));
