/** Attributes as Prometheus labels: names, collisions, wildcards. */
import type { NameResult } from "./names.ts";

export interface LabelNaming {
  /** Names stay as they are. */
  readonly utf8?: boolean;
  /** Keep runs of underscores. */
  readonly preserveMultipleUnderscores?: boolean;
  /** Put `key` before a single leading underscore. */
  readonly underscoreSanitization?: boolean;
}

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** The label name of an attribute key. */
export function labelName(key: string, naming: LabelNaming = {}): NameResult {
  if (key === "") return { error: "label name is empty" };
  if (naming.utf8 === true) {
    if (!/^_+$/u.test(key)) return { name: key };
    return { error: `label name ${JSON.stringify(key)} contains only underscores` };
  }
  const name = prefixed(sanitized(key, naming.preserveMultipleUnderscores === true), naming);
  if (!/^_+$/u.test(name)) return { name };
  return {
    error: `normalization for label name ${JSON.stringify(key)} resulted in invalid name ${JSON.stringify(name)}`,
  };
}

function sanitized(key: string, preserveMultiple: boolean): string {
  if (preserveMultiple) return key.replace(/[^a-zA-Z0-9_]/gu, "_");
  // `__x__` is reserved for Prometheus itself and keeps its shape; what only looks so once escaped does not.
  const isReserved = key.length >= 4 && key.startsWith("__") && key.endsWith("__");
  const collapsed = (isReserved ? key.slice(2, -2) : key).replace(/[^a-zA-Z0-9]+/gu, "_");
  return isReserved ? `__${collapsed}__` : collapsed;
}

function prefixed(name: string, naming: LabelNaming): string {
  if (/^[0-9]/u.test(name)) return `key_${name}`;
  if (naming.underscoreSanitization === true && /^_[^_]/u.test(name)) return `key${name}`;
  return name;
}

/** Attributes in the order of their keys; values that meet in one label are joined by `;`. */
export class LabelSet {
  readonly #values = new Map<string, string>();

  /** Joins with what other keys brought under this name. */
  join(name: string, value: string): void {
    const before = this.#values.get(name);
    this.#values.set(name, before === undefined ? value : `${before};${value}`);
  }

  /** Replaces whatever is there. */
  set(name: string, value: string): void {
    this.#values.set(name, value);
  }

  /** Sets it unless it is there. */
  fill(name: string, value: string): void {
    if (!this.#values.has(name)) this.#values.set(name, value);
  }

  /** Sorted by name; a label with an empty value is the same as none. */
  sorted(): Label[] {
    const labels: Label[] = [];
    for (const [name, value] of this.#values) if (value !== "") labels.push({ name, value });
    return labels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }
}

/** Matches texts against patterns in which `*` is any run of characters and `?` any one. */
export function wildcards(patterns: readonly string[]): (text: string) => boolean {
  const expressions = patterns.map((pattern) => {
    // Only these two operators reach the engine: linear enough for any pattern.
    const source = pattern
      .replace(/[.+^${}()|[\]\\/]/gu, "\\$&")
      .replace(/\*+/gu, "[^]*")
      .replace(/\?/gu, "[^]");
    return new RegExp(`^${source}$`, "u");
  });
  return (text) => expressions.some((expression) => expression.test(text));
}
