/**
 * The two exposition formats, text 0.0.4 and OpenMetrics 1.0, as text pieces. A line is
 *
 *     name{label="value",…} value [timestamp] [# {exemplar labels} value timestamp]
 *     {"name with dots","label"="value",…} value …          names beyond the classic characters
 */
import { isClassicLabelName, isClassicMetricName, wireName } from "./escape.ts";
import type { Exemplar, Family, FamilyType, HistogramValue, Sample } from "./family.ts";
import type { Label } from "./labels.ts";
import type { Format } from "./negotiate.ts";
import { floatText, openMetricsFloat } from "./number-text.ts";

const textTypes: Readonly<Record<FamilyType, string>> = {
  counter: "counter",
  gauge: "gauge",
  histogram: "histogram",
  gaugehistogram: "histogram",
  summary: "summary",
  unknown: "untyped",
  info: "gauge",
  stateset: "gauge",
};

export const endOfOpenMetrics = "# EOF\n";

/** Labels and names of one format. */
export class TextWriter {
  readonly format: Format;
  readonly #openMetrics: boolean;

  constructor(format: Format) {
    this.format = format;
    this.#openMetrics = format.kind === "openmetrics";
  }

  /** HELP, TYPE and UNIT lines. `name` is the name of the samples, as in text 0.0.4. */
  header(name: string, type: FamilyType, help?: string, unit?: string): string {
    const escaped = wireName(name, this.format.escaping);
    if (!this.#openMetrics) {
      const quoted = quotedName(escaped);
      return `${helpLine(quoted, help, escapeHelp)}# TYPE ${quoted} ${textTypes[type]}\n`;
    }
    const family = openMetricsFamily(escaped, type);
    const quoted = quotedName(family.name);
    const unitLine =
      unit !== undefined && isUnit.test(unit) && family.name.endsWith(`_${unit}`)
        ? `# UNIT ${quoted} ${unit}\n`
        : "";
    return `${helpLine(quoted, help, escapeLabelValue)}# TYPE ${quoted} ${family.type}\n${unitLine}`;
  }

  /** A line up to its value; `suffix` is `_bucket` and the like, `extra` a finished pair such as `le="1"`. */
  prefix(name: string, labels: readonly Label[], suffix = "", extra = ""): string {
    const escaped = wireName(name, this.format.escaping) + suffix;
    return this.prefixOfPairs(escaped, this.pairs(labels), extra);
  }

  /** The same of finished pairs and an escaped name. */
  prefixOfPairs(escapedName: string, pairs: string, extra: string): string {
    const all = pairs !== "" && extra !== "" ? `${pairs},${extra}` : pairs + extra;
    if (isClassicMetricName(escapedName)) {
      return all === "" ? `${escapedName} ` : `${escapedName}{${all}} `;
    }
    const quoted = `"${escapeLabelValue(escapedName)}"`;
    return all === "" ? `{${quoted}} ` : `{${quoted},${all}} `;
  }

  /**
   * `a="b",c="d"`. Labels that become one by escaping are joined, as a scrape with both would fail; one that
   * becomes `__name__` is left out, as it would rename the sample.
   */
  pairs(labels: readonly Label[]): string {
    const names = labels.map(({ name }) => wireName(name, this.format.escaping, true));
    let text = "";
    for (let i = 0; i < labels.length; i++) {
      const name = names[i]!;
      if (name === "__name__" || names.indexOf(name) < i) continue;
      let { value } = labels[i]!;
      for (let k = names.indexOf(name, i + 1); k > 0; k = names.indexOf(name, k + 1)) {
        value += `;${labels[k]!.value}`;
      }
      const quoted = isClassicLabelName(name) ? name : `"${escapeLabelValue(name)}"`;
      text += `${text === "" ? "" : ","}${quoted}="${escapeLabelValue(value)}"`;
    }
    return text;
  }

  /** A sample's value. */
  float(value: number): string {
    return this.#openMetrics ? openMetricsFloat(value) : floatText(value);
  }

