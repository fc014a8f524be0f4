import type { Verdict } from "./verdict.ts";

/** Verdicts that are remembered for sharing, and the longest description of one. */
const maxVerdicts = 4096;
const maxKeyLength = 1024;

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

/**
 * One object for equal verdicts. Thousands of series have few different verdicts; as one object each they
 * would push each other out of the processor's cache, which costs more than writing the points.
 */
export class SharedVerdicts {
  readonly #verdicts = new Map<string, Verdict>();
  #keyChars = 0;

  /** Bytes it holds, about: a verdict's texts are in its key, too. */
  get heldBytes(): number {
    return 3 * this.#keyChars + 256 * this.#verdicts.size;
  }

  of(verdict: Verdict): Verdict {
    if (verdict.flags === 0 || verdict.dropReason !== undefined) return verdict;
    if (verdict.bytes > maxKeyLength) return verdict;
    const key = keyOf(verdict);
    if (key.length > maxKeyLength) return verdict;
    const shared = this.#verdicts.get(key);
    if (shared !== undefined) return shared;
    // Starting anew loses nothing but sharing with older ones.
    if (this.#verdicts.size >= maxVerdicts) {
      this.#verdicts.clear();
      this.#keyChars = 0;
    }
    this.#keyChars += key.length;
    this.#verdicts.set(key, verdict);
    return verdict;
  }
}

function keyOf({ name, resource, patch }: Verdict): string {
  const texts = patch?.inserts.map(textOf);
  const appended = patch === undefined ? undefined : textOf(patch.append);
  return JSON.stringify([name, resource?.key, patch?.cuts, texts, appended]);
}
