/** What the configuration needs to know of the components: handed in as a value (`src/registry.ts`). */
// Types only: the contract is stated in the words of component.ts, no code above this layer is imported.
// oxlint-disable-next-line no-restricted-imports
import type { ComponentId, Factory, Kind } from "../component.ts";

export type { ComponentId, Factory, Kind };

/** One component type, known without loading its code. */
export interface RegistryType {
  readonly type: string;
  /** Older spellings. */
  readonly aliases: readonly string[];
}

export interface Registry {
  /** Loads a component's declaration by its current type name. */
  find(kind: Kind, type: string): Promise<Factory | undefined>;
  types(kind: Kind): readonly RegistryType[];
}

/** The section of the YAML in which a kind is configured. */
export const sections: Readonly<Record<Kind, string>> = {
  receiver: "receivers",
  processor: "processors",
  exporter: "exporters",
  connector: "connectors",
  extension: "extensions",
};

export const kinds = Object.keys(sections) as Kind[];
