/** Models of Vercel's AI SDK: called by the SDK itself, and by hand in all versions of their interface. */
import { tracingChannel } from "node:diagnostics_channel";
import { runInThisContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type * as Ai from "ai";
import type { LanguageModel } from "ai";
import { instrumentLlm } from "../../../../src/instrument/llm/instrument-llm.ts";
import type { LlmOptions } from "../../../../src/instrument/llm/types.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { requireNatively } from "../../../support/fake-llm-clients.ts";
import {
  allOf,
  errorTypes,
  expectNoMarkers,
  named,
  operations,
  outcomeOf,
  retries,
  shapeOf,
  tokenSums,
} from "../../../support/fake-llm-readings.ts";
import { Bench } from "../../../support/instrument-points.ts";

const { APICallError, generateText, streamText, embed, wrapLanguageModel } = requireNatively(
  "ai",
) as typeof Ai;

// The SDK would tell the console that it adapts older models.
runInThisContext("globalThis.AI_SDK_LOG_WARNINGS = false");

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => {
  setRuntime(undefined);
  expectNoMarkers(bench);
});

type Step = "ok" | Error;

const usageV4 = {
  inputTokens: { total: 100, noCache: 50, cacheRead: 40, cacheWrite: 10 },
  outputTokens: { total: 20, text: 15, reasoning: 5 },
};
const usageV2 = {
  inputTokens: 100,
  outputTokens: 20,
  totalTokens: 120,
  cachedInputTokens: 40,
  reasoningTokens: 5,
};

/** A provider's model: a class with private state, as they are. Each call takes one step of the script. */
class Model {
  readonly specificationVersion: string;
  readonly provider = "openai.responses";
  readonly modelId = "gpt-4o";
  readonly supportedUrls = {};
  readonly #script: Step[];

  constructor(version: string, ...script: Step[]) {
    this.specificationVersion = version;
    this.#script = script;
  }

  get #usage() {
    return this.specificationVersion === "v2" ? usageV2 : usageV4;
  }
  get #finishReason() {
    return this.specificationVersion === "v2" ? "stop" : { unified: "stop", raw: "stop" };
  }

  #step(): void {
    const step = this.#script.shift() ?? "ok";
    if (step !== "ok") throw step;
  }

  async doGenerate(_options: unknown) {
    this.#step();
    return {
      content: [{ type: "text", text: "MARKER-ANSWER" }],
      finishReason: this.#finishReason,
      usage: this.#usage,
      response: { modelId: "gpt-4o-2024-08-06" },
      warnings: [],
    };
  }

  async doStream(_options: unknown) {
    this.#step();
    const parts: unknown[] = [
      { type: "stream-start", warnings: [] },
      { type: "response-metadata", modelId: "gpt-4o-2024-08-06" },
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", delta: "MARKER-ANSWER" },
      { type: "text-end", id: "1" },
      ...this.#ending(),
    ];
    const stream = new ReadableStream({
      pull(controller) {
        const part = parts.shift();
        if (part === undefined) controller.close();
        else if (part instanceof Error) controller.error(part);
        else controller.enqueue(part);
      },
    });
    return { stream };
  }

  #ending(): unknown[] {
    const last = this.#script.shift() ?? "ok";
    if (last !== "ok") return [last];
    return [{ type: "finish", finishReason: this.#finishReason, usage: this.#usage }];
  }
}

const model = (...script: Step[]) =>
  new Model("v4", ...script) as unknown as LanguageModel & object;
const instrumented = (...script: Step[]) => instrumentLlm(model(...script));

const tooMany = () =>
  new APICallError({
    message: "MARKER",
    url: "http://127.0.0.1/MARKER",
    requestBodyValues: { prompt: "MARKER" },
    statusCode: 429,
    isRetryable: true,
    responseHeaders: { "retry-after-ms": "1" },
  });

const prompt = "MARKER-PROMPT";
const quiet = { onError: () => {} };

