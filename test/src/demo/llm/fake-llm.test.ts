/** The fake language models, asked by the providers' own clients. */
import Anthropic, * as anthropicErrors from "@anthropic-ai/sdk";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import OpenAI, * as openAiErrors from "openai";
import type { Clock } from "../../../../src/clock.ts";
import { type Fault, faultHeader } from "../../../../src/demo/faults.ts";
import { defaultKnobs, type Knobs } from "../../../../src/demo/knobs.ts";
import { FakeLlm } from "../../../../src/demo/llm/fake-llm.ts";
import { InstantClock } from "../../../support/instant-clock.ts";

let llm: FakeLlm;
let url = "";
let knobs: Knobs;
let clock: InstantClock;

async function start(seed = 3, other?: Clock): Promise<void> {
  llm = new FakeLlm({ seed, clock: other ?? clock, knobs: () => knobs });
  url = await llm.start();
}

beforeEach(async () => {
  knobs = defaultKnobs;
  clock = new InstantClock();
  await start();
});
afterEach(() => llm.stop());

const headersOf = (fault?: Fault) => (fault === undefined ? {} : { [faultHeader]: fault });
const openAi = (fault?: Fault, maxRetries = 0) =>
  new OpenAI({ apiKey: "k", baseURL: `${url}/v1`, maxRetries, defaultHeaders: headersOf(fault) });
const anthropic = (fault?: Fault, maxRetries = 0) =>
  new Anthropic({ apiKey: "k", baseURL: url, maxRetries, defaultHeaders: headersOf(fault) });

const messages = [{ role: "user" as const, content: "Where is the cache filled?" }];
const openAiBody = { model: "gpt-5.4", messages };
const anthropicBody = { model: "claude-haiku-4-5", max_tokens: 100, messages };
const inputTokens = Math.ceil(JSON.stringify(messages).length / 4);

describe("OpenAI", () => {
  test("a whole answer", async () => {
    const answer = await openAi().chat.completions.create(openAiBody);
    expect(answer.choices[0]!.message.content).toMatch(/\w/u);
    const { prompt_tokens, completion_tokens, total_tokens, ...details } = answer.usage!;
    expect(prompt_tokens).toBe(inputTokens);
    expect(completion_tokens).toBeGreaterThan(0);
    expect(total_tokens).toBe(prompt_tokens + completion_tokens);
    const reasoning = details.completion_tokens_details!.reasoning_tokens!;
    expect(reasoning).toBe(Math.floor(completion_tokens / 4));
    expect(llm.counts).toEqual([
      {
        provider: "openai",
        model: "gpt-5.4",
        attempts: 1,
        answers: 1,
        inputTokens,
        outputTokens: completion_tokens,
      },
    ]);
  });

  test("a stream, with its usage where that is asked for", async () => {
    const read = async (extra: object) => {
      const body = { ...openAiBody, stream: true as const, ...extra };
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of await openAi().chat.completions.create(body)) chunks.push(chunk);
      return chunks;
    };
    const plain = await read({});
    const text = plain.map(({ choices }) => choices[0]!.delta.content ?? "").join("");
    expect(text).toMatch(/\w/u);
    expect(plain.at(-1)!.choices[0]!.finish_reason).toBe("stop");
    expect(plain.some(({ usage }) => usage !== undefined)).toBe(false);
    const last = (await read({ stream_options: { include_usage: true } })).at(-1)!;
    expect(last.choices).toEqual([]);
    expect(last.usage!.prompt_tokens).toBe(inputTokens);
  });

  test("its failures are those that the client knows", async () => {
    const create = (fault?: Fault) => openAi(fault).chat.completions.create(openAiBody);
    await expect(create("llm_rate_limit")).rejects.toBeInstanceOf(openAiErrors.RateLimitError);
    await expect(create("llm_rate_limit")).rejects.toMatchObject({ code: "rate_limit_exceeded" });
    await expect(create("llm_error")).rejects.toBeInstanceOf(openAiErrors.InternalServerError);
    knobs = { ...defaultKnobs, llmOutage: true };
    await expect(create()).rejects.toMatchObject({ status: 503 });
    expect(llm.counts).toMatchObject([{ attempts: 4, answers: 0, outputTokens: 0 }]);
  });

  test("a refusal says when to try again", async () => {
    const response = await post("/v1/chat/completions", openAiBody, {
      authorization: "k",
      [faultHeader]: "llm_rate_limit",
    });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
  });
});

