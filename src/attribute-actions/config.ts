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
    return `error creating AttrProc due to missing required field "key" at the ${index}-th actions`;
  }
  if (action.key === "" && action.pattern === "") {
    return `error creating AttrProc due to missing required field (at least one of "key" and "pattern" have to be used) at the ${index}-th actions`;
  }
  if (kind === undefined) {
    return `error creating AttrProc due to unsupported action ${JSON.stringify(action.action.toLowerCase())} at the ${index}-th actions`;
  }
  return problems[kind](action, kind, index);
}

type Problem = (action: ActionConfig, kind: ActionKind, index: number) => string | undefined;

const sourceCount = ({ value, from_attribute, from_context }: ActionConfig) =>
  [value !== undefined && value !== null, from_attribute !== "", from_context !== ""].filter(
    Boolean,
  ).length;

const setProblem: Problem = (action, kind, index) => {
  const sources = sourceCount(action);
  if (sources === 0) {
    return `error creating AttrProc. Either field "value", "from_attribute" or "from_context" setting must be specified for ${index}-th action`;
  }
  if (sources > 1) {
    return `error creating AttrProc due to multiple value sources being set at the ${index}-th actions`;
  }
  if (action.pattern !== "") return unused(kind, `the "pattern" field. This`, index);
  return typeProblem(action, kind, index);
};

const removeProblem: Problem = (action, kind, index) => {
  const hasValue = action.value !== undefined && action.value !== null;
  if (hasValue || action.from_attribute !== "") {
    return unused(kind, `"value" or "from_attribute" field. These`, index);
  }
  return patternProblem(action, index) ?? typeProblem(action, kind, index);
};

const extractProblem: Problem = (action, kind, index) => {
  if (sourceCount(action) > 0) return unused(kind, "a value source field. These", index);
  if (action.pattern === "") return missing("pattern", kind, index);
  return (
    typeProblem(action, kind, index) ?? patternProblem(action, index) ?? groupProblem(action, index)
  );
};

const convertProblem: Problem = (action, kind, index) => {
  if (sourceCount(action) > 0 || action.pattern !== "") {
    return unused(kind, `value sources or "pattern" field. These`, index);
  }
  const type = action.converted_type;
  if (type === "") return missing("converted_type", kind, index);
  if (["int", "double", "string"].includes(type)) return undefined;
  return `error creating AttrProc due to invalid value "${type}" in field "converted_type" for action "${kind}" at the ${index}-th action`;
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

const missing = (field: string, kind: ActionKind, index: number) =>
  `error creating AttrProc due to missing required field "${field}" for action "${kind}" at the ${index}-th action`;

const unused = (kind: ActionKind, what: string, index: number) =>
  `error creating AttrProc. Action "${kind}" does not use ${what} must not be specified for ${index}-th action`;

const typeProblem: Problem = ({ converted_type }, kind, index) =>
  converted_type === "" ? undefined : unused(kind, `the "converted_type" field. This`, index);

function patternProblem({ pattern }: ActionConfig, index: number): string | undefined {
  try {
    Regex.compile(pattern);
    return undefined;
  } catch (error) {
    return `error creating AttrProc. Field "pattern" has invalid pattern: "${shown(pattern)}" to be set at the ${index}-th actions (${(error as Error).message})`;
  }
}

const shown = (pattern: string) => (pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern);

function groupProblem({ pattern }: ActionConfig, index: number): string | undefined {
  const names = Regex.compile(pattern).groupNames.slice(1);
  if (names.length === 0) {
    return `error creating AttrProc. Field "pattern" contains no named matcher groups at the ${index}-th actions`;
  }
  if (!names.includes("")) return undefined;
  return `error creating AttrProc. Field "pattern" contains at least one unnamed matcher group at the ${index}-th actions`;
}