describe("called by the AI SDK", () => {
  test("generateText gives the same, and is one operation with its usage", async () => {
    const plain = await generateText({ model: model(), prompt });
    const measured = await generateText({ model: instrumented(), prompt });
    expect([measured.text, measured.totalUsage]).toEqual([plain.text, plain.totalUsage]);
    const points = bench.collect();
    expect(operations(points).map((p) => [p.attributes, p.count])).toEqual([
      [
        {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "openai",
          "gen_ai.request.model": "gpt-4o",
        },
        1,
      ],
    ]);
    expect(tokenSums(points)).toEqual([
      ["input", 100],
      ["output", 20],
    ]);
    const [cost] = named(points, "repomind.llm.cost");
    expect(cost!.value).toBeCloseTo((60 * 2.5 + 40 * 1.25 + 20 * 10) / 1e6, 12);
  });

  test.each(["v2", "v3"])("a model of version %s, which the SDK adapts", async (version) => {
    const older = new Model(version) as unknown as LanguageModel & object;
    expect((await generateText({ model: instrumentLlm(older), prompt })).text).toBe(
      "MARKER-ANSWER",
    );
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(tokenSums(points)).toEqual([
      ["input", 100],
      ["output", 20],
    ]);
  });

  test("streamText gives the same, and has a first chunk", async () => {
    const read = async (streamed: LanguageModel) => {
      const result = streamText({ model: streamed, prompt });
      return [await allOf(result.textStream), await result.totalUsage];
    };
    expect(await read(instrumented())).toEqual(await read(model()));
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(tokenSums(points)).toEqual([
      ["input", 100],
      ["output", 20],
    ]);
    expect(named(points, "gen_ai.client.operation.time_to_first_chunk")[0]!.count).toBe(1);
  });

  test("each attempt is an operation of the model; the repeated ones are retries", async () => {
    const { text } = await generateText({ model: instrumented(tooMany(), tooMany()), prompt });
    expect(text).toBe("MARKER-ANSWER");
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([
      ["rate_limit", 2],
      [undefined, 1],
    ]);
    expect(retries(points)).toEqual([["rate_limit", 2]]);
  });

  test("streams are retried, too", async () => {
    const result = streamText({ model: instrumented(tooMany()), prompt, ...quiet });
    expect(await result.text).toBe("MARKER-ANSWER");
    expect(retries(bench.collect())).toEqual([["rate_limit", 1]]);
  });

  test("further calls of one request are not retries of what was tried again before", async () => {
    const called = instrumentLlm(new Model("v4", tooMany()));
    const channel = tracingChannel("ai:telemetry");
    const message = { type: "languageModelCall", event: { callId: "call-1" } };
    const attempt = () =>
      outcomeOf(() => channel.tracePromise(() => called.doGenerate({}), message));
    for (let i = 0; i < 3; i++) await attempt();
    expect(retries(bench.collect())).toEqual([["rate_limit", 1]]);
  });

  test("attempts that are used up: as many errors, one retry less", async () => {
    const failing = instrumented(tooMany(), tooMany(), tooMany());
    const outcome = await outcomeOf(() => generateText({ model: failing, prompt }));
    expect(outcome).toHaveProperty("thrown");
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([["rate_limit", 3]]);
    expect(retries(points)).toEqual([["rate_limit", 2]]);
  });

  test("a wrapped model is measured where it was instrumented", async () => {
    const inner = instrumented();
    const outer = wrapLanguageModel({ model: inner, middleware: [] });
    await generateText({ model: outer, prompt });
    expect(errorTypes(bench.collect())).toEqual([[undefined, 1]]);
  });

  test("embeddings", async () => {
    const embedder = instrumentLlm({
      specificationVersion: "v4",
      provider: "amazon-bedrock",
      modelId: "text-embedding-3-small",
      maxEmbeddingsPerCall: 1,
      supportsParallelCalls: false,
      doEmbed: async () => ({ embeddings: [[1, 2]], usage: { tokens: 7 }, warnings: [] }),
    });
    const { embedding } = await embed({
      model: embedder as unknown as Parameters<typeof embed>[0]["model"],
      value: prompt,
    });
    expect(embedding).toEqual([1, 2]);
    const points = bench.collect();
    expect(operations(points)[0]!.attributes).toMatchObject({
      "gen_ai.operation.name": "embeddings",
      "gen_ai.provider.name": "aws.bedrock",
    });
    expect(tokenSums(points)).toEqual([["input", 7]]);
  });
});

