/** Calls that the application measures itself, their query types, and the bounds of all names. */
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { instrumentLlm } from "../../../../src/instrument/llm/instrument-llm.ts";
import { llmCall } from "../../../../src/instrument/llm/llm-call.ts";
import { withQueryType } from "../../../../src/instrument/llm/query-type.ts";
import type { LlmOptions, LlmUsage } from "../../../../src/instrument/llm/types.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import {
  errorTypes,
  named,
  operations,
  retries,
  tokenSums,
} from "../../../support/fake-llm-readings.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));

const disabled = () => ({ meter: bench.meter, problems: bench.problems, isDisabled: true });
const chat = { operation: "chat", provider: "openai", model: "gpt-4o" };
const values = (points: Point[], metric: string, key: string) =>
  named(points, metric).map((p) => p.attributes[key]);
const queryTypes = (points: Point[]) =>
  values(points, "gen_ai.client.operation.duration", "repomind.query.type");

/** A client by its shape, whose calls end at once. */
function client(options: LlmOptions = {}, baseURL = "https://api.openai.com/v1") {
  const usage = { prompt_tokens: 1, completion_tokens: 1 };
  const create = async ({ model }: { model: string }) => ({ model, usage });
  return instrumentLlm({ baseURL, chat: { completions: { create } } }, options);
}

describe("a manual call", () => {
  test("names, units and bounds are those of the conventions", () => {
    const call = llmCall({ ...chat, queryType: "ask", stream: true });
    call.retry("rate_limit");
    call.chunk();
    call.chunk();
    call.end({ input: 100, output: 20, cacheRead: 40, cacheWrite: 10, reasoning: 5 });
    const keys = {
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o",
      "repomind.query.type": "ask",
    };
    const callKeys = { "gen_ai.operation.name": "chat", ...keys };
    const points = bench.collect();
    expect(points.map((p) => [p.metric, p.unit, p.kind, p.attributes, p.count ?? p.value])).toEqual(
      [
        ["gen_ai.client.operation.duration", "s", "histogram", callKeys, 1],
        ["gen_ai.client.operation.time_to_first_chunk", "s", "histogram", callKeys, 1],
        [
          "gen_ai.client.token.usage",
          "{token}",
          "histogram",
          { ...callKeys, "gen_ai.token.type": "input" },
          1,
        ],
        [
          "gen_ai.client.token.usage",
          "{token}",
          "histogram",
          { ...callKeys, "gen_ai.token.type": "output" },
          1,
        ],
        ["repomind.llm.tokens", "{token}", "sum", { ...keys, "token.kind": "cached" }, 40],
        ["repomind.llm.tokens", "{token}", "sum", { ...keys, "token.kind": "cache_write" }, 10],
        ["repomind.llm.tokens", "{token}", "sum", { ...keys, "token.kind": "reasoning" }, 5],
        ["repomind.llm.retries", "{retry}", "sum", { ...keys, "error.type": "rate_limit" }, 1],
        ["repomind.llm.cost", "{USD}", "sum", keys, (60 * 2.5 + 40 * 1.25 + 20 * 10) / 1e6],
      ],
    );
    const [duration] = operations(points);
    expect(duration!.bounds).toEqual(Array.from({ length: 14 }, (_, k) => 0.01 * 2 ** k));
    const [usage] = named(points, "gen_ai.client.token.usage");
    expect(usage!.bounds).toEqual(Array.from({ length: 14 }, (_, k) => 4 ** k));
  });

  test("what is said after its end has no effect", () => {
    const call = llmCall(chat);
    call.fail(new Error("x"));
    call.end({ input: 1, output: 1 });
    call.fail("timeout");
    call.retry("timeout");
    call.chunk();
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([["_OTHER", 1]]);
    expect(points).toHaveLength(1);
  });

  test("a failure keeps the usage it is told", () => {
    llmCall(chat).fail("content_filter", { input: 10, output: 0 });
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([["content_filter", 1]]);
    expect(tokenSums(points)).toEqual([
      ["input", 10],
      ["output", 0],
    ]);
    expect(named(points, "repomind.llm.cost")[0]!.value).toBeCloseTo(25 / 1e6, 12);
  });

  test("stream: false has no first chunk, whatever code around it says", () => {
    const call = llmCall({ ...chat, stream: false });
    call.chunk();
    call.end({ input: 1, output: 1 });
    expect(named(bench.collect(), "gen_ai.client.operation.time_to_first_chunk")).toEqual([]);
  });

  test("a cost of its own stands before the list, also without tokens", () => {
    llmCall(chat).end({ costUsd: 0.5 });
    const points = bench.collect();
    expect(named(points, "repomind.llm.cost").map((p) => p.value)).toEqual([0.5]);
    expect(named(points, "repomind.llm.usage.missing")).toEqual([]);
  });

  test.each([
    ["nothing", undefined],
    ["no input", { output: 5 }],
    ["no output", { input: 5 }],
    ["numbers that are none", { input: Number.NaN, output: -1 }],
    ["something else", "MARKER" as unknown as LlmUsage],
  ])("too little is known: %s", (_, usage) => {
    llmCall(chat).end(usage);
    const points = bench.collect();
    expect(named(points, "repomind.llm.usage.missing").map((p) => p.value)).toEqual([1]);
    expect(named(points, "repomind.llm.cost")).toEqual([]);
    expect(bench.said).toEqual([]);
  });

  test("a model without a price is counted, and costs not 0 but nothing", () => {
    llmCall({ ...chat, model: "llama-5" }).end({ input: 1, output: 1 });
    const points = bench.collect();
    expect(named(points, "repomind.llm.unpriced").map((p) => [p.unit, p.value])).toEqual([
      ["{call}", 1],
    ]);
    expect(named(points, "repomind.llm.cost")).toEqual([]);
  });

  test("texts for retries are statuses or kinds of errors; all others are _OTHER", () => {
    const call = llmCall(chat);
    for (const text of ["429", "529", "timeout", "MARKER of a prompt"]) call.retry(text);
    expect(retries(bench.collect())).toEqual([
      ["rate_limit", 1],
      ["overloaded", 1],
      ["timeout", 1],
      ["_OTHER", 1],
    ]);
  });

  test("options and usage that throw are told, and nothing is thrown", () => {
    const throwing = () =>
      new Proxy(
        {},
        {
          get() {
            throw new Error("no");
          },
        },
      );
    llmCall(throwing() as never).end();
    llmCall(undefined as never).end();
    llmCall(chat).end(throwing());
    expect(new Set(bench.codes)).toEqual(new Set(["llm_failed"]));
    expect(errorTypes(bench.collect())).toEqual([[undefined, 1]]);
  });
});

