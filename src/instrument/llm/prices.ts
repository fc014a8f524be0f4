/** List prices for standard processing, USD per million tokens. Data only: what it is worth is computed in cost.ts. */
import type { PriceTable } from "./types.ts";

export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  /** Cache entries that live longer for more money: 1 h at Anthropic, 12 h at OpenAI. */
  readonly cacheWriteLong?: number;
  /** A request with more input than this pays more for all of it. */
  readonly longContext?: {
    readonly above: number;
    readonly inputFactor: number;
    readonly outputFactor: number;
  };
}
export interface ListPrices extends PriceTable {
  readonly usdPerMillion: { readonly [model: string]: Price };
}

const above272k = { above: 272_000, inputFactor: 2, outputFactor: 1.5 } as const;

const claude = (input: number, output: number, cacheRead: number): Price => ({
  input,
  output,
  cacheRead,
  cacheWrite: 1.25 * input,
  cacheWriteLong: 2 * input,
});

/** From GPT-5.6 on. */
const gpt = (input: number, output: number, cacheRead: number): Price => ({
  input,
  output,
  cacheRead,
  cacheWrite: 1.25 * input,
  longContext: above272k,
});

/**
 * Sources: https://developers.openai.com/api/docs/pricing and the pages of the models there,
 * https://platform.claude.com/docs/en/about-claude/pricing and the pages of the models there, as they stood in October
 * and November 2026; older models as in https://github.com/pydantic/genai-prices of 2026-08-21.
 */
