/** What is wrong with a configuration, and how that is said on a terminal. */
import type { Position } from "./source.ts";

/**
 * In which step a mistake was found; each has the Collector's own introduction.
 *
 * - resolve: reading, `${…}`; - syntax: YAML; - decode: keys and types; - validate: values and references;
 * - build: the pipeline graph
 */
export type Stage = "resolve" | "syntax" | "decode" | "validate" | "build";

export interface Problem {
  readonly stage: Stage;
  /** The Collector's text where it has one. */
  readonly message: string;
  /** Where the message belongs (`exporters`, and `otlp_http/eu` in it); for grouping. */
  readonly section?: string | undefined;
  readonly id?: string | undefined;
  /** Full path, printed with `::`. */
  readonly path: readonly string[];
  readonly at?: Position | undefined;
  /** What to do about it: did you mean, valid values. */
  readonly hint?: string | undefined;
}

/** Something to know that does not stop the service. */
export interface Notice {
  readonly level: "warn" | "info";
  readonly message: string;
  readonly path?: readonly string[] | undefined;
  readonly at?: Position | undefined;
}

const decodingFailed = "decoding failed due to the following error(s):";

const introductions: Readonly<Record<Stage, string>> = {
  resolve: "failed to get config: cannot resolve the configuration: ",
  syntax:
    "failed to get config: cannot resolve the configuration: retrieved value (type=string) cannot be used as a Conf: assuming string type since contents are not valid YAML:\n\n",
  decode: `failed to get config: cannot unmarshal the configuration: ${decodingFailed}\n\n`,
  validate: "invalid configuration: ",
  build: "failed to build pipelines: ",
};

const stages = Object.keys(introductions) as Stage[];

/** All problems as text: the Collector's words first, then file, line, the line itself and what to do. */
export function formatProblems(problems: readonly Problem[]): string {
  return stages
    .map((stage) => ({ stage, found: problems.filter((problem) => problem.stage === stage) }))
    .filter(({ found }) => found.length > 0)
    .map(({ stage, found }) => introductions[stage] + formatStage(stage, found))
    .join("\n\n");
}

function formatStage(stage: Stage, problems: readonly Problem[]): string {
  if (stage !== "decode") return problems.map(formatProblem).join("\n");
  const groups = Map.groupBy(problems, (problem) => `${problem.section}\n${problem.id}`);
  return [...groups.values()].map(formatComponent).join("\n\n");
}

function formatComponent(problems: readonly Problem[]): string {
  const { section, id } = problems[0]!;
  const body = problems.toSorted(byPlace).map(formatProblem).join("\n");
  if (section === undefined) return body;
  if (id === undefined) return body;
  return `'${section}' error reading configuration for ${JSON.stringify(id)}: ${decodingFailed}\n\n${body}`;
}

/** As they stand in the file; problems of different files stay as they were found. */
function byPlace({ at: a }: Problem, { at: b }: Problem): number {
  if (a === undefined || b === undefined || a.source !== b.source) return 0;
  return a.line - b.line || a.column - b.column;
}

/** One problem: message, place, excerpt, hint. */
export function formatProblem(problem: Problem): string {
  const lines = [problem.message];
  if (problem.at !== undefined) {
    const path = problem.path.length === 0 ? "" : ` (${problem.path.join("::")})`;
    lines.push(`  at ${formatPosition(problem.at)}${path}`, ...excerpt(problem.at));
  }
  if (problem.hint !== undefined) lines.push(`  ${problem.hint}`);
  return lines.join("\n");
}

export function formatNotice(notice: Notice): string {
  const place = notice.at === undefined ? "" : ` (${formatPosition(notice.at)})`;
  return `${notice.message}${place}`;
}

export const formatPosition = (at: Position) => `${at.source.name}:${at.line}:${at.column}`;

/** Longest piece of a line that is shown; a minified file has one line. */
const maxShown = 160;

function excerpt(at: Position): string[] {
  const shown = at.source.shownLine(at);
  if (shown.text.trim() === "") return [];
  const from = shown.column > maxShown - 40 ? shown.column - 40 : 0;
  const text = shown.text.slice(from, from + maxShown).replaceAll("\t", " ");
  const number = String(at.line);
  const carets = "^".repeat(Math.max(1, Math.min(shown.length, maxShown - (shown.column - from))));
  return [
    `    ${number} | ${text}`,
    `    ${" ".repeat(number.length)} | ${" ".repeat(Math.max(0, shown.column - 1 - from))}${carets}`,
  ];
}