describe("query types", () => {
  test("of the call, before the current one, before the client's", async () => {
    const model = "gpt-4o";
    const asking = client({ queryType: "default" });
    await asking.chat.completions.create({ model });
    await withQueryType("summary", () => asking.chat.completions.create({ model }));
    withQueryType("summary", () => llmCall({ ...chat, queryType: "own" }).end());
    expect(queryTypes(bench.collect())).toEqual(["default", "summary", "own"]);
  });

  test("hold for what is awaited, and the inner one counts", async () => {
    const result = await withQueryType("outer", async () => {
      await new Promise(setImmediate);
      withQueryType("inner", () => llmCall(chat).end());
      llmCall(chat).end();
      return "result";
    });
    expect(result).toBe("result");
    llmCall(chat).end();
    expect(queryTypes(bench.collect())).toEqual(["inner", "outer", undefined]);
  });

  test("an empty one is none", () => {
    llmCall({ ...chat, model: "", queryType: "" }).end();
    expect(operations(bench.collect())[0]!.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
    });
  });

  test("a declared list: others are _OTHER", async () => {
    const asking = client({ queryTypes: ["ask", "summary"] });
    for (const type of ["ask", "MARKER", "summary"]) {
      await withQueryType(type, () => asking.chat.completions.create({ model: "gpt-4o" }));
    }
    expect(queryTypes(bench.collect())).toEqual(["ask", "_OTHER", "summary"]);
  });

  test("what run throws comes through, and without a start it runs all the same", async () => {
    const failing = () => {
      throw new RangeError("mine");
    };
    expect(() => withQueryType("x", failing)).toThrow(new RangeError("mine"));
    setRuntime(disabled());
    expect(withQueryType("x", () => 7)).toBe(7);
  });
});

test("all names are bounded: 50 models, 20 query types, 20 providers, 20 operations", () => {
  for (let i = 0; i < 60; i++) {
    llmCall({ operation: `o${i}`, provider: `p${i}`, model: `m${i}`, queryType: `q${i}` }).end();
  }
  const points = bench.collect();
  const distinct = (key: string) =>
    new Set(values(points, "gen_ai.client.operation.duration", key));
  for (const [key, bound] of [
    ["gen_ai.request.model", 50],
    ["repomind.query.type", 20],
    ["gen_ai.provider.name", 20],
    ["gen_ai.operation.name", 20],
  ] as const) {
    expect(distinct(key).size).toBe(bound + 1);
    expect(distinct(key)).toContain("_OTHER");
  }
});

test("a text is no name", () => {
  const text = "MARKER-PROMPT".repeat(20);
  llmCall({ operation: text, provider: text, model: text, queryType: text }).end();
  const [{ attributes } = { attributes: {} }] = operations(bench.collect());
  expect(new Set(Object.values(attributes))).toEqual(new Set(["_OTHER"]));
});

