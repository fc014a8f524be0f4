/** Prometheus text format 0.0.4 of the service's own few hundred series. */
import type { Family, LabelPairs } from "./families.ts";

export const scrapeContentType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/** One HELP and TYPE line per family, then its samples with sorted labels, as Go's client writes them. */
export function renderText(families: readonly Family[]): string {
  let text = "";
  for (const { name, help, type, samples } of families) {
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    for (const { suffix, labels, value } of samples) {
      text += `${name}${suffix}${labelsText(labels)} ${valueText(value)}\n`;
    }
  }
  return text;
}

/** Go's client writes le and quantile last. An empty value is the same as no label. */
function labelsText(labels: LabelPairs): string {
  const pairs = labels
    .filter(([, value]) => value !== "")
    .toSorted(([a], [b]) => Number(a === "le") - Number(b === "le") || (a < b ? -1 : 1))
    .map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const escapeValue = (text: string) => escapeHelp(text).replaceAll('"', '\\"');
