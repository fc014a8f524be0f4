/** Prompts, answers and keys are in what is sent and received, and in errors; none of it may be in what is measured. */
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { instrumentLlm } from "../../../../src/instrument/llm/instrument-llm.ts";
import { llmCall } from "../../../../src/instrument/llm/llm-call.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { FakeLlm, failing, json, refusing } from "../../../support/fake-llm.ts";
import { anthropicClient, apiKey, openAiClient } from "../../../support/fake-llm-clients.ts";
import { expectNoMarkers, operations, outcomeOf } from "../../../support/fake-llm-readings.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
let fake: FakeLlm;

beforeEach(async () => {
  bench = new Bench();
  setRuntime(bench);
  fake = await FakeLlm.start();
});
afterEach(async () => {
  setRuntime(undefined);
  await fake.close();
});

test("no prompt, answer or key is recorded, whatever happens to the call", async () => {
  const messages = [{ role: "user" as const, content: "MARKER-PROMPT" }];
  const openai = instrumentLlm(
    openAiClient("openai", fake.url, { maxRetries: 1, logLevel: "off" }),
  );
  const anthropic = instrumentLlm(
    anthropicClient("@anthropic-ai/sdk", fake.url, { maxRetries: 1, logLevel: "off" }),
  );
  const calls = [
    () => openai.chat.completions.create({ model: "gpt-4o", messages }),
    () => openai.responses.create({ model: "gpt-4o", input: "MARKER-PROMPT", user: "MARKER" }),
    () => openai.embeddings.create({ model: "text-embedding-3-small", input: "MARKER-PROMPT" }),
    () => anthropic.messages.create({ model: "claude-opus-5-5", max_tokens: 1, messages }),
    () => anthropic.messages.stream({ model: "claude-opus-5-5", max_tokens: 1, messages }).done(),
  ];
  const error = { message: "MARKER", type: "MARKER", code: "MARKER", param: "MARKER" };
  for (const call of calls) {
    await call();
    fake.replyWith(failing(400, error));
    await outcomeOf(call);
    fake.replyWith(failing(429, error), refusing);
    await outcomeOf(call);
    fake.replyWith(json(200, '{"MARKER": '));
    await outcomeOf(call);
  }
  llmCall({ operation: "chat", provider: "x", model: "y" }).fail(new Error("MARKER"));
  llmCall({ operation: "chat", provider: "x", model: "y" }).retry("MARKER");
  // They were all there to be recorded.
  const sent = JSON.stringify(fake.requests);
  expect(sent).toContain("MARKER-PROMPT");
  expect(sent).toContain(apiKey);
  expect(operations(bench.collect()).length).toBeGreaterThan(5);
  expectNoMarkers(bench);
});
