/**
 * A text the configuration was read from, and what of it may be shown. Error excerpts print whole lines, and
 * a line may hold a password; so a value is shown only after a schema said that it is no secret.
 */

/** Where something stands. Lines and columns count from 1; `endColumn` is exclusive. */
export interface Position {
  readonly source: Source;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** A line made fit to be shown, with the column that stands for the asked one. */
export interface ShownLine {
  readonly text: string;
  readonly column: number;
  readonly length: number;
}

/** A value that consists of references only shows no secret: `${env:TOKEN}`. */
const onlyReferences = /^["']?(\$\{[^}:]*(:[^}:-]*)?\})+["']?$/u;

/** Keys whose values look secret; used only where no schema can tell (texts that do not parse). */
export const secretKey =
  /(passw|secret|token|credential|api[-_]?key|private[-_]?key|authorization|bearer|cookie)/iu;

const position = (line: number, column: number) => line * 0x10000000 + column;

export class Source {
  readonly name: string;
  readonly lines: readonly string[];
  /** Values by the lines they stand on. */
  readonly #values = new Map<number, Position[]>();
  readonly #plain = new Set<number>();
  readonly #secret = new Set<number>();
  #complete = false;

  constructor(name: string, text: string) {
    this.name = name;
    this.lines = text.split(/\r?\n/u);
  }

  /** Registers a value of the text; hidden until revealed. */
  addValue(at: Position): void {
    for (let line = at.line; line <= at.endLine; line++) {
      const values = this.#values.get(line);
      if (values === undefined) this.#values.set(line, [at]);
      else values.push(at);
    }
  }

  /** A schema says that this value is no secret. */
  reveal(at: Position): void {
    this.#plain.add(position(at.line, at.column));
  }

  /** A schema says that this value is a secret; outweighs `reveal`. */
  hide(at: Position): void {
    this.#secret.add(position(at.line, at.column));
  }

  /** All values of the text are registered; until then its lines are shown by `roughLine`. */
  markComplete(): void {
    this.#complete = true;
  }

  /** The line of a position with every value masked that is not known to be harmless. */
  shownLine(at: Position): ShownLine {
    if (!this.#complete) return this.#roughLine(at);
    const line = this.lines[at.line - 1] ?? "";
    const endColumn = at.endLine === at.line ? at.endColumn : line.length + 1;
    const hidden = (this.#values.get(at.line) ?? [])
      .filter((value) => this.#isHidden(value))
      .map((value) => ({
        from: value.line === at.line ? value.column - 1 : indentOf(line),
        to: value.endLine === at.line ? value.endColumn - 1 : line.length,
        mask: this.#secret.has(position(value.line, value.column)) ? "[REDACTED]" : "…",
      }))
      .filter((range) => range.to > range.from)
      .toSorted((a, b) => a.from - b.from);
    return maskLine(line, at.column, endColumn, hidden);
  }

  /** The line as it stands, but for what looks like a secret: for texts that did not parse. */
  #roughLine(at: Position): ShownLine {
    const line = this.lines[at.line - 1] ?? "";
    return maskLine(line, at.column, at.column + 1, roughMasks(line));
  }

  #isHidden(value: Position): boolean {
    const key = position(value.line, value.column);
    if (this.#secret.has(key)) return true;
    if (this.#plain.has(key)) return false;
    if (value.line !== value.endLine) return true;
    const text = this.lines[value.line - 1]!.slice(value.column - 1, value.endColumn - 1);
    return !onlyReferences.test(text);
  }
}

/**
 * Behind a key that looks secret, all of it; elsewhere user and password of a URL, and long words with letters and
 * digits (keys, tokens).
 */
function roughMasks(line: string): Mask[] {
  const key = secretKey.exec(line);
  if (key !== null) {
    const colon = line.indexOf(":");
    const from = colon >= 0 ? colon + 1 : key.index + key[0].length;
    return [{ from, to: line.length, mask: " …" }];
  }
  const words = line.matchAll(
    /(?<=:\/\/)[^\s/@]+(?=@)|(?=[^\s:]*[A-Za-z])(?=[^\s:]*[0-9+/=])[A-Za-z0-9+/=_-]{20,}/gu,
  );
  return [...words].map(({ index, 0: word }) => ({
    from: index,
    to: index + word.length,
    mask: "…",
  }));
}

const indentOf = (line: string) => line.length - line.trimStart().length;

interface Mask {
  readonly from: number;
  readonly to: number;
  readonly mask: string;
}

function maskLine(
  line: string,
  column: number,
  endColumn: number,
  masks: readonly Mask[],
): ShownLine {
  let text = "";
  let done = 0;
  let shift = 0;
  let shownEnd = endColumn;
  for (const { from, to, mask } of masks) {
    if (from < done) continue;
    text += line.slice(done, from) + mask;
    done = to;
    const grown = mask.length - (to - from);
    if (from < column - 1) shift += grown;
    if (to <= endColumn - 1) shownEnd += grown;
  }
  // A comment behind the last value may hold an old password; it never helps.
  text += line.slice(done).replace(/(^|\s)#.*$/u, "");
  text = text.trimEnd();
  const shownColumn = Math.min(column + shift, Math.max(text.length, 1));
  const length = Math.max(1, Math.min(shownEnd, text.length + 1) - shownColumn);
  return { text, column: shownColumn, length };
}