export const listPrices: ListPrices = {
  version: "2026-11-18",
  usdPerMillion: {
    // Anthropic
    "claude-fable-5-2": claude(8, 40, 0.2),
    "claude-fable-5-1": claude(10, 50, 0.25),
    "claude-mythos-5-1": claude(10, 50, 0.25),
    "claude-fable-5": claude(10, 50, 1),
    "claude-mythos-5": claude(10, 50, 1),
    "claude-opus-5-5": claude(4, 20, 0.2),
    "claude-opus-5": claude(5, 25, 0.5),
    "claude-opus-4-8": claude(5, 25, 0.5),
    "claude-opus-4-7": claude(5, 25, 0.5),
    "claude-opus-4-6": claude(5, 25, 0.5),
    "claude-opus-4-5": claude(5, 25, 0.5),
    "claude-opus-4-1": claude(15, 75, 1.5),
    "claude-opus-4-0": claude(15, 75, 1.5),
    "claude-opus-4": claude(15, 75, 1.5),
    "claude-3-opus": claude(15, 75, 1.5),
    "claude-sonnet-5-5": claude(2, 10, 0.1),
    "claude-sonnet-5": claude(2, 10, 0.2),
    "claude-sonnet-4-6": claude(3, 15, 0.3),
    "claude-sonnet-4-5": {
      ...claude(3, 15, 0.3),
      longContext: { above: 200_000, inputFactor: 2, outputFactor: 1.5 },
    },
    "claude-sonnet-4-0": claude(3, 15, 0.3),
    "claude-sonnet-4": claude(3, 15, 0.3),
    "claude-3-7-sonnet": claude(3, 15, 0.3),
    "claude-3-5-sonnet": claude(3, 15, 0.3),
    "claude-haiku-5-5": {
      ...claude(0.1, 0.5, 0.01),
      longContext: { above: 100_000, inputFactor: 5, outputFactor: 5 },
    },
    "claude-haiku-4-5": claude(1, 5, 0.1),
    "claude-3-5-haiku": claude(0.8, 4, 0.08),
    "claude-3-haiku": {
      input: 0.25,
      output: 1.25,
      cacheRead: 0.03,
      cacheWrite: 0.3,
      cacheWriteLong: 0.5,
    },

    // OpenAI
    "gpt-6.2-astra": gpt(8, 40, 0.4),
    "gpt-6.2-sol": gpt(2, 10, 0.1),
    "gpt-6.1-sol": gpt(2, 10, 0.1),
    "gpt-6.1-terra": { ...gpt(1, 5, 0.05), cacheWriteLong: 2.5 },
    "gpt-6-astra": gpt(10, 50, 1),
    "gpt-6-sol": gpt(2, 10, 0.2),
    "gpt-6-luna": gpt(0.1, 0.5, 0.01),
    "gpt-5.6-sol": gpt(4, 20, 0.4),
    "gpt-5.6-terra": gpt(2, 12, 0.2),
    "gpt-5.6-luna": gpt(0.2, 1.2, 0.02),
    "gpt-5.5": { input: 5, output: 30, cacheRead: 0.5, longContext: above272k },
    "gpt-5.5-pro": { input: 30, output: 180, longContext: above272k },
    "gpt-5.4": { input: 2.5, output: 15, cacheRead: 0.25, longContext: above272k },
    "gpt-5.4-mini": { input: 0.75, output: 4.5, cacheRead: 0.075 },
    "gpt-5.4-nano": { input: 0.2, output: 1.25, cacheRead: 0.02 },
    "gpt-5.4-pro": { input: 30, output: 180, longContext: above272k },
    "gpt-5.3-chat": { input: 1.75, output: 14, cacheRead: 0.175 },
    "gpt-5.3-codex": { input: 1.75, output: 14, cacheRead: 0.175 },
    "gpt-5.2": { input: 1.75, output: 14, cacheRead: 0.175 },
    "gpt-5.2-chat": { input: 1.75, output: 14, cacheRead: 0.175 },
    "gpt-5.2-codex": { input: 1.75, output: 14, cacheRead: 0.175 },
    "gpt-5.2-pro": { input: 21, output: 168 },
    "gpt-5.1": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5.1-chat": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5.1-codex": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5.1-codex-max": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5.1-codex-mini": { input: 0.25, output: 2, cacheRead: 0.025 },
    "gpt-5.1-mini": { input: 0.25, output: 2, cacheRead: 0.025 },
    "gpt-5": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5-chat": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5-codex": { input: 1.25, output: 10, cacheRead: 0.125 },
    "gpt-5-mini": { input: 0.25, output: 2, cacheRead: 0.025 },
    "gpt-5-nano": { input: 0.05, output: 0.4, cacheRead: 0.005 },
    "gpt-5-pro": { input: 15, output: 120 },
    "gpt-4.1": { input: 2, output: 8, cacheRead: 0.5 },
    "gpt-4.1-mini": { input: 0.4, output: 1.6, cacheRead: 0.1 },
    "gpt-4.1-nano": { input: 0.1, output: 0.4, cacheRead: 0.025 },
    "gpt-4o": { input: 2.5, output: 10, cacheRead: 1.25 },
    // The first snapshot kept its own price.
    "gpt-4o-2024-05-13": { input: 5, output: 15 },
    "gpt-4o-mini": { input: 0.15, output: 0.6, cacheRead: 0.075 },
    "gpt-4-turbo": { input: 10, output: 30 },
    "gpt-4": { input: 30, output: 60 },
    "gpt-3.5-turbo": { input: 0.5, output: 1.5 },
    "gpt-3.5-turbo-0613": { input: 1.5, output: 2 },
    "gpt-3.5-turbo-1106": { input: 1, output: 2 },
    "gpt-3.5-turbo-instruct": { input: 1.5, output: 2 },
    o1: { input: 15, output: 60, cacheRead: 7.5 },
    "o1-mini": { input: 1.1, output: 4.4, cacheRead: 0.55 },
    "o1-pro": { input: 150, output: 600 },
    o3: { input: 2, output: 8, cacheRead: 0.5 },
    "o3-mini": { input: 1.1, output: 4.4, cacheRead: 0.55 },
    "o3-pro": { input: 20, output: 80 },
    "o3-deep-research": { input: 10, output: 40, cacheRead: 2.5 },
    "o4-mini": { input: 1.1, output: 4.4, cacheRead: 0.275 },
    "o4-mini-deep-research": { input: 2, output: 8, cacheRead: 0.5 },
    "text-embedding-3-large": { input: 0.13, output: 0 },
    "text-embedding-3-small": { input: 0.02, output: 0 },
    "text-embedding-ada-002": { input: 0.1, output: 0 },
  },
};
