/** The actions of the attributes and resource processors, with the Collector's rules and texts. */
import { section, z } from "../config/fields.ts";
import { Regex } from "../regex/regex.ts";

const kinds = ["insert", "update", "upsert", "delete", "hash", "extract", "convert"] as const;
export type ActionKind = (typeof kinds)[number];

export const actionFields = section({
  key: z.string().default("").describe("Attribute to act upon."),
  value: z
    .unknown()
    .optional()
    .describe("Value to set; its type is that of the YAML value, whole numbers become integers."),
  pattern: z
    .string()
    .default("")
    .describe(
      "extract: regular expression whose named groups become attributes; delete, hash: of further keys.",
    ),
  from_attribute: z.string().default("").describe("Take the value from this attribute."),
  from_context: z
    .string()
    .default("")
    .describe("Take the value from the request's metadata: `metadata.<name>`."),
  default_value: z
    .unknown()
    .optional()
    .describe("Value to set where `from_attribute` or `from_context` gives none."),
  converted_type: z.string().default("").describe("convert: int, double or string."),
  action: z
    .string()
    .default("")
    .describe("insert, update, upsert, delete, hash, extract or convert, in any case."),
});

export type ActionConfig = z.output<typeof actionFields>;

/** What the action is; undefined where it is none. */
export function kindOf({ action }: ActionConfig): ActionKind | undefined {
  const lower = action.toLowerCase();
  return kinds.find((kind) => kind === lower);
}

/** Why an action is wrong, in the Collector's words. */
export function actionProblem(action: ActionConfig, index: number): string | undefined {
  const kind = kindOf(action);
  const usesPattern = kind === "delete" || kind === "hash";
  if (action.key === "" && !usesPattern) {
    return `error creating AttrProc due to missing required field "key" at the ${index}-th action`;
  }
  if (action.key === "" && action.pattern === "") {
    return `error creating AttrProc due to missing required field (at least one of "key" and "pattern" have to be used) at the ${index}-th action`;
  }
  const problem =
    kind === undefined
      ? ` due to unsupported action ${JSON.stringify(action.action.toLowerCase())}`
      : problems[kind](action, kind);
  if (problem === undefined) return undefined;
  return `error with key ${JSON.stringify(action.key)} (${index}-th action): error creating AttrProc${problem}`;
}

type Problem = (action: ActionConfig, kind: ActionKind) => string | undefined;

const isSet = (value: unknown) => value !== undefined && value !== null;

const sourceCount = ({ value, from_attribute, from_context }: ActionConfig) =>
  [isSet(value), from_attribute !== "", from_context !== ""].filter(Boolean).length;

const setProblem: Problem = (action, kind) => {
  const sources = sourceCount(action);
  if (sources === 0 && !isSet(action.default_value)) {
    return `. Either field "value", "from_attribute", "from_context", or "default_value" must be specified`;
  }
  if (sources > 1) return " due to multiple value sources being set";
  if (action.pattern !== "") return unused(kind, `the "pattern" field. This`);
  return typeProblem(action, kind);
};

const removeProblem: Problem = (action, kind) => {
  if (isSet(action.value) || action.from_attribute !== "") {
    return unused(kind, `"value" or "from_attribute" field. These`);
  }
  return patternProblem(action) ?? typeProblem(action, kind);
};

const extractProblem: Problem = (action, kind) => {
  if (sourceCount(action) > 0) return unused(kind, "a value source field. These");
  if (action.pattern === "") return missing("pattern", kind);
  return typeProblem(action, kind) ?? patternProblem(action) ?? groupProblem(action);
};

const convertProblem: Problem = (action, kind) => {
  if (sourceCount(action) > 0 || action.pattern !== "") {
    return unused(kind, `value sources or "pattern" field. These`);
  }
  const type = action.converted_type;
  if (type === "") return missing("converted_type", kind);
  if (["int", "double", "string"].includes(type)) return undefined;
  return ` due to invalid value "${type}" in field "converted_type" for action "${kind}"`;
};

const problems: Readonly<Record<ActionKind, Problem>> = {
  insert: setProblem,
  update: setProblem,
  upsert: setProblem,
  delete: removeProblem,
  hash: removeProblem,
  extract: extractProblem,
  convert: convertProblem,
};

const missing = (field: string, kind: ActionKind) =>
  ` due to missing required field "${field}" for action "${kind}"`;

const unused = (kind: ActionKind, what: string) =>
  `. Action "${kind}" does not use ${what} must not be specified`;

const typeProblem: Problem = ({ converted_type }, kind) =>
  converted_type === "" ? undefined : unused(kind, `the "converted_type" field. This`);

function patternProblem({ pattern }: ActionConfig): string | undefined {
  try {
    Regex.compile(pattern);
    return undefined;
  } catch (error) {
    return `. Field "pattern" has invalid pattern: "${shown(pattern)}" (${(error as Error).message})`;
  }
}

const shown = (pattern: string) => (pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern);

function groupProblem({ pattern }: ActionConfig): string | undefined {
  const names = Regex.compile(pattern).groupNames.slice(1);
  if (names.length === 0) return `. Field "pattern" contains no named matcher groups`;
  if (!names.includes("")) return undefined;
  return `. Field "pattern" contains at least one unnamed matcher group`;
}
