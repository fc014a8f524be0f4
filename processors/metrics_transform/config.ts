import { refused, section, z } from "../../src/config/fields.ts";
import { Regex } from "../../src/regex/regex.ts";

/** In the Collector's order, which its error texts show. */
const matchTypes = ["strict", "regexp"] as const;
const actions = ["insert", "update", "combine", "group"] as const;
const aggregationTypes = ["sum", "mean", "min", "max", "median", "count"] as const;
const submatchCases = ["lower", "upper"] as const;
const operationActions = [
  "add_label",
  "update_label",
  "delete_label_value",
  "toggle_scalar_data_type",
  "experimental_scale_value",
  "aggregate_labels",
  "aggregate_label_values",
] as const;

export type Action = (typeof actions)[number];
export type Aggregation = (typeof aggregationTypes)[number];
export type OperationAction = (typeof operationActions)[number];

const text = () => z.string().default("");
const texts = () => z.array(z.string()).default([]);

const valueAction = section({
  value: text().describe("Present value."),
  new_value: text().describe("Value that takes its place."),
});

const operation = section({
  action: text().describe(`What to do: ${operationActions.join(", ")}.`),
  label: text().describe("Label to operate on."),
  new_label: text().describe("New name of the label; add_label: its name."),
  new_value: text().describe("add_label, aggregate_label_values: the value it gets."),
  label_value: text().describe("delete_label_value: points with this value are dropped."),
  label_set: texts().describe("aggregate_labels: labels to keep; none where absent."),
  aggregation_type: text().describe(
    `How points are merged: ${aggregationTypes.join(", ")}; where absent they are kept apart.`,
  ),
  aggregated_values: texts().describe("aggregate_label_values: values that become `new_value`."),
  experimental_scale: z.number().default(0).describe("experimental_scale_value: the factor."),
  value_actions: z
    .array(valueAction)
    .default([])
    .describe("update_label: new values for present ones."),
});

export type OperationConfig = z.output<typeof operation>;

const transform = section({
  include: text().describe("Name of the metrics, or a regular expression that it contains."),
  match_type: text().describe("strict (also where absent) or regexp."),
  experimental_match_labels: z
    .record(z.string(), z.string())
    .default({})
    .describe("Only points with these label values; with match_type regexp, expressions."),
  action: text().describe("update, insert (transform a copy), combine or group."),
  new_name: text().describe("New name; with regexp, $1 and ${name} are groups of `include`."),
  group_resource_labels: z
    .record(z.string(), z.string())
    .optional()
    .describe("group: attributes of the new resource."),
  aggregation_type: text().describe(
    "combine: how points of equal labels and time are merged; where absent they are kept apart.",
  ),
  submatch_case: text().describe("combine: lower or upper case for labels made of groups."),
  operations: z.array(operation).default([]).describe("Operations on the metrics, in order."),
  metric_name: refused("it was replaced by `include`"),
});

export type TransformConfig = z.output<typeof transform>;

export const fields = section({
  transforms: z
    .array(transform)
    .default([])
    .describe("Transforms, in order; each sees what those before it left."),
});

const oneOf = (name: string, values: readonly string[]) =>
  `"${name}" must be in [${values.map((value) => `"${value}"`).join(" ")}]`;
const isOneOf = (values: readonly string[], value: string) => values.includes(value);
const missing = (field: string, action: string) =>
  `missing required field "${field}" while "action" is ${action}`;

/** Why a transform is wrong, in the Collector's words; the checks are in its order. */
function transformProblem(config: TransformConfig): string | undefined {
  if (config.include === "") return `missing required field "include"`;
  return (
    optionProblem("match_type", matchTypes, config.match_type) ??
    patternProblem(config) ??
    actionProblem(config) ??
    optionProblem("aggregation_type", aggregationTypes, config.aggregation_type) ??
    optionProblem("submatch_case", submatchCases, config.submatch_case) ??
    operationsProblem(config.operations)
  );
}

/** A key that may be left out. */
const optionProblem = (name: string, values: readonly string[], value: string) =>
  value === "" || values.includes(value) ? undefined : oneOf(name, values);

function actionProblem(config: TransformConfig): string | undefined {
  const { action, new_name, group_resource_labels } = config;
  if (!isOneOf(actions, action)) return oneOf("action", actions);
  if ((action === "insert" || action === "combine") && new_name === "") {
    return missing("new_name", action);
  }
  if (action !== "group" || group_resource_labels !== undefined) return undefined;
  return missing("group_resource_labels", action);
}

function operationsProblem(operations: readonly OperationConfig[]): string | undefined {
  for (const [index, entry] of operations.entries()) {
    const problem = operationProblem(entry);
    if (problem !== undefined) return `operation ${index + 1}: ${problem}`;
  }
  return undefined;
}

function patternProblem(config: TransformConfig): string | undefined {
  if (config.match_type !== "regexp") return undefined;
  const patterns = Object.values(config.experimental_match_labels);
  const wrong = compileProblem(config.include);
  if (wrong !== undefined) return `"include", ${wrong}`;
  return patterns.map(compileProblem).find((problem) => problem !== undefined);
}

function compileProblem(pattern: string): string | undefined {
  try {
    Regex.compile(pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function operationProblem(config: OperationConfig): string | undefined {
  const { action, aggregation_type } = config;
  if (!isOneOf(operationActions, action)) return oneOf("action", operationActions);
  if (action === "update_label" && config.label === "") return missing("label", action);
  if (action === "add_label" && config.new_label === "") return missing("new_label", action);
  if (action === "add_label" && config.new_value === "") return missing("new_value", action);
  if (action === "experimental_scale_value" && config.experimental_scale === 0) {
    return missing("experimental_scale", action);
  }
  if (aggregation_type !== "" && !isOneOf(aggregationTypes, aggregation_type)) {
    return oneOf("aggregation_type", aggregationTypes);
  }
  const newValues = [config.new_value, ...config.value_actions.map((entry) => entry.new_value)];
  if (newValues.some((value) => value.includes("{{version}}"))) {
    return `"new_value": {{version}} is not replaced here, write the version`;
  }
  return undefined;
}

/** The keys of the Collector's metricstransform processor. */
export const config = fields.superRefine(({ transforms }, context) => {
  for (const [index, entry] of transforms.entries()) {
    const message = transformProblem(entry);
    if (message === undefined) continue;
    context.addIssue({ code: "custom", path: ["transforms", index], message });
  }
});
