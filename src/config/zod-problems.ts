/** What zod finds wrong, in the Collector's words. */
import type { z } from "./fields.ts";
import type { Problem } from "./problems.ts";
import { type Field, fieldOf } from "./shape.ts";
import type { Position } from "./source.ts";
import { hintFor } from "./suggest.ts";
import { type ConfigNode, positionOf } from "./tree.ts";

type ZodIssue = z.core.$ZodIssue;
type Path = readonly (string | number)[];

/** What is known of the section that is parsed. */
interface Section {
  readonly base: readonly string[];
  readonly root: ConfigNode;
  /** Its key. */
  readonly start: Position;
  /** Paths already complained about. */
  readonly removed: Path[];
}

const reported = { reportInput: true } as const;

/** Passes of zod: each takes out what is wrong, so that the checks behind it run too. */
const maxPasses = 4;

/** Parses the input; all issues, also those that zod would report only once the first ones are mended. */
export function zodProblems(
  schema: z.ZodType,
  input: unknown,
  section: Section,
): { value?: unknown; issues: Problem[] } {
  const issues: Problem[] = [];
  const known = new Set<string>();
  const first = schema.safeParse(input, reported);
  if (first.success) return { value: first.data, issues };
  let current = input;
  let found: readonly ZodIssue[] = first.error.issues;
  for (let pass = 0; pass < maxPasses && found.length > 0; pass++) {
    const removed: Path[] = [];
    for (const issue of found) {
      const path = issue.path as Path;
      const key = `${path.join("\n")}\n${issue.code}\n${issue.message}`;
      if (known.has(key) || section.removed.some((gone) => related(gone, path))) continue;
      known.add(key);
      issues.push(problemOf(schema, issue, section));
      if (path.length > 0) removed.push(path);
    }
    if (removed.length === 0) break;
    section.removed.push(...removed);
    current = without(current, removed);
    found = schema.safeParse(current, reported).error?.issues ?? [];
  }
  return { issues };
}

/** Whether one path leads through the other. */
const related = (a: Path, b: Path) =>
  a.slice(0, b.length).every((step, index) => String(step) === String(b[index]));

function without(value: unknown, paths: readonly Path[]): unknown {
  let result = value;
  for (const path of paths) result = withoutPath(result, path);
  return result;
}

/** A copy without what stands at a path; list members stay where they are, as undefined. */
function withoutPath(value: unknown, [step, ...rest]: Path): unknown {
  if (step === undefined || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((item, index) =>
      index === Number(step) ? (rest.length === 0 ? undefined : withoutPath(item, rest)) : item,
    );
  }
  const copy: Record<string, unknown> = { ...value };
  if (rest.length === 0) delete copy[String(step)];
  else if (Object.hasOwn(copy, String(step)))
    copy[String(step)] = withoutPath(copy[String(step)], rest);
  return copy;
}

function problemOf(schema: z.ZodType, issue: ZodIssue, section: Section): Problem {
  const path = issue.path as Path;
  const { field, secret } = fieldAt(schema, path);
  const { text, hint } = describe(issue, field, secret);
  const full = [...section.base, ...path.map(String)];
  const isDecode = issue.code === "invalid_value" || text.startsWith("time: ");
  // The Collector names the section whose check failed, not the field that the check is about.
  const checked = issue.code === "custom" && path.length > 0 && field?.checksItself !== true;
  const place = (checked ? full.slice(0, -1) : full).join("::");
  const message = isDecode ? `'${path.join(".")}' ${text}` : `${place}: ${text}`;
  return {
    stage: isDecode ? "decode" : "validate",
    message,
    path: full,
    at: positionOf(section.root, path, section.start),
    hint,
  };
}

/** The field a path leads to, and whether a secret is on the way. */
function fieldAt(schema: z.ZodType, path: Path): { field: Field | undefined; secret: boolean } {
  let field: Field | undefined = fieldOf(schema);
  let secret = field.meta.secret === true;
  for (const step of path) {
    const { def }: Field = field;
    const next: z.core.$ZodType | undefined =
      def.shape?.[String(step)] ?? def.valueType ?? def.element ?? def.items?.[Number(step)];
    if (next === undefined) return { field: undefined, secret };
    field = fieldOf(next);
    secret ||= field.meta.secret === true;
  }
  return { field, secret };
}

/** Says what is wrong in plain words; values only where they are no secret. */
function describe(
  issue: ZodIssue,
  field: Field | undefined,
  secret: boolean,
): { text: string; hint?: string | undefined } {
  if (secret) return { text: issue.code === "invalid_type" ? "must be specified" : "is not valid" };
  if (issue.code === "invalid_value") return valueText(issue);
  if (issue.code === "invalid_type") {
    return { text: issue.input === undefined ? "must be specified" : issue.message };
  }
  if (issue.code === "too_small" || issue.code === "too_big") {
    return { text: ownText(issue) ?? bound(issue) };
  }
  if (issue.code === "invalid_union") return { text: unionText(issue, field) };
  return { text: issue.message, hint: hintOf(issue) };
}

/** A check of our own may say what to write instead. */
function hintOf(issue: ZodIssue): string | undefined {
  const hint: unknown = issue.code === "custom" ? issue.params?.["hint"] : undefined;
  return typeof hint === "string" ? hint : undefined;
}

/** What the schema itself says, usually in the Collector's words; undefined: zod's default. */
function ownText({ message }: ZodIssue): string | undefined {
  return /^(?:Invalid (?:option|input)|Too (?:small|big)):/u.test(message) ? undefined : message;
}

function valueText(issue: z.core.$ZodIssueInvalidValue): { text: string; hint?: string } {
  // "" stands for "not given" and is nobody's choice.
  const values = issue.values.map(String).filter((value) => value !== "");
  if (issue.input === undefined) return { text: "must be specified" };
  const valid = `(valid values: [${values.join(" ")}])`;
  if (typeof issue.input !== "string") return { text: `unsupported value ${valid}` };
  const text = ownText(issue) ?? `unsupported value ${JSON.stringify(issue.input)}`;
  return {
    text: `${text} ${valid}`,
    hint: hintFor(issue.input, values, "values"),
  };
}

function bound(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const small = issue.code === "too_small";
  const limit = Number(small ? issue.minimum : issue.maximum);
  const side = small ? "least" : "most";
  if (issue.origin === "string" || issue.origin === "array") {
    if (small && limit === 1) return "must not be empty";
    return `must have at ${side} ${limit} ${issue.origin === "string" ? "characters" : "members"}`;
  }
  const inclusive = issue.inclusive !== false;
  if (small && limit === 0) return inclusive ? "must be non-negative" : "must be positive";
  if (!inclusive) return `must be ${small ? "greater" : "less"} than ${limit}`;
  return `must be at ${side} ${limit}`;
}

function unionText(issue: z.core.$ZodIssueInvalidUnion, field: Field | undefined): string {
  const deepest = issue.errors.flat().toSorted((a, b) => b.path.length - a.path.length)[0];
  if (deepest === undefined || field?.def.discriminator !== undefined) return issue.message;
  const where = deepest.path.length === 0 ? "" : `${deepest.path.join("::")}: `;
  return `${where}${deepest.message}`;
}
