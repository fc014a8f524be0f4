import type { ExponentialHistogram } from "../../metrics/exponential-histogram.ts";
import { LabelSet, labelName } from "../../prometheus/labels.ts";
import { metricName, type NamedType, namingOf } from "../../prometheus/names.ts";
import { TextWriter } from "../../prometheus/text-writer.ts";
import type { Pair } from "../metrics/attribute-bytes.ts";
import { ExplicitFamily } from "../metrics/explicit-family.ts";
import { ExponentialFamily } from "../metrics/exponential-family.ts";
import type { Family } from "../metrics/family.ts";
import { NumberFamily } from "../metrics/number-family.ts";
import type { Problems } from "../problems.ts";
import { BucketLines, cumulative, SharedBounds } from "./histogram-lines.ts";

const naming = namingOf("UnderscoreEscapingWithSuffixes", "");
const writer = new TextWriter({ kind: "text", version: "0.0.4", escaping: "underscores" });

type ExposedType = "counter" | "gauge" | "histogram";

/** A name of the page; several metrics may have it. */
interface Exposed {
  readonly name: string;
  readonly type: ExposedType;
  readonly families: Family[];
}

/**
 * What a scrape reads: text format 0.0.4, with the names, labels and buckets that the service's own prometheus
 * exporter would give the same points. `job` and `instance` are the scraper's to say; the resource is target_info.
 */
export function prometheusText(
  families: readonly Family[],
  resource: readonly Pair[],
  problems: Problems,
): string {
  for (const family of families) family.beforeCollect();
  const pages = new Map([["target_info", targetInfo(resource, problems)]]);
  for (const exposed of exposedFamilies(families, problems)) {
    pages.set(exposed.name, pageOf(exposed, problems));
  }
  return [...pages]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, page]) => page)
    .join("");
}

function targetInfo(resource: readonly Pair[], problems: Problems): string {
  const pairs = pairsOf(
    resource.filter(([key]) => {
      const { error } = labelName(key);
      if (error === undefined) return true;
      const message = `a resource attribute is not in toPrometheusText(): ${error}`;
      problems.report("not_exposed", message, `resource ${key}`);
      return false;
    }),
  );
  const header = writer.header("target_info", "info", "Target metadata");
  return `${header}${writer.prefixOfPairs("target_info", pairs, "")}1\n`;
}

/** By name; the first metric of a name decides what type it has. */
function exposedFamilies(families: readonly Family[], problems: Problems): Exposed[] {
  const byName = new Map<string, Exposed>();
  for (const family of families) {
    const named = metricName(family.name, family.unit, namedType(family), naming);
    const type = typeOf(family);
    if (named.error !== undefined) {
      problems.report("not_exposed", named.error, family.name);
      continue;
    }
    const known = byName.get(named.name);
    if (named.name === "target_info" || (known !== undefined && known.type !== type)) {
      const message = `${family.name} is not in toPrometheusText(): another type has the name ${named.name}`;
      problems.report("not_exposed", message, family.name);
    } else if (known === undefined) {
      byName.set(named.name, { name: named.name, type, families: [family] });
    } else {
      known.families.push(family);
    }
  }
  return [...byName.values()];
}

function namedType(family: Family): NamedType {
  if (!(family instanceof NumberFamily) || family.kind === "upDownCounter") return "other";
  return family.kind;
}

function typeOf(family: Family): ExposedType {
  if (!(family instanceof NumberFamily)) return "histogram";
  return family.kind === "counter" ? "counter" : "gauge";
}

/** Empty when no series has anything to say. */
function pageOf({ name, type, families }: Exposed, problems: Problems): string {
  const linesOf = lineWriter(name, families, problems);
  /** By labels: series that become one by their names are shown once, as a scrape with both would fail. */
  const lines = new Map<string, string>();
  for (const family of families) {
    for (let row = 0; row < family.rows; row++) {
      const pairs = knownPairs(family, row, problems);
      const text = pairs === undefined ? undefined : linesOf(family, row, pairs);
      if (pairs !== undefined && text !== undefined) lines.set(pairs, text);
    }
  }
  if (lines.size === 0) return "";
  const help = families[0]!.description;
  return `${writer.header(name, type, help)}${[...lines.values()].join("")}`;
}

/** The lines of a row; undefined: there is nothing to say. */
type LineWriter = (family: Family, row: number, pairs: string) => string | undefined;

function lineWriter(name: string, families: readonly Family[], problems: Problems): LineWriter {
  const shared = new SharedBounds(sketchesOf(families, problems));
  const sketchLines = new BucketLines(name, shared.bounds());
  const explicitLines = new Map<Family, BucketLines>();
  return (family, row, pairs) => {
    if (family instanceof NumberFamily) {
      const value = family.totalOf(row);
      if (Number.isNaN(value)) return undefined;
      return `${writer.prefixOfPairs(name, pairs, "")}${writer.float(value)}\n`;
    }
    if (family instanceof ExponentialFamily) {
      const sketch = family.totalOf(row);
      return sketchLines.series(pairs, shared.cumulative(sketch), sketch.sum);
    }
    if (!(family instanceof ExplicitFamily)) throw new Error("BUG: a kind without lines");
    let lines = explicitLines.get(family);
    if (lines === undefined) {
      explicitLines.set(family, (lines = new BucketLines(name, family.bounds)));
    }
    const { counts, sum } = family.totalOf(row);
    return lines.series(pairs, cumulative(counts), sum);
  };
}

/** Those that the page shows. */
function* sketchesOf(
  families: readonly Family[],
  problems: Problems,
): Generator<ExponentialHistogram> {
  for (const family of families) {
    if (!(family instanceof ExponentialFamily)) continue;
    for (let row = 0; row < family.rows; row++) {
      if (knownPairs(family, row, problems) !== undefined) yield family.totalOf(row);
    }
  }
}

/** `a="b",c="d"` of each row: made once, as most of a page's time would go there. Undefined: it cannot be shown. */
const pairsByFamily = new WeakMap<Family, (string | undefined)[]>();

function knownPairs(family: Family, row: number, problems: Problems): string | undefined {
  let rows = pairsByFamily.get(family);
  if (rows === undefined) pairsByFamily.set(family, (rows = []));
  while (rows.length <= row) rows.push(exposedPairs(family, rows.length, problems));
  return rows[row];
}

function exposedPairs(family: Family, row: number, problems: Problems): string | undefined {
  const reserved = family instanceof NumberFamily ? undefined : "le";
  const attributes = family.attributesOf(row);
  try {
    return pairsOf(attributes, reserved);
  } catch (error) {
    if (!(error instanceof LabelError)) throw error;
    const message = `a series of ${family.name} is not in toPrometheusText(): ${error.message}`;
    problems.report("not_exposed", message, family.name);
    return undefined;
  }
}

class LabelError extends Error {}

function pairsOf(attributes: readonly Pair[], reserved?: string): string {
  const labels = new LabelSet();
  for (const [key, value] of attributes.toSorted(byKey)) {
    if (key === "__name__") continue;
    const named = labelName(key);
    if (named.error !== undefined) throw new LabelError(named.error);
    labels.join(named.name === reserved ? `exported_${reserved}` : named.name, String(value));
  }
  return writer.pairs(labels.sorted());
}

const byKey = ([a]: Pair, [b]: Pair) => (a < b ? -1 : 1);
