import process from "node:process";
import { stringify } from "yaml";
import type { Factory, Kind } from "../component.ts";
import { allFactories } from "../registry.ts";
import { version } from "./version.ts";

const sections: readonly (readonly [Kind, string])[] = [
  ["receiver", "receivers"],
  ["processor", "processors"],
  ["exporter", "exporters"],
  ["connector", "connectors"],
  ["extension", "extensions"],
];
/** Where a configuration may come from (src/config/expand.ts). */
const schemes = ["env", "file", "yaml"];

/** The Collector's `components` listing. */
export async function components(): Promise<number> {
  const buildinfo = {
    command: "repomind-telemetry",
    description: "RepoMind Telemetry",
    version,
  };
  process.stdout.write(componentsText(buildinfo, await allFactories(), moduleOf));
  return 0;
}

const moduleOf = () => `repomind-telemetry v${version}`;

/** Build info, then each kind with name, module and stability, as YAML sorted by name. */
export function componentsText(
  buildinfo: Readonly<Record<string, string>>,
  factories: readonly Factory[],
  moduleFor: (kind: string) => string,
): string {
  const listing: Record<string, unknown> = { buildinfo };
  for (const [kind, section] of sections) {
    listing[section] = factories
      .filter((factory) => factory.kind === kind)
      .toSorted((a, b) => (a.type < b.type ? -1 : 1))
      .map((factory) => ({
        name: factory.type,
        module: moduleFor(kind),
        stability: stabilityOf(factory),
      }));
  }
  listing["providers"] = schemes.map((scheme) => ({ scheme, module: moduleFor("provider") }));
  // Go's writer indents to the next multiple of four: below `- name`, which stands at 6, that is 8.
  return stringify(listing, { indent: 4, lineWidth: 0 }).replaceAll(/^ {10}/gmu, " ".repeat(8));
}

function stabilityOf(factory: Factory): Record<string, string> {
  if (factory.kind === "extension") return { extension: label(factory.stability) };
  const rows =
    factory.kind === "connector"
      ? factory.pairs.map(({ from, to, stability }) => [`${from}-to-${to}`, stability] as const)
      : Object.entries(factory.stability);
  return Object.fromEntries(
    rows
      .map(([name, stability]) => [name, label(stability)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const label = (stability: string) => stability[0]!.toUpperCase() + stability.slice(1);
