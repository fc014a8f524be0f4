import process from "node:process";
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

/** The Collector's `components` listing: build info, then each kind with name, module and stability. */
export async function components(): Promise<number> {
  const factories = await allFactories();
  const lines = [
    "buildinfo:",
    "  command: repomind-telemetry",
    "  description: RepoMind Telemetry",
    `  version: ${version}`,
  ];
  for (const [kind, section] of sections) {
    lines.push(`${section}:`);
    const ofKind = factories.filter((factory) => factory.kind === kind);
    for (const factory of ofKind.toSorted((a, b) => a.type.localeCompare(b.type))) {
      lines.push(
        `  - name: ${factory.type}`,
        `    module: repomind-telemetry v${version}`,
        ...stabilityLines(factory),
      );
    }
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

function stabilityLines(factory: Factory): string[] {
  if (factory.kind === "extension")
    return ["    stability:", `      extension: ${label(factory.stability)}`];
  const rows =
    factory.kind === "connector"
      ? factory.pairs.map(({ from, to, stability }) => [`${from}-to-${to}`, stability] as const)
      : Object.entries(factory.stability);
  return [
    "    stability:",
    ...rows.map(([name, stability]) => `      ${name}: ${label(stability)}`),
  ];
}

const label = (stability: string) => stability[0]!.toUpperCase() + stability.slice(1);
