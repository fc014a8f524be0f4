/** The merged and expanded configuration as text, with secrets hidden unless asked for. */
import { stringify } from "yaml";
import type { Registry } from "./registry-contract.ts";
import { resolveConfig } from "./service-config.ts";
import { secretKey } from "./source.ts";
import type { ConfigNode, MapNode } from "./tree.ts";

export interface PrintOptions {
  readonly mode: "redacted" | "unredacted";
  readonly format: "yaml" | "json";
  /** Tells which fields are secret; without it, key names that look like secrets decide. */
  readonly registry?: Registry;
}

const redacted = "[REDACTED]";

/** Prints a configuration; invalid ones too. Keys that look like secrets are hidden where no schema is. */
export async function printConfig(root: MapNode, options: PrintOptions): Promise<string> {
  let secrets: ReadonlySet<ConfigNode> = new Set();
  if (options.mode === "redacted" && options.registry !== undefined) {
    ({ secrets } = await resolveConfig(root, options.registry));
  }
  const hide = options.mode === "redacted";
  const plain = plainOf(root, hide ? { secrets } : undefined, false);
  if (options.format === "json") return `${JSON.stringify(plain, bigints, 2)}\n`;
  return stringify(plain, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Integers beyond 2^53 are printed as strings: few JSON readers keep their digits. */
const bigints = (_key: string, value: unknown) =>
  typeof value === "bigint" ? String(value) : value;

function plainOf(
  node: ConfigNode,
  hide: { readonly secrets: ReadonlySet<ConfigNode> } | undefined,
  underSecretKey: boolean,
): unknown {
  if (node.kind === "list") return node.items.map((item) => plainOf(item, hide, underSecretKey));
  if (node.kind === "map") {
    return Object.fromEntries(
      [...node.entries].map(([key, { value }]) => {
        const secret = hide !== undefined && (underSecretKey || secretKey.test(key));
        return [key, plainOf(value, hide, secret)];
      }),
    );
  }
  const { value } = node;
  if (hide === undefined || value === null) return value;
  const isSecret = hide.secrets.has(node) || (underSecretKey && typeof value === "string");
  if (isSecret) return redacted;
  return typeof value === "string" ? hideUserInfo(value) : value;
}

/** `https://user:password@host`. */
const hideUserInfo = (text: string) =>
  text.replace(/:\/\/[^/@\s:]*:[^/@\s]+@/gu, `://${redacted}@`);
