/**
 * Patterns that are a plain text, anchored or not, are by far the most frequent: they are answered by comparing
 * strings. Everything else is left to the engine.
 */

/** How a text is tested. */
export type Test = (text: string) => boolean;

const special = /[.*+?()[\]{}|^$\\]/u;
/** An escaped ASCII character that is neither letter nor digit stands for itself. */
const escapedPunctuation = /\\([!-/:-@[-`{-~])/gu;

/** The test of a pattern of literals: `abc`, `^abc`, `abc$`, `a|b` between both anchors; else undefined. */
export function literalTest(pattern: string, anchoredBoth: boolean): Test | undefined {
  if (anchoredBoth) {
    const texts = pattern.split("|").map(plainText);
    if (texts.includes(undefined)) return undefined;
    return oneOf(texts as string[]);
  }
  const { start, end, body } = withoutAnchors(pattern);
  const text = plainText(body);
  if (text === undefined) return undefined;
  if (start && end) return (candidate) => candidate === text;
  if (start) return (candidate) => candidate.startsWith(text);
  if (end) return (candidate) => candidate.endsWith(text);
  return (candidate) => candidate.includes(text);
}

function oneOf(texts: readonly string[]): Test {
  const [only] = texts;
  if (texts.length === 1) return (candidate) => candidate === only;
  const set = new Set(texts);
  return (candidate) => set.has(candidate);
}

function withoutAnchors(pattern: string): { start: boolean; end: boolean; body: string } {
  const start = pattern.startsWith("^");
  const end = pattern.endsWith("$") && !pattern.endsWith("\\$");
  return { start, end, body: pattern.slice(start ? 1 : 0, end ? -1 : undefined) };
}

/** The text that a pattern without operators stands for. */
function plainText(pattern: string): string | undefined {
  // Lone surrogates stand for nothing that the engine sees alike.
  if (!pattern.isWellFormed()) return undefined;
  if (special.test(pattern.replaceAll(escapedPunctuation, ""))) return undefined;
  return pattern.replaceAll(escapedPunctuation, "$1");
}
