import { actionFields, actionProblem } from "../../src/attribute-actions/config.ts";
import { section, z } from "../../src/config/fields.ts";

/** The keys of the Collector's resource processor. */
export const config = section({
  attributes: z
    .array(actionFields)
    .default([])
    .describe("Actions on the attributes of each resource, in order; at least one."),
}).superRefine(({ attributes }, context) => {
  const fail = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  if (attributes.length === 0) fail(["attributes"], `missing required field "attributes"`);
  for (const [index, action] of attributes.entries()) {
    const problem = actionProblem(action, index);
    if (problem !== undefined) fail(["attributes", index], problem);
  }
});

export type ResourceConfig = z.output<typeof config>;
