/** Did-you-mean: the nearest of some names by Damerau-Levenshtein distance (optimal string alignment). */

/** Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforeLast[j - 2]! + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** Names longer than this are never compared: the distance costs their product. */
const maxLength = 100;

/** The candidate that was probably meant; undefined when none is near. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  if (text.length > maxLength) return undefined;
  const normal = normalise(text);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate.length > maxLength) continue;
    const distance = editDistance(normal, normalise(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Case and separators are the commonest slips and count nothing. */
const normalise = (text: string) => text.toLowerCase().replace(/[-_ ]/gu, "");

/** `did you mean "x"? ` and the list of what is valid. */
export function hintFor(text: string, valid: readonly string[], what: string): string {
  const near = nearest(text, valid);
  const suggestion = near === undefined ? "" : `did you mean ${JSON.stringify(near)}? `;
  const listed = valid.length === 0 ? "none" : valid.toSorted().join(", ");
  return `${suggestion}valid ${what}: ${listed}`;
}
