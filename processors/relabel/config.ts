import { section, uint, z } from "../../src/config/fields.ts";
import { isUtf8Name } from "../../src/prometheus/escape.ts";
import { quoteText } from "../../src/prometheus/parse/go-text.ts";
import { Regex } from "../../src/regex/regex.ts";

export const actions = [
  "replace",
  "keep",
  "drop",
  "keepequal",
  "dropequal",
  "hashmod",
  "labelmap",
  "labeldrop",
  "labelkeep",
  "lowercase",
  "uppercase",
] as const;
export type Action = (typeof actions)[number];

const defaultRegex = "(.*)";
const defaultReplacement = "$1";
const defaultSeparator = ";";

const action = z
  .string()
  .default("replace")
  .transform((text, context): Action => {
    const known = actions.find((name) => name === text.toLowerCase());
    if (known !== undefined) return known;
    const message =
      text === "" ? "relabel action cannot be empty" : `unknown relabel action ${quoteText(text)}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

const labelName = z.string().refine((name) => name !== "", '"" is not a valid label name');

export const rule = section({
  source_labels: z
    .array(labelName)
    .default([])
    .describe("Labels whose values are joined by `separator` to the text that is looked at."),
  separator: z.string().default(defaultSeparator).describe("Stands between the joined values."),
  regex: z
    .string()
    .default(defaultRegex)
    .describe("RE2 pattern for the whole text (for label actions: for the label's name)."),
  modulus: uint().default(0).describe("hashmod: the hash of the text is taken modulo this."),
  target_label: z
    .string()
    .default("")
    .describe("Label that is written, or compared; replace puts groups of the regex in ($1)."),
  replacement: z
    .string()
    .default(defaultReplacement)
    .describe("Text for replace, name for labelmap; $1 or $${1} stand for groups of the regex."),
  action: action.describe(`What to do: ${actions.join(", ")}.`),
}).superRefine((value, context) => {
  const message = mistakeOf(value);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

export type RuleConfig = z.output<typeof rule>;

export const config = section({
  relabel_configs: z
    .array(rule)
    .min(1, "requires at least one relabel config")
    .describe("Rules in Prometheus' form, applied one after another to the labels of each point."),
});

const writing: ReadonlySet<Action> = new Set([
  "replace",
  "hashmod",
  "lowercase",
  "uppercase",
  "keepequal",
  "dropequal",
]);
const withoutReplacement: ReadonlySet<Action> = new Set([
  "lowercase",
  "uppercase",
  "keepequal",
  "dropequal",
]);

/** What Prometheus says of a rule that cannot be; undefined: it can. */
function mistakeOf(value: Readonly<Record<keyof RuleConfig, unknown>>): string | undefined {
  // The keys were checked before; a wrong action has its own message.
  const checked = value as RuleConfig;
  return regexMistake(checked) ?? targetMistake(checked) ?? extraFieldMistake(checked);
}

function targetMistake(value: RuleConfig): string | undefined {
  const { action: what, target_label: target, replacement } = value;
  if (what === "hashmod" && value.modulus === 0) {
    return "relabel configuration for hashmod requires non-zero modulus";
  }
  if (writing.has(what) && target === "") {
    return `relabel configuration for ${what} action requires 'target_label' value`;
  }
  if (writing.has(what) && !isUtf8Name(target)) {
    return `${quoteText(target)} is invalid 'target_label' for ${what} action`;
  }
  if (withoutReplacement.has(what) && replacement !== defaultReplacement) {
    return `'replacement' can not be set for ${what} action`;
  }
  if (what === "labelmap" && !isUtf8Name(replacement)) {
    return `${quoteText(replacement)} is invalid 'replacement' for ${what} action`;
  }
  return undefined;
}

function extraFieldMistake(value: RuleConfig): string | undefined {
  const { action: what } = value;
  const plain =
    value.modulus === 0 &&
    value.separator === defaultSeparator &&
    value.replacement === defaultReplacement;
  if (what === "dropequal" || what === "keepequal") {
    if (plain && value.regex === defaultRegex) return undefined;
    return `${what} action requires only 'source_labels' and \`target_label\`, and no other fields`;
  }
  if (what !== "labeldrop" && what !== "labelkeep") return undefined;
  if (plain && value.source_labels.length === 0 && value.target_label === "") return undefined;
  return `${what} action requires only 'regex', and no other fields`;
}

function regexMistake(value: RuleConfig): string | undefined {
  try {
    compileRegex(value.regex);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Prometheus' reading: the whole text must match, and a dot matches a line feed too. */
export function compileRegex(pattern: string): Regex {
  return Regex.compile(pattern, { anchor: "both", dotAll: true });
}

/** Whether the pattern matches everything, with all of it in group 1. */
export const matchesAll = (pattern: string) => pattern === defaultRegex;
