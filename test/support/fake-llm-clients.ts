/** The official clients, in the versions that are supported, before a fake server. */
import type { createRequire } from "node:module";
import { runInThisContext } from "node:vm";
import type { Anthropic } from "@anthropic-ai/sdk";
import type { OpenAI, ClientOptions as OpenAiOptions } from "openai";

/**
 * Node's own require, not Jest's: in Jest's realm the clients would not know the errors of `fetch` as errors, and
 * packages that are ES modules only could not be loaded.
 */
export const requireNatively = (
  runInThisContext("process.getBuiltinModule('node:module').createRequire") as typeof createRequire
)(`${process.cwd()}/package.json`);

export type OpenAiPackage = "openai" | "openai6";
export type AnthropicPackage = "@anthropic-ai/sdk" | "anthropic0";

export const apiKey = "sk-MARKER-KEY";

export function openAiClient(
  name: OpenAiPackage,
  url: string,
  options: OpenAiOptions = {},
): OpenAI {
  const { OpenAI: Client } = requireNatively(name) as { OpenAI: typeof OpenAI };
  return new Client({ apiKey, baseURL: `${url}/v1`, ...options });
}

export function anthropicClient(
  name: AnthropicPackage,
  url: string,
  options: ConstructorParameters<typeof Anthropic>[0] = {},
): Anthropic {
  const { Anthropic: Client } = requireNatively(name) as { Anthropic: typeof Anthropic };
  return new Client({ apiKey, baseURL: url, ...options });
}