describe("providers", () => {
  test.each([
    ["https://api.openai.com/v1", "openai"],
    ["https://eu.api.openai.com/v1", "openai"],
    ["https://res.openai.azure.com/openai", "azure.ai.openai"],
    ["https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws.bedrock"],
    ["https://us-east5-aiplatform.googleapis.com/v1", "gcp.vertex_ai"],
    ["https://generativelanguage.googleapis.com/v1beta/openai/", "gcp.gemini"],
    ["https://api.groq.com/openai/v1", "groq"],
    ["https://api.groq.com.example/v1", "openai"],
    ["http://127.0.0.1:4000/v1", "openai"],
    ["no url", "openai"],
  ])("%s is %s", async (baseURL, provider) => {
    await client({}, baseURL).chat.completions.create({ model: "x" });
    const [point] = operations(bench.collect());
    expect(point!.attributes["gen_ai.provider.name"]).toBe(provider);
  });

  test("of the host at the time of the call", async () => {
    const moving = client({}, "https://api.openai.com/v1");
    await moving.chat.completions.create({ model: "x" });
    moving.baseURL = "https://api.groq.com/openai/v1";
    await moving.chat.completions.create({ model: "x" });
    expect(
      values(bench.collect(), "gen_ai.client.operation.duration", "gen_ai.provider.name"),
    ).toEqual(["openai", "groq"]);
  });

  test("the option stands before the host", async () => {
    await client({ provider: "vllm" }).chat.completions.create({ model: "x" });
    const [point] = operations(bench.collect());
    expect(point!.attributes["gen_ai.provider.name"]).toBe("vllm");
  });

  test("of Anthropic's client before an unknown host", async () => {
    const create = async () => ({ usage: { input_tokens: 1, output_tokens: 1 } });
    await instrumentLlm({ baseURL: "http://127.0.0.1", messages: { create } }).messages.create();
    const [point] = operations(bench.collect());
    expect(point!.attributes["gen_ai.provider.name"]).toBe("anthropic");
  });
});

describe("whatever is passed", () => {
  test("what is no client comes back as it is, told once", () => {
    const others = [{}, { chat: {} }, new Map(), Object.freeze({ messages: { create: 7 } })];
    for (const other of others) expect(instrumentLlm(other)).toBe(other);
    expect(instrumentLlm(null as never)).toBe(null);
    expect(new Set(bench.codes)).toEqual(new Set(["llm_not_instrumented"]));
  });

  test("a resource that has two names is counted once", async () => {
    const completions = { create: async () => "answer" };
    const twice = instrumentLlm({ chat: { completions }, beta: { chat: { completions } } });
    await twice.beta.chat.completions.create();
    expect(errorTypes(bench.collect())).toEqual([[undefined, 1]]);
  });

  test("a client that could not be wrapped to its end is not wrapped twice", async () => {
    const create = async () => "answer";
    const half = { messages: { create }, beta: { messages: Object.freeze({ create }) } };
    instrumentLlm(half);
    await instrumentLlm(half).messages.create();
    expect(errorTypes(bench.collect())).toEqual([[undefined, 1]]);
    expect(bench.codes).toEqual(["llm_not_instrumented"]);
  });

  test("a frozen client works on, unmeasured", async () => {
    const frozen = Object.freeze({
      chat: Object.freeze({ completions: Object.freeze({ create: async () => "answer" }) }),
    });
    expect(await instrumentLlm(frozen).chat.completions.create()).toBe("answer");
    expect(bench.codes).toEqual(["llm_not_instrumented"]);
  });

  test("a body that throws when it is read does what it does without us", async () => {
    const body = {
      get model(): string {
        throw new Error("MARKER");
      },
    };
    await expect(client().chat.completions.create(body)).rejects.toThrow("MARKER");
    expect(bench.codes).toEqual(["llm_failed"]);
  });

  test("a create that throws at once, and one that returns at once", () => {
    const throwing = instrumentLlm({
      embeddings: {
        create(): never {
          throw new TypeError("mine");
        },
      },
    });
    expect(() => throwing.embeddings.create()).toThrow(new TypeError("mine"));
    const immediate = instrumentLlm({ embeddings: { create: () => ({ data: 1 }) } });
    expect(immediate.embeddings.create()).toEqual({ data: 1 });
    expect(errorTypes(bench.collect())).toEqual([
      ["_OTHER", 1],
      [undefined, 1],
    ]);
  });

  test("create keeps its this, its arguments and what it is called on", async () => {
    class Completions {
      readonly #secret = 7;
      async create(...args: unknown[]): Promise<unknown[]> {
        return [this.#secret, ...args];
      }
    }
    const made = instrumentLlm({ chat: { completions: new Completions() } });
    const options = { timeout: 1 };
    const body = { model: "x" };
    expect(await made.chat.completions.create()).toEqual([7]);
    const [secret, ...args] = await made.chat.completions.create(body, options);
    expect(secret).toBe(7);
    expect(args[0]).toBe(body);
    expect(args[1]).toBe(options);
  });

  test("before a start: told once for each function, however often it is called", () => {
    setRuntime(undefined);
    const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => {});
    for (let i = 0; i < 3; i++) {
      llmCall(chat).end();
      withQueryType("x", () => {});
      instrumentLlm({});
    }
    const told = warn.mock.calls.map(([message]) => message);
    warn.mockRestore();
    expect(told).toEqual([
      "llmCall() has no effect before start()",
      "withQueryType() has no effect before start()",
      "instrumentLlm() has no effect before start()",
    ]);
  });

  test("where all is disabled, nothing is touched", () => {
    setRuntime(disabled());
    const create = async () => "x";
    const plain = { messages: { create } };
    expect(instrumentLlm(plain).messages.create).toBe(create);
    llmCall(chat).end();
    expect(bench.collect()).toEqual([]);
  });
});