  /** A count: whole in both formats. */
  count(value: number): string {
    if (!this.#openMetrics) return floatText(value);
    return Number.isSafeInteger(value) ? String(value) : floatText(value);
  }

  /** An upper bound or a quantile, as a label's value. */
  bound(value: number): string {
    return this.float(value);
  }

  /** With its leading blank. */
  timestamp(ms: number): string {
    return this.#openMetrics ? ` ${openMetricsFloat(ms / 1000)}` : ` ${ms}`;
  }

  /** With its leading ` # `; the text format has none. */
  exemplar(exemplar: Exemplar | undefined): string {
    if (exemplar === undefined || !this.#openMetrics) return "";
    const time =
      exemplar.timestampSeconds === undefined
        ? ""
        : ` ${openMetricsFloat(exemplar.timestampSeconds)}`;
    return ` # {${this.pairs(exemplar.labels)}} ${openMetricsFloat(exemplar.value)}${time}`;
  }
}

/** The UNIT line has no quotes: other characters would break it. */
const isUnit = /^[a-zA-Z0-9_:]+$/u;

/** OpenMetrics names a family without `_total` or `_info`; without these it cannot be a counter or an info. */
function openMetricsFamily(name: string, type: FamilyType): { name: string; type: FamilyType } {
  if (type === "info") {
    return name.endsWith("_info") ? { name: name.slice(0, -5), type } : { name, type: "gauge" };
  }
  if (type !== "counter") return { name, type };
  return name.endsWith("_total") ? { name: name.slice(0, -6), type } : { name, type: "unknown" };
}

const quotedName = (name: string) =>
  isClassicMetricName(name) ? name : `"${escapeLabelValue(name)}"`;

function helpLine(name: string, help: string | undefined, escape: (text: string) => string) {
  return help === undefined || help === "" ? "" : `# HELP ${name} ${escape(help)}\n`;
}

function escapeHelp(text: string): string {
  return /[\\\n]/u.test(text) ? text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n") : text;
}

export function escapeLabelValue(text: string): string {
  return /[\\\n"]/u.test(text) ? escapeHelp(text).replaceAll('"', '\\"') : text;
}

/** Whole families at once: for the service's own metrics, not for the pipeline's hundred thousands. */
export function renderFamilies(families: Iterable<Family>, format: Format): string {
  const writer = new TextWriter(format);
  let text = "";
  for (const family of families) {
    text += writer.header(family.name, family.type, family.help, family.unit);
    for (const sample of family.samples) text += sampleLines(writer, family.name, sample);
  }
  return format.kind === "openmetrics" ? text + endOfOpenMetrics : text;
}

function sampleLines(writer: TextWriter, name: string, sample: Sample): string {
  const time = sample.timestampMs === undefined ? "" : writer.timestamp(sample.timestampMs);
  if (sample.histogram !== undefined) {
    return histogramLines(writer, name, sample.labels, sample.histogram, time);
  }
  const line = (suffix: string, value: string, extra = "") =>
    `${writer.prefix(name, sample.labels, suffix, extra)}${value}${time}\n`;
  if (sample.summary === undefined) {
    const prefix = writer.prefix(name, sample.labels);
    return `${prefix}${writer.float(sample.value)}${time}${writer.exemplar(sample.exemplar)}\n`;
  }
  const { quantiles, sum, count } = sample.summary;
  let text = "";
  for (const { quantile, value } of quantiles) {
    text += line("", writer.float(value), `quantile="${writer.bound(quantile)}"`);
  }
  return text + line("_sum", writer.float(sum)) + line("_count", writer.count(count));
}

function histogramLines(
  writer: TextWriter,
  name: string,
  labels: readonly Label[],
  histogram: HistogramValue,
  time: string,
): string {
  let text = "";
  const line = (suffix: string, value: string, extra: string, exemplar = "") => {
    text += `${writer.prefix(name, labels, suffix, extra)}${value}${time}${exemplar}\n`;
  };
  for (const { le, count, exemplar } of histogram.buckets) {
    if (le === Infinity) continue;
    line("_bucket", writer.count(count), `le="${writer.bound(le)}"`, writer.exemplar(exemplar));
  }
  const last = histogram.buckets.find(({ le }) => le === Infinity)?.exemplar;
  line("_bucket", writer.count(histogram.count), 'le="+Inf"', writer.exemplar(last));
  if (histogram.sum !== undefined) line("_sum", writer.float(histogram.sum), "");
  line("_count", writer.count(histogram.count), "");
  return text;
}
