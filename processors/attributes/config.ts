import { actionFields, actionProblem } from "../../src/attribute-actions/config.ts";
import { optionalSection, section, z } from "../../src/config/fields.ts";
import { matchFields, matchProblem } from "./match-config.ts";

/** The keys of the Collector's attributes processor. */
export const config = section({
  include: optionalSection("none", matchFields).describe(
    "Only what has all of these properties is processed.",
  ),
  exclude: optionalSection("none", matchFields).describe(
    "What has all of these properties is not processed.",
  ),
  actions: z
    .array(actionFields)
    .default([])
    .describe("Actions on the attributes, in order; at least one."),
}).superRefine((value, context) => {
  const fail = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  if (value.actions.length === 0) fail(["actions"], `missing required field "actions"`);
  for (const [index, action] of value.actions.entries()) {
    const problem = actionProblem(action, index);
    if (problem !== undefined) fail(["actions", index], problem);
  }
  for (const key of ["include", "exclude"] as const) {
    const problem = value[key] && matchProblem(value[key]);
    if (problem !== undefined) fail([key], problem);
  }
});

export type AttributesConfig = z.output<typeof config>;
