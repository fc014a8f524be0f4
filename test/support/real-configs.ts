import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigIo } from "../../src/config/expand.ts";
import { loadConfig, readConfigFile } from "../../src/config/load.ts";
import type { Problem } from "../../src/config/problems.ts";
import { kinds, type Registry, sections } from "../../src/config/registry-contract.ts";
import { resolveLoaded } from "../../src/config/service-config.ts";
import { child } from "../../src/config/tree.ts";

/** Configurations found in public repositories (origin in the first line and in index.json). */
export const realConfigs = join(__dirname, "../testdata/collector/real-configs");

export interface Classified {
  readonly file: string;
  /** loads: no problem at all. needs: names components that the registry does not have. */
  readonly outcome: "loads" | "needs" | "errors";
  /** `kind:type` of what is missing. */
  readonly needs: readonly string[];
  /** All problems but those of missing components. */
  readonly errors: readonly Problem[];
}

/**
 * Loads and checks every configuration of a folder against a registry. Its variables are set to what fits, and so
 * is the placeholder of the templates among them (`%[1]s`, a host).
 */
export async function classifyRealConfigs(
  folder: "covered" | "other",
  registry: Registry,
): Promise<Classified[]> {
  const classified: Classified[] = [];
  for (const name of readdirSync(join(realConfigs, folder)).toSorted()) {
    const path = join(realConfigs, folder, name);
    const text = readFileSync(path, "utf8");
    const read = (asked: string) =>
      asked === path ? text.replaceAll("%[1]s", "localhost") : readConfigFile(asked);
    classified.push(
      await classify(path, name, registry, { env: plausibleEnv(text), readFile: read }),
    );
  }
  return classified;
}

/** A value for every variable that a text refers to, by its name and by what stands behind it. */
function plausibleEnv(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [, name, next] of text.matchAll(/\$\{(?:env:)?(\w+)(?::-[^}]*)?\}(.?)/gu)) {
    env[name!] = plausibleValue(name!, next === ":");
  }
  return env;
}

function plausibleValue(name: string, portFollows: boolean): string {
  if (name.endsWith("PORT")) return "4317";
  if (portFollows || /(?:IP|HOST|HOSTNAME|ADDRESS|INTERFACE)$/u.test(name)) return "localhost";
  if (name.endsWith("LEVEL")) return "info";
  if (/(?:URL|URI|ENDPOINT|REALM|SERVICE)/u.test(name)) return "http://localhost:4318";
  return /(?:MIB|SIZE|LIMIT|COUNT|PERCENT)/u.test(name) ? "512" : "text";
}

async function classify(
  path: string,
  file: string,
  registry: Registry,
  io: ConfigIo,
): Promise<Classified> {
  const loaded = loadConfig({ configs: [path], sets: [], ...io });
  const { problems } = await resolveLoaded(loaded, registry);
  const missing = problems.filter(({ message }) => /^'\w+' unknown type: /u.test(message));
  const errors = problems.filter((problem) => !missing.includes(problem));
  const needs = missing.map(({ path: [section, id] }) => {
    const kind = kinds.find((candidate) => sections[candidate] === section)!;
    return `${kind}:${id!.split("/")[0]!.trim()}`;
  });
  const outcome = errors.length > 0 ? "errors" : needs.length > 0 ? "needs" : "loads";
  return { file, outcome, needs: [...new Set(needs)], errors };
}

/** Every `kind:type` that the configurations of a folder name. */
export function typesNamed(folder: "covered" | "other"): string[] {
  const types = new Set<string>();
  for (const name of readdirSync(join(realConfigs, folder))) {
    const configs = [join(realConfigs, folder, name)];
    const { root } = loadConfig({ configs, sets: [], env: {}, readFile: readConfigFile });
    for (const kind of kinds) {
      const node = child(root, sections[kind]);
      if (node?.kind !== "map") continue;
      for (const id of node.entries.keys()) types.add(`${kind}:${id.split("/")[0]!.trim()}`);
    }
  }
  return [...types].toSorted();
}
