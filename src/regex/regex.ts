/**
 * Regular expressions as Go reads them (RE2 syntax: linear time, no back-references, no look-around). Plain
 * texts are compared as strings, everything else is matched by re2js; verdicts are kept per text.
 */
import { RE2JS, RE2JSSyntaxException } from "re2js";
import { literalTest, type Test } from "./literal.ts";
import { compileTemplate, expandTemplate, type Template } from "./template.ts";
import { TextMemo } from "./text-memo.ts";

export type { Template } from "./template.ts";

export interface RegexOptions {
  /** both: the whole text must match, as if the pattern stood in `^(?:…)$`. Default: none. */
  readonly anchor?: "none" | "both";
  /** Whether `.` also matches a line feed. Default: no, as in Go. */
  readonly dotAll?: boolean;
}

/** Texts of the groups of a match by number, the whole match first; undefined: the group did not match. */
export type Groups = readonly (string | undefined)[];

/**
 * The engine's program grows with the length of the pattern times its repetitions; Go refuses programs above
 * 128 MB, which here would already take seconds to compile.
 */
const maxProgramEstimate = 1_000_000;

const longText = 4096;

export class Regex {
  readonly pattern: string;
  /** By number of the group; "" for one without a name, and for the whole match. */
  readonly groupNames: readonly string[];
  readonly #engine: RE2JS;
  readonly #test: Test;

  private constructor(pattern: string, options: RegexOptions) {
    const anchoredBoth = options.anchor === "both";
    this.pattern = pattern;
    this.#engine = compileEngine(
      anchoredBoth ? anchored(pattern, options) : flagged(pattern, options),
    );
    this.groupNames = namesOf(this.#engine);
    this.#test = literalTest(pattern, anchoredBoth) ?? this.#memoised();
  }

  /** Throws an Error with Go's text (`error parsing regexp: missing closing ]: …`). */
  static compile(pattern: string, options: RegexOptions = {}): Regex {
    return new Regex(pattern, options);
  }

  test(text: string): boolean {
    return this.#test(text);
  }

  /** The groups of the leftmost match. */
  match(text: string): Groups | undefined {
    // Finding out where groups lie takes twenty times as long as finding out whether there is a match.
    if (text.length > longText && !this.#engine.test(text)) return undefined;
    return this.#engine.exec(text) ?? undefined;
  }

  /** Reads a template (`$1`, `${1}`, `${name}`, `$$`: Go's regexp.Expand) once, for `expand`. */
  template(text: string): Template {
    return compileTemplate(text, this.groupNames);
  }

  /** The template with the groups of the leftmost match in `text`; undefined when it does not match. */
  expand(text: string, template: Template): string | undefined {
    const groups = this.match(text);
    return groups === undefined ? undefined : expandTemplate(template, groups);
  }

  #memoised(): Test {
    const memo = new TextMemo((text) => this.#engine.test(text));
    return (text) => memo.get(text);
  }
}

function anchored(pattern: string, { dotAll }: RegexOptions): string {
  // As Prometheus writes it: its error texts show this form.
  return `^(?${dotAll ? "s" : ""}:${pattern})$`;
}

const flagged = (pattern: string, { dotAll }: RegexOptions) =>
  dotAll ? `(?s)${pattern}` : pattern;

function compileEngine(pattern: string): RE2JS {
  if (pattern.length * largestRepetition(pattern) > maxProgramEstimate) {
    throw new Error(`error parsing regexp: expression too large: ${quoted(pattern)}`);
  }
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    const description = error.getDescription();
    // Where the engine names no piece, Go quotes the whole pattern, or nothing after a trailing backslash.
    const piece = error.getPattern() ?? (description.startsWith("trailing") ? "" : pattern);
    throw new Error(`error parsing regexp: ${description}: ${quoted(piece)}`, { cause: error });
  }
}

function largestRepetition(pattern: string): number {
  let largest = 1;
  for (const [, least, most] of pattern.matchAll(/\{(\d{1,9})(?:,(\d{1,9})?)?\}/gu)) {
    largest = Math.max(largest, Number(least), Number(most ?? 0));
  }
  return Math.min(largest, 1000);
}

const quoted = (piece: string) => `\`${piece.length > 200 ? `${piece.slice(0, 200)}…` : piece}\``;

function namesOf(engine: RE2JS): string[] {
  const names = Array.from({ length: engine.groupCount() + 1 }, () => "");
  for (const [name, group] of Object.entries(engine.namedGroups())) names[group] = name;
  return names;
}
