/**
 * The GenAI semantic conventions as of 1.41. They are not released and will change: every name and boundary that comes
 * from them stands here and nowhere else.
 */

/** Seconds, 10 ms to 82 s. */
export const operationBounds = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
] as const;
const tokenBounds = [
  1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
  67_108_864,
] as const;

const callKeys = [
  "gen_ai.operation.name",
  "gen_ai.provider.name",
  "gen_ai.request.model",
  "repomind.query.type",
  "error.type",
] as const;
export type CallKey = (typeof callKeys)[number];

export const operationDuration = {
  name: "gen_ai.client.operation.duration",
  options: {
    unit: "s",
    description:
      "Duration of calls to language models, retries and reading of the answer included.",
    boundaries: operationBounds,
    attributes: callKeys,
  },
} as const;
export const timeToFirstChunk = {
  name: "gen_ai.client.operation.time_to_first_chunk",
  options: {
    unit: "s",
    description: "Time from a call to a language model to the first chunk of its streamed answer.",
    boundaries: operationBounds,
    attributes: callKeys,
  },
} as const;
export const tokenUsage = {
  name: "gen_ai.client.token.usage",
  options: {
    unit: "{token}",
    description: "Tokens that one call to a language model took in and put out.",
    boundaries: tokenBounds,
    attributes: [...callKeys, "gen_ai.token.type"],
  },
} as const;

/** Values of gen_ai.operation.name. */
export type Operation = "chat" | "text_completion" | "embeddings";

/** Values of gen_ai.provider.name by the end of the host's name; the first match counts. */
const providersByHost: readonly (readonly [string, string])[] = [
  ["api.openai.com", "openai"],
  ["openai.azure.com", "azure.ai.openai"],
  ["cognitiveservices.azure.com", "azure.ai.openai"],
  ["services.ai.azure.com", "azure.ai.inference"],
  ["models.inference.ai.azure.com", "azure.ai.inference"],
  ["api.anthropic.com", "anthropic"],
  ["amazonaws.com", "aws.bedrock"],
  ["aiplatform.googleapis.com", "gcp.vertex_ai"],
  ["generativelanguage.googleapis.com", "gcp.gemini"],
  ["api.deepseek.com", "deepseek"],
  ["api.groq.com", "groq"],
  ["api.mistral.ai", "mistral_ai"],
  ["api.perplexity.ai", "perplexity"],
  ["api.x.ai", "x_ai"],
  ["api.cohere.com", "cohere"],
  ["api.cohere.ai", "cohere"],
  ["ml.cloud.ibm.com", "ibm.watsonx.ai"],
];

/** Undefined: a proxy, a gateway, or a server that only speaks a provider's protocol. */
export function providerOfHost(baseUrl: unknown): string | undefined {
  const host = typeof baseUrl === "string" ? URL.parse(baseUrl)?.hostname : undefined;
  if (host === undefined) return undefined;
  const isOf = (end: string) =>
    host === end || host.endsWith(`.${end}`) || host.endsWith(`-${end}`);
  return providersByHost.find(([end]) => isOf(end))?.[1];
}

/** What the AI SDK calls its providers (`openai.responses`, `amazon-bedrock`), by the start of the name. */
const providersBySdkName: readonly (readonly [string, string])[] = [
  ["azure", "azure.ai.openai"],
  ["amazon-bedrock", "aws.bedrock"],
  ["bedrock", "aws.bedrock"],
  ["google.vertex", "gcp.vertex_ai"],
  ["google-vertex", "gcp.vertex_ai"],
  ["vertex", "gcp.vertex_ai"],
  ["google", "gcp.gemini"],
  ["mistral", "mistral_ai"],
  ["xai", "x_ai"],
];

export function providerOfSdkName(name: string): string {
  const known = providersBySdkName.find(
    ([start]) => name === start || name.startsWith(`${start}.`),
  );
  return known?.[1] ?? name.split(".")[0]!;
}
