/** Telling requests apart by client metadata, for batches that must not mix (metadata_keys). */
import type { Context, Metadata } from "../component.ts";

export class MetadataPartition {
  /** Lower case, as in `Metadata`; sorted, so that the order in the config does not matter. */
  readonly #keys: readonly string[];

  constructor(keys: readonly string[]) {
    this.#keys = keys.map((key) => key.toLowerCase()).toSorted();
  }

  /** The same text for the same values; an empty value and an absent key differ. */
  keyOf({ metadata }: Context): string {
    if (this.#keys.length === 0) return "";
    return JSON.stringify(this.#keys.map((key) => metadata?.get(key) ?? null));
  }

  /** What all requests of the partition have in common. */
  commonMetadata({ metadata }: Context): Metadata | undefined {
    if (this.#keys.length === 0) return undefined;
    const common = new Map<string, readonly string[]>();
    for (const key of this.#keys) {
      const values = metadata?.get(key);
      if (values !== undefined) common.set(key, values);
    }
    return common;
  }
}