describe.each(["v2", "v3", "v4"])("%s, called by hand", (version) => {
  const by = (options: LlmOptions, ...script: Step[]) =>
    instrumentLlm(new Model(version, ...script), options);

  test("usage with its parts, and no retries: nothing says that calls belong together", async () => {
    const called = by({ provider: "own" }, tooMany());
    await outcomeOf(() => called.doGenerate({}));
    await called.doGenerate({});
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([
      ["rate_limit", 1],
      [undefined, 1],
    ]);
    expect(retries(points)).toEqual([]);
    expect(operations(points)[0]!.attributes["gen_ai.provider.name"]).toBe("own");
    const kinds = named(points, "repomind.llm.tokens");
    expect(kinds.map((p) => [p.attributes["token.kind"], p.value])).toEqual([
      ["cached", 40],
      ...(version === "v2" ? [] : [["cache_write", 10]]),
      ["reasoning", 5],
    ]);
  });

  test("a stream that breaks, one that is cancelled, one that says its error", async () => {
    const broken = await by({}, "ok", new TypeError("terminated")).doStream({});
    expect(await outcomeOf(() => allOf(broken.stream))).toMatchObject({
      thrown: "TypeError",
    });
    const left = await by({}).doStream({});
    for await (const part of left.stream) if (part !== undefined) break;
    expect(errorTypes(bench.collect())).toEqual([
      ["connection", 1],
      [undefined, 1],
    ]);
  });

  test("a stream is read at the pace of the application", async () => {
    let pulled = 0;
    const source = new ReadableStream(
      {
        pull(controller) {
          pulled++;
          controller.enqueue({ type: "text-delta", id: "1", delta: "x" });
        },
      },
      { highWaterMark: 0 },
    );
    const slow = { specificationVersion: version, doStream: async () => ({ stream: source }) };
    const { stream } = await instrumentLlm(slow).doStream();
    const reader = stream.getReader();
    await reader.read();
    await reader.read();
    await new Promise(setImmediate);
    expect(pulled).toBe(2);
    await reader.cancel();
  });
});

test("an error part fails the call, although the stream goes on to its end", async () => {
  const parts = [
    { type: "stream-start", warnings: [] },
    { type: "error", error: { type: "overloaded_error", message: "MARKER" } },
    { type: "finish", usage: usageV4 },
  ];
  const erring = { doStream: async () => ({ stream: ReadableStream.from(parts) }) };
  const { stream } = await instrumentLlm(erring).doStream();
  expect(await allOf(stream)).toEqual(parts);
  const points = bench.collect();
  expect(errorTypes(points)).toEqual([["overloaded", 1]]);
  expect(tokenSums(points)).toEqual([
    ["input", 100],
    ["output", 20],
  ]);
});

test("answers that cannot be changed, streams that are read already, and none at all", async () => {
  const streamOf = () => ReadableStream.from([{ type: "finish", usage: usageV4 }]);
  const frozen = instrumentLlm({
    doStream: async () => Object.freeze({ id: 1, stream: streamOf() }),
  });
  const answer = await frozen.doStream();
  expect([answer.id, await allOf(answer.stream)]).toEqual([
    1,
    [{ type: "finish", usage: usageV4 }],
  ]);
  expect(errorTypes(bench.collect())).toEqual([[undefined, 1]]);
  const taken = streamOf();
  taken.getReader();
  const locked = instrumentLlm({ doStream: async () => ({ stream: taken }) });
  expect((await locked.doStream()).stream).toBe(taken);
  const immediate = instrumentLlm({ doStream: (): unknown => undefined });
  expect(immediate.doStream()).toBeUndefined();
  expect(bench.codes).toEqual(["llm_failed"]);
});

test("a stream that the application aborts is aborted, one that it leaves is not", async () => {
  const endless = () => new ReadableStream({ pull: (to) => to.enqueue({ type: "text-delta" }) });
  const { doStream } = instrumentLlm({
    doStream: async (_options: { abortSignal?: AbortSignal }) => ({ stream: endless() }),
  });
  await (await doStream({})).stream.cancel();
  const controller = new AbortController();
  const { stream } = await doStream({ abortSignal: controller.signal });
  controller.abort();
  await stream.cancel();
  expect(errorTypes(bench.collect())).toEqual([
    [undefined, 1],
    ["aborted", 1],
  ]);
});

test("models of images, speech and transcription are no language models", async () => {
  const image = { maxImagesPerCall: 1, doGenerate: async () => ({ images: ["MARKER-ANSWER"] }) };
  const { doGenerate } = image;
  expect(instrumentLlm(image).doGenerate).toBe(doGenerate);
  expect(bench.codes).toEqual(["llm_not_instrumented"]);
});

test("methods keep their names and their numbers of parameters", () => {
  const names = ["doGenerate", "doStream"];
  const measured = instrumentLlm(new Model("v4"));
  expect(names.map((name) => shapeOf(measured, name))).toEqual(names.map((name) => [name, 1]));
});
