import { decode } from "../../src/config/decode.ts";
import type { z } from "../../src/config/fields.ts";
import { parseYaml } from "../../src/config/yaml.ts";

export interface DecodedConfig {
  /** Undefined when there are problems. */
  readonly value: unknown;
  /** Texts of all problems, and of all warnings. */
  readonly problems: string[];
  readonly notices: string[];
}

/** Decodes the YAML of one component's config, or what stands at a key of it, as the service does. */
export function decodeConfig(schema: z.ZodType, yaml: string, key?: string): DecodedConfig {
  const { node, problems } = parseYaml(yaml, "config.yaml");
  if (node === undefined) throw new Error(problems.map((problem) => problem.message).join("\n"));
  const at = key === undefined || node.kind !== "map" ? node : node.entries.get(key)?.value;
  if (at === undefined) throw new Error(`no key ${key}`);
  const decoded = decode(schema, at, ["exporters", "test"]);
  return {
    value: decoded.value,
    problems: decoded.issues.map((issue) => issue.message),
    notices: decoded.notices.map((notice) => notice.message),
  };
}
