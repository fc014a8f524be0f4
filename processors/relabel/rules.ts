/**
 * Prometheus' relabelling (model/relabel) over one set of labels. A label with an empty value is the same as
 * none; those that came empty stay in the set only so that they are told from deleted ones.
 */
import { hash } from "node:crypto";
import { isUtf8Name } from "../../src/prometheus/escape.ts";
import type { Groups } from "../../src/regex/regex.ts";
import { expandTemplate } from "../../src/regex/template.ts";
import { TextMemo } from "../../src/regex/text-memo.ts";
import { type Action, compileRegex, matchesAll, type RuleConfig } from "./config.ts";
import { toLower, toUpper } from "./letter-case.ts";

/** Label values by name; `__name__` is the metric's name. */
export type LabelMap = Map<string, string>;

/** false: the rules say drop. */
export type Rule = (labels: LabelMap) => boolean;

/**
 * A regex may run over longer texts for too long: on this one it takes up to 20 ms. The same holds for what else
 * reads a text from end to end: a long label of a resource comes with each of its series. What is only passed on or
 * compared may be longer.
 */
export const maxTextLength = 16 * 1024;

/** What a rule remembers of the texts that it matched, in characters. */
const maxMemoChars = 256 * 1024;

/** Thrown where a rule would have to read a longer text. */
export class TextTooLongError extends Error {
  override readonly name = "TextTooLongError";
}

/** Whether the rules let the labels pass; the labels are changed on the way. */
export function applyRules(rules: readonly Rule[], labels: LabelMap): boolean {
  for (const rule of rules) if (!rule(labels)) return false;
  return true;
}

export function compileRules(configs: readonly RuleConfig[]): Rule[] {
  const rules = configs.map(compileRule);
  // Where two labels are mapped to one name, their order tells which value counts.
  if (configs.some(({ action }) => action === "labelmap")) rules.unshift(sortLabels);
  return rules;
}

/** Prometheus' order: by name; labels that rules set stand behind those that came. */
const sortLabels = always((labels) => {
  const values = new Map(labels);
  labels.clear();
  for (const name of [...values.keys()].toSorted()) labels.set(name, values.get(name)!);
});

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
  return (labels) => {
    const values = sources.map((name) => labels.get(name) ?? "");
    // Before they are joined: a long text costs as soon as it is made.
    for (const value of values) checked(value);
    return checked(values.join(separator));
  };
}

function always(act: (labels: LabelMap) => void): Rule {
  return (labels) => {
    act(labels);
    return true;
  };
}

/** Sets it as the last one, or removes it. */
function setLabel(labels: LabelMap, name: string, value: string): void {
  labels.delete(name);
  if (value !== "") labels.set(name, value);
}

function mapped(
  { target_label: target }: RuleConfig,
  text: TextOf,
  map: (text: string) => string,
): Rule {
  return always((labels) => setLabel(labels, target, map(checked(text(labels)))));
}

/** A test of whole texts. */
function tester(pattern: string): (text: string) => boolean {
  if (matchesAll(pattern)) return () => true;
  const regex = compileRegex(pattern);
  return (text) => regex.test(checked(text));
}

function checked(text: string): string {
  if (text.length > maxTextLength) throw new TextTooLongError("text too long for a rule");
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

/**
 * What follows from the groups of a match of the whole text. Finding groups takes microseconds, so it is kept for
 * texts that come again.
 */
function matcher<V>(pattern: string, use: (groups: Groups) => V): (text: string) => V | undefined {
  if (matchesAll(pattern)) return (text) => use([text, text]);
  const regex = compileRegex(pattern);
  const memo = new TextMemo((text) => {
    const groups = regex.match(checked(text));
    return groups === undefined ? undefined : use(groups);
  }, maxMemoChars);
  return (text) => memo.get(text);
}

function labelMap(config: RuleConfig): Rule {
  const template = compileRegex(config.regex).template(config.replacement);
  const targetOf = matcher(config.regex, (groups) => expandTemplate(template, groups));
  return always((labels) => {
    // Labels that the rule itself makes are not mapped again.
    const before = [...labels];
    for (const [name, value] of before) {
      const target = value === "" ? undefined : targetOf(name);
      if (target !== undefined && target !== "") setLabel(labels, target, value);
    }
  });
}

function replace(config: RuleConfig, text: TextOf): Rule {
  const regex = compileRegex(config.regex);
  const targetTemplate = regex.template(config.target_label);
  const template = regex.template(config.replacement);
  const resultOf = matcher(config.regex, (groups) => ({
    target: expandTemplate(targetTemplate, groups),
    value: expandTemplate(template, groups),
  }));
  return always((labels) => {
    const result = resultOf(text(labels));
    if (result !== undefined && isUtf8Name(result.target)) {
      setLabel(labels, result.target, result.value);
    }
  });
}

/** The last 8 bytes of the text's MD5, big-endian, modulo `modulus`. */
function hashmod({ modulus, target_label: target }: RuleConfig, text: TextOf): Rule {
  const divisor = BigInt(modulus);
  return always((labels) => {
    const last = hash("md5", checked(text(labels)), "buffer").readBigUInt64BE(8);
    setLabel(labels, target, String(last % divisor));
  });
}
