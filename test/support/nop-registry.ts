import type { Factory, Kind } from "../../src/component.ts";
import {
  defineConnector,
  defineExporter,
  defineExtension,
  defineProcessor,
  defineReceiver,
} from "../../src/component.ts";
import { section, z } from "../../src/config/fields.ts";
import type { Registry } from "../../src/config/registry-contract.ts";
import { signals } from "../../src/pdata/payload.ts";

const all = { traces: "stable", metrics: "stable", logs: "stable" } as const;
const component = { shutdown: () => Promise.resolve() };
const edge = { consume: () => Promise.resolve(), shutdown: () => Promise.resolve() };
const pairs = signals.flatMap((from) =>
  signals.map((to) => ({ from, to, stability: "stable" }) as const),
);

interface StubOptions {
  type?: string;
  aliases?: readonly string[];
  config?: z.ZodType;
}

const base = {
  type: "nop",
  aliases: [],
  summary: "Does nothing.",
  config: section({}),
  example: {},
};

const nops: Readonly<Record<Kind, Factory>> = {
  receiver: defineReceiver({ ...base, stability: all, create: () => component }),
  processor: defineProcessor({
    ...base,
    stability: all,
    state: "none",
    create: () => ({ transform: (payload) => payload }),
  }),
  exporter: defineExporter({
    ...base,
    stability: all,
    create: () => ({ push: () => Promise.resolve({}) }),
  }),
  connector: defineConnector({ ...base, pairs, create: () => edge }),
  extension: defineExtension({ ...base, stability: "stable", create: () => component }),
};

/** A component of any kind that does nothing, with any config. */
export const stubFactory = (kind: Kind, options: StubOptions = {}): Factory => ({
  ...nops[kind],
  ...options,
});

/** A registry over these factories. */
export function registryOf(factories: readonly Factory[]): Registry {
  return {
    find: (kind, type) =>
      Promise.resolve(factories.find((factory) => factory.kind === kind && factory.type === type)),
    types: (kind) =>
      factories
        .filter((factory) => factory.kind === kind)
        .map(({ type, aliases }) => ({ type, aliases: aliases ?? [] })),
  };
}

/** Knows the type `nop` of every kind, as the Collector's own service tests do. */
export const nopRegistry: Registry = registryOf(Object.values(nops));

/** Takes any body: for tests about ids and references. */
export const anything = z.record(z.string(), z.unknown()).default({});