describe("Anthropic", () => {
  test("a whole answer, whose cached tokens are not among its input tokens", async () => {
    const usages = [];
    for (let i = 0; i < 20; i++)
      usages.push((await anthropic().messages.create(anthropicBody)).usage);
    for (const { input_tokens, cache_read_input_tokens } of usages) {
      expect(input_tokens + cache_read_input_tokens!).toBe(inputTokens);
    }
    const cached = usages.filter(({ cache_read_input_tokens: read }) => read! > 0);
    expect(cached.length).toBeGreaterThan(0);
    expect(cached.length).toBeLessThan(20);
    const output = usages.reduce((sum, { output_tokens }) => sum + output_tokens, 0);
    expect(llm.counts).toMatchObject([
      { attempts: 20, answers: 20, inputTokens: 20 * inputTokens, outputTokens: output },
    ]);
  });

  test("a stream", async () => {
    const stream = anthropic().messages.stream(anthropicBody);
    const types = new Set<string>();
    stream.on("streamEvent", ({ type }) => types.add(type));
    const answer = await stream.finalMessage();
    expect(answer.content).toEqual([{ type: "text", text: expect.stringMatching(/\w/u) }]);
    expect(answer.stop_reason).toBe("end_turn");
    expect(answer.usage.output_tokens).toBeGreaterThan(1);
    expect([...types]).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
  });

  test("its failures are those that the client knows", async () => {
    const create = (fault?: Fault) => anthropic(fault).messages.create(anthropicBody);
    await expect(create("llm_rate_limit")).rejects.toBeInstanceOf(anthropicErrors.RateLimitError);
    await expect(create("llm_error")).rejects.toBeInstanceOf(anthropicErrors.InternalServerError);
    knobs = { ...defaultKnobs, llmOutage: true };
    const error = { error: { type: "overloaded_error" } };
    await expect(create()).rejects.toMatchObject({ status: 503, error });
  });
});

test("an answer without text is one", async () => {
  const { content } = await anthropic("empty").messages.create(anthropicBody);
  expect(content).toEqual([{ type: "text", text: "" }]);
  const answer = await openAi("empty").chat.completions.create(openAiBody);
  expect(answer.choices[0]!.message.content).toBe("");
});

test.each([
  ["/v1/nothing", openAiBody, { authorization: "k" }, 404],
  ["/v1/chat/completions", openAiBody, {}, 401],
  ["/v1/chat/completions", openAiBody, { "x-api-key": "k" }, 401],
  ["/v1/messages", anthropicBody, {}, 401],
  ["/v1/messages", { model: 1 }, { "x-api-key": "k" }, 400],
])("%s %j %j is answered %i", async (path, body, headers, status) => {
  const response = await post(path, body, headers);
  expect(response.status).toBe(status);
  expect(await response.json()).toHaveProperty("error.message");
});

function post(path: string, body: unknown, headers: Record<string, string>): Promise<Response> {
  return fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

describe("how it behaves over many requests", () => {
  const ask = async () => {
    const response = await post("/v1/messages", anthropicBody, { "x-api-key": "k" });
    await response.text();
    return response.status;
  };
  const askMany = async (count: number) => {
    const statuses = [];
    for (let i = 0; i < count; i++) statuses.push(await ask());
    return statuses;
  };

  test("2 % are refused, 1 % fail, answers take 400 ms in the median and 4 s at the 99th percentile", async () => {
    const statuses = await askMany(1000);
    const shareOf = (status: number) => statuses.filter((s) => s === status).length / 1000;
    expect(shareOf(429)).toBeGreaterThan(0.01);
    expect(shareOf(429)).toBeLessThan(0.03);
    expect(shareOf(500)).toBeGreaterThan(0.004);
    expect(shareOf(500)).toBeLessThan(0.018);
    const sorted = clock.waitsMs.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)]!;
    expect(median).toBeGreaterThan(340);
    expect(median).toBeLessThan(460);
    const p99 = sorted[Math.floor(sorted.length * 0.99)]!;
    expect(p99).toBeGreaterThan(2500);
    expect(p99).toBeLessThan(6000);
  });

  test("a factor stretches what an answer takes", async () => {
    await askMany(20);
    const before = clock.waitsMs.splice(0);
    llm.stop();
    knobs = { ...defaultKnobs, latency: 3 };
    await start();
    await askMany(20);
    expect(clock.waitsMs).toEqual(before.map((ms) => ms * 3));
  });

  test("the same seed gives the same answers, another one does not", async () => {
    const first = await askMany(200);
    const waits = clock.waitsMs.splice(0);
    llm.stop();
    await start();
    expect([await askMany(200), clock.waitsMs]).toEqual([first, waits]);
    llm.stop();
    await start(4);
    clock.waitsMs.length = 0;
    await askMany(200);
    expect(clock.waitsMs).not.toEqual(waits);
  });
});
