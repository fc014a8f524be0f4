import { type LoadedConfig, loadConfig } from "../../../src/config/load.ts";
import { formatProblems } from "../../../src/config/problems.ts";
import type { Registry } from "../../../src/config/registry-contract.ts";
import { type Resolution, resolveConfig } from "../../../src/config/service-config.ts";
import { toPlain } from "../../../src/config/tree.ts";

type Env = Record<string, string>;

/** Loads texts as files config-0.yaml, config-1.yaml …; `files` are further ones. */
export function load(
  texts: string | readonly string[],
  env: Env = {},
  more: { files?: Record<string, string>; sets?: readonly string[]; mergeAppend?: boolean } = {},
): LoadedConfig {
  const list = typeof texts === "string" ? [texts] : texts;
  const files = new Map(list.map((text, index) => [`config-${index}.yaml`, text]));
  for (const [name, text] of Object.entries(more.files ?? {})) files.set(name, text);
  return loadConfig({
    configs: list.map((_, index) => `config-${index}.yaml`),
    sets: more.sets ?? [],
    env,
    mergeAppend: more.mergeAppend ?? false,
    readFile: (path) => {
      const text = files.get(path);
      if (text === undefined) throw Object.assign(new Error(path), { code: "ENOENT" });
      return text;
    },
  });
}

export const plain = (loaded: LoadedConfig) => toPlain(loaded.root);

export const errorText = (loaded: LoadedConfig) => formatProblems(loaded.errors);

/** Loads, which must succeed, and resolves. */
export async function resolve(
  text: string,
  registry: Registry,
  env: Env = {},
): Promise<Resolution> {
  const loaded = load(text, env);
  if (loaded.errors.length > 0) throw new Error(errorText(loaded));
  return await resolveConfig(loaded.root, registry);
}

/** Resolves a configuration that must be wrong; the text a user sees. */
export async function rejection(text: string, registry: Registry): Promise<string> {
  const { config, problems } = await resolve(text, registry);
  if (config !== undefined) throw new Error("the configuration is right");
  return formatProblems(problems);
}
