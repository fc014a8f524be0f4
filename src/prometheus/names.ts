/** OTLP metric names as Prometheus names them (prometheus/otlptranslator, research: the four strategies). */
import { cleanUnit, unitSuffixes } from "./units.ts";

export const translationStrategies = [
  "UnderscoreEscapingWithSuffixes",
  "UnderscoreEscapingWithoutSuffixes",
  "NoUTF8EscapingWithSuffixes",
  "NoTranslation",
] as const;
export type TranslationStrategy = (typeof translationStrategies)[number];

/** What a metric is, as far as its name depends on it. */
export type NamedType = "counter" | "gauge" | "other";

export interface NamingOptions {
  /** Whether names keep characters beyond [A-Za-z0-9_:]. */
  readonly utf8: boolean;
  /** Whether unit and type are appended. */
  readonly suffixes: boolean;
  readonly namespace: string;
}

export function namingOf(strategy: TranslationStrategy, namespace: string): NamingOptions {
  return {
    utf8: strategy === "NoUTF8EscapingWithSuffixes" || strategy === "NoTranslation",
    suffixes: strategy.endsWith("WithSuffixes"),
    namespace,
  };
}

/** A name, or why there is none. */
export type NameResult =
  | { readonly name: string; readonly error?: undefined }
  | { readonly error: string };

/** The Prometheus name of an OTLP metric. A counter is a monotonic sum; a gauge is a Gauge, not an UpDownCounter. */
export function metricName(
  name: string,
  unit: string,
  type: NamedType,
  options: NamingOptions,
): NameResult {
  if (options.utf8) return { name: utf8Name(name, unit, type, options) };
  const built = options.suffixes
    ? nameOfTokens(name, unit, type, options.namespace)
    : escapedName(name, options);
  if (built === "") {
    return { error: `normalization for metric ${JSON.stringify(name)} resulted in empty name` };
  }
  if (built !== name && /^_+$/u.test(built)) {
    const quoted = JSON.stringify(built);
    return {
      error: `normalization for metric ${JSON.stringify(name)} resulted in invalid name ${quoted}`,
    };
  }
  return { name: built };
}

const tokensOf = (text: string) => text.split(/[^a-zA-Z0-9:]+/u).filter((token) => token !== "");
const withoutInvalid = (text: string) =>
  text
    .split(/[^a-zA-Z0-9:_]+/u)
    .filter((token) => token !== "")
    .join("_");
const digitFirst = /^[0-9]/u;

/** The namespace before a finished name. */
export function withNamespace(name: string, { namespace, utf8 }: NamingOptions): string {
  if (namespace === "") return name;
  return `${utf8 ? namespace : withoutInvalid(namespace)}_${name}`;
}

function escapedName(name: string, options: NamingOptions): string {
  const escaped = withoutInvalid(name);
  if (options.namespace !== "") return withNamespace(escaped, options);
  return digitFirst.test(escaped) ? `_${escaped}` : escaped;
}

function nameOfTokens(name: string, unit: string, type: NamedType, namespace: string): string {
  let tokens = tokensOf(name);
  const suffixes = unitSuffixes(unit);
  addUnit(tokens, cleanUnit(suffixes.main), cleanUnit(suffixes.per));
  if (type === "counter") tokens = moveLast(tokens, "total");
  if (type === "gauge" && unit === "1") tokens = moveLast(tokens, "ratio");
  if (namespace !== "") tokens.unshift(withoutInvalid(namespace));
  const joined = tokens.join("_");
  return digitFirst.test(joined) ? `_${joined}` : joined;
}

/** Appends the words of the unit that the name does not have yet, wherever it has them. */
function addUnit(tokens: string[], main: string, per: string): void {
  const perWord = per === "per_" ? "" : per.replace(/_$/u, "");
  const newPer = tokens.includes(perWord) ? "" : perWord;
  let newMain = tokens.includes(main) ? "" : main;
  if (newPer !== "") newMain = newMain.replace(/_$/u, "");
  if (newMain !== "") tokens.push(newMain);
  if (newPer !== "") tokens.push(newPer);
}

const moveLast = (tokens: string[], word: string) => [
  ...tokens.filter((token) => token !== word),
  word,
];

function utf8Name(name: string, unit: string, type: NamedType, options: NamingOptions): string {
  let built = withNamespace(name, options);
  if (!options.suffixes) return built;
  let end = "";
  const takeOff = (suffix: string) => {
    // The character before a suffix is taken for its delimiter.
    if (built.endsWith(suffix) && built.length > suffix.length + 1) {
      built = built.slice(0, -(suffix.length + 1));
    }
    end = `_${suffix}${end}`;
  };
  if (type === "gauge" && unit === "1") takeOff("ratio");
  if (type === "counter") takeOff("total");
  const { main, per } = unitSuffixes(unit);
  if (per !== "") takeOff(per);
  if (main !== "" && !built.endsWith(main)) built += `_${main}`;
  return built + end;
}
