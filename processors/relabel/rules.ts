/**
 * Prometheus' relabelling (model/relabel) over one set of labels. A label with an empty value is the same as
 * none; those that came empty stay in the set only so that they are told from deleted ones.
 */
import { hash } from "node:crypto";
import { isUtf8Name } from "../../src/prometheus/escape.ts";
import type { Groups } from "../../src/regex/regex.ts";
import { expandTemplate } from "../../src/regex/template.ts";
import { type Action, compileRegex, matchesAll, type RuleConfig } from "./config.ts";
import { toLower, toUpper } from "./letter-case.ts";

/** Label values by name; `__name__` is the metric's name. */
export type LabelMap = Map<string, string>;

/** false: the rules say drop. */
export type Rule = (labels: LabelMap) => boolean;

/** A regex may run over longer texts for too long: on this one it takes up to 20 ms. */
export const maxTextLength = 16 * 1024;

/** Thrown where a rule would have to match a longer text. */
export class TextTooLongError extends Error {
  override readonly name = "TextTooLongError";
}

/** Whether the rules let the labels pass; the labels are changed on the way. */
export function applyRules(rules: readonly Rule[], labels: LabelMap): boolean {
  for (const rule of rules) if (!rule(labels)) return false;
  return true;
}

export function compileRules(configs: readonly RuleConfig[]): Rule[] {
  return configs.map(compileRule);
}

export const compileRule = (config: RuleConfig): Rule =>
  compilers[config.action](config, textOf(config));

const compilers: Readonly<Record<Action, (config: RuleConfig, text: TextOf) => Rule>> = {
  replace,
  keep: (config, text) => filter(config, text, true),
  drop: (config, text) => filter(config, text, false),
  keepequal: ({ target_label: target }, text) => {
    return (labels) => text(labels) === (labels.get(target) ?? "");
  },
  dropequal: ({ target_label: target }, text) => {
    return (labels) => text(labels) !== (labels.get(target) ?? "");
  },
  hashmod,
  labelmap: labelMap,
  labeldrop: (config) => labelFilter(config, true),
  labelkeep: (config) => labelFilter(config, false),
  lowercase: (config, text) => mapped(config, text, toLower),
  uppercase: (config, text) => mapped(config, text, toUpper),
};

type TextOf = (labels: LabelMap) => string;

/** The values of the source labels, joined. */
function textOf({ source_labels: sources, separator }: RuleConfig): TextOf {
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return (labels) => labels.get(only) ?? "";
  return (labels) => sources.map((name) => labels.get(name) ?? "").join(separator);
}

const always = (act: (labels: LabelMap) => void): Rule => {
  return (labels) => {
    act(labels);
    return true;
  };
};

function setLabel(labels: LabelMap, name: string, value: string): void {
  if (value === "") labels.delete(name);
  else labels.set(name, value);
}

function mapped(
  { target_label: target }: RuleConfig,
  text: TextOf,
  map: (text: string) => string,
): Rule {
  return always((labels) => setLabel(labels, target, map(text(labels))));
}

/** A test of whole texts. */
function tester(pattern: string): (text: string) => boolean {
  if (matchesAll(pattern)) return () => true;
  const regex = compileRegex(pattern);
  return (text) => regex.test(checked(text));
}

function checked(text: string): string {
  if (text.length > maxTextLength) throw new TextTooLongError("text too long for a regex");
  return text;
}

function filter(config: RuleConfig, text: TextOf, keepsMatching: boolean): Rule {
  const matches = tester(config.regex);
  return (labels) => matches(text(labels)) === keepsMatching;
}

function labelFilter(config: RuleConfig, dropsMatching: boolean): Rule {
  const matches = tester(config.regex);
  return always((labels) => {
    for (const name of labels.keys()) {
      if (matches(name) === dropsMatching) labels.delete(name);
    }
  });
}

/** The groups of a match of the whole text. */
function matcher(pattern: string): (text: string) => Groups | undefined {
  if (matchesAll(pattern)) return (text) => [text, text];
  const regex = compileRegex(pattern);
  return (text) => regex.match(checked(text));
}

function labelMap(config: RuleConfig): Rule {
  const match = matcher(config.regex);
  const template = compileRegex(config.regex).template(config.replacement);
  return always((labels) => {
    // Labels that the rule itself makes are not mapped again.
    const before = [...labels];
    for (const [name, value] of before) {
      const groups = value === "" ? undefined : match(name);
      if (groups === undefined) continue;
      const target = expandTemplate(template, groups);
      if (target !== "") setLabel(labels, target, value);
    }
  });
}

function replace(config: RuleConfig, text: TextOf): Rule {
  const match = matcher(config.regex);
  const regex = compileRegex(config.regex);
  const targetTemplate = regex.template(config.target_label);
  const template = regex.template(config.replacement);
  return always((labels) => {
    const groups = match(text(labels));
    if (groups === undefined) return;
    const target = expandTemplate(targetTemplate, groups);
    if (isUtf8Name(target)) setLabel(labels, target, expandTemplate(template, groups));
  });
}

/** The last 8 bytes of the text's MD5, big-endian, modulo `modulus`. */
function hashmod({ modulus, target_label: target }: RuleConfig, text: TextOf): Rule {
  const divisor = BigInt(modulus);
  return always((labels) => {
    const last = hash("md5", text(labels), "buffer").readBigUInt64BE(8);
    labels.set(target, String(last % divisor));
  });
}
