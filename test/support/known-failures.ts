import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Cases that do not pass yet, with what they wait for; a section for each suite, between its markers. */
const page = join(__dirname, "../conformance/known-failures.md");

const markers = (section: string) =>
  [`<!-- ${section}:begin -->`, `<!-- ${section}:end -->`] as const;

/** The rows of a section: case to what it needs. */
export function knownFailures(section: string): Map<string, string> {
  const [begin, end] = markers(section);
  const text = readFileSync(page, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} lacks the markers ${begin} and ${end}`);
  const rows = text.slice(from, to).matchAll(/^\| `(.+?)` \| (.+) \|$/gmu);
  return new Map(Array.from(rows, ([, name, needs]) => [name!, needs!]));
}

/**
 * Writes a section where UPDATE_KNOWN_FAILURES is set: after a component was added, so that its cases leave the
 * list. Otherwise the test compares.
 */
export function updateKnownFailures(section: string, failing: ReadonlyMap<string, string>): void {
  if (process.env["UPDATE_KNOWN_FAILURES"] === undefined) return;
  const [begin, end] = markers(section);
  const text = readFileSync(page, "utf8");
  const rows = Array.from(failing, ([name, needs]) => `| \`${name}\` | ${needs} |`);
  const table = ["| case | needs |", "|---|---|", ...rows].join("\n");
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  writeFileSync(page, `${text.slice(0, from)}\n${table}\n${text.slice(to)}`);
}
