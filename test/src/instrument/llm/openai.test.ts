/** The official client of OpenAI, plain and instrumented, before the same server: it must behave the same. */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type * as OpenAiPackage from "openai";
import type { OpenAI } from "openai";
import { instrumentLlm } from "../../../../src/instrument/llm/instrument-llm.ts";
import type { LlmOptions } from "../../../../src/instrument/llm/types.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import {
  chatEvents,
  FakeLlm,
  failing,
  hanging,
  json,
  openAiResponse,
  refusing,
  streaming,
} from "../../../support/fake-llm.ts";
import { apiKey, openAiClient, requireNatively } from "../../../support/fake-llm-clients.ts";
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
import { Bench, type Point } from "../../../support/instrument-points.ts";

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
  expectNoMarkers(bench);
});

const counted = (points: Point[]) => points.reduce((sum, p) => sum + (p.count ?? p.value ?? 0), 0);

const ask = { model: "gpt-4o", messages: [{ role: "user" as const, content: "MARKER-PROMPT" }] };

describe.each(["openai", "openai6"] as const)("%s", (name) => {
  const client = (options = {}) => openAiClient(name, fake.url, { maxRetries: 0, ...options });
  const instrumented = (options: LlmOptions = {}, clientOptions = {}) =>
    instrumentLlm(client(clientOptions), options);

  type Scenario = (client: OpenAI) => Promise<unknown>;
  const ways: readonly (readonly [string, Scenario])[] = [
    ["create", (c) => c.chat.completions.create(ask)],
    [
      "withResponse",
      async (c) => {
        const { data, response, request_id } = await c.chat.completions.create(ask).withResponse();
        return [data, response.status, response.url, request_id];
      },
    ],
    [
      "asResponse().json()",
      async (c) => (await c.chat.completions.create(ask).asResponse()).json(),
    ],
    [
      "asResponse, then the data",
      async (c) => {
        const promise = c.responses.create({ model: "gpt-4o", input: "MARKER-PROMPT" });
        const raw = await promise.asResponse();
        return [raw.status, await promise];
      },
    ],
    [
      "parse",
      async (c) => {
        const format = { type: "json_schema" as const, json_schema: { name: "x", schema: {} } };
        return c.chat.completions.parse({ ...ask, response_format: format });
      },
    ],
    ["responses.create", (c) => c.responses.create({ model: "gpt-4o", input: "MARKER-PROMPT" })],
    ["responses.parse", (c) => c.responses.parse({ model: "gpt-4o", input: "MARKER-PROMPT" })],
    [
      "responses.stream()",
      async (c) => {
        const stream = c.responses.stream({ model: "gpt-4o", input: "MARKER-PROMPT" });
        const types: string[] = [];
        for await (const event of stream) types.push(event.type);
        return [types, await stream.finalResponse()];
      },
    ],
    [
      "chat.completions.stream()",
      async (c) => {
        const stream = c.chat.completions.stream(ask);
        const contents: string[] = [];
        stream.on("content", (content) => contents.push(content));
        return [await stream.finalChatCompletion(), contents];
      },
    ],
    ["completions", (c) => c.completions.create({ model: "gpt-4o", prompt: "MARKER-PROMPT" })],
    [
      "embeddings",
      (c) => c.embeddings.create({ model: "text-embedding-3-small", input: "MARKER-PROMPT" }),
    ],
    ["withOptions", (c) => c.withOptions({ timeout: 7000 }).chat.completions.create(ask)],
    [
      "withOptions twice",
      (c) => c.withOptions({ timeout: 7000 }).withOptions({}).chat.completions.create(ask),
    ],
    ["a stream", async (c) => allOf(await c.chat.completions.create({ ...ask, stream: true }))],
    [
      "a stream, withResponse",
      async (c) => {
        const promise = c.chat.completions.create({ ...ask, stream: true });
        const { data, response } = await promise.withResponse();
        return [response.status, await allOf(data)];
      },
    ],
    [
      "a stream read twice",
      async (c) => {
        const stream = await c.chat.completions.create({ ...ask, stream: true });
        const all = await allOf(stream);
        return [all, await outcomeOf(() => allOf(stream))];
      },
    ],
    [
      "a stream read once more while it is read",
      async (c) => {
        const stream = await c.chat.completions.create({ ...ask, stream: true });
        const seen: unknown[] = [];
        for await (const chunk of stream) {
          seen.push(chunk, await outcomeOf(() => allOf(stream)));
        }
        return seen;
      },
    ],
    [
      "tee",
      async (c) => {
        const stream = await c.chat.completions.create({ ...ask, stream: true });
        const [left, right] = stream.tee();
        return Promise.all([allOf(left), allOf(right)]);
      },
    ],
    [
      "toReadableStream",
      async (c) => {
        const stream = await c.chat.completions.create({ ...ask, stream: true });
        return new Response(stream.toReadableStream()).text();
      },
    ],
    [
      "an early break",
      async (c) => {
        const stream = await c.chat.completions.create({ ...ask, stream: true });
        const seen: unknown[] = [];
        for await (const chunk of stream) {
          seen.push(chunk);
          break;
        }
        return [seen, stream.controller.signal.aborted];
      },
    ],
    [
      "then, catch, finally of one promise",
      async (c) => {
        const promise = c.chat.completions.create(ask);
        const seen: string[] = [];
        const all = [
          promise.then((data) => data.id),
          promise.catch(() => "never"),
          promise.finally(() => seen.push("finally")),
        ];
        return [await Promise.all(all), seen];
      },
    ],
    [
      "a tool runner: one request for each turn",
      async (c) => (await c.chat.completions.runTools({ ...ask, tools: [] }).done()) ?? "done",
    ],
  ];

  test.each(ways)("%s behaves as unwrapped, and is one operation", async (_, scenario) => {
    const plain = await outcomeOf(() => scenario(client()));
    const sent = fake.requests.splice(0);
    const measured = await outcomeOf(() => scenario(instrumented()));
    expect(measured).toEqual(plain);
    expect(measured).toHaveProperty("returned");
    // The request is the same, too, but for what differs from request to request.
    expect(fake.requests.map(({ path, body }) => [path, body])).toEqual(
      sent.map(({ path, body }) => [path, body]),
    );
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(retries(points)).toEqual([]);
    expect(bench.said).toEqual([]);
  });

  const failures: readonly (readonly [string, string, () => void, Scenario])[] = [
    [
      "a refused request",
      "invalid_request",
      () => fake.replyWith(failing(400)),
      (c) => c.chat.completions.create(ask),
    ],
    [
      "too much context",
      "context_length",
      () => fake.replyWith(failing(400, { message: "no", code: "context_length_exceeded" })),
      (c) => c.chat.completions.create(ask),
    ],
    [
      "a used-up quota",
      "quota",
      () => fake.replyWith(failing(429, { message: "no", code: "insufficient_quota" })),
      (c) => c.chat.completions.create(ask),
    ],
    [
      "broken JSON",
      "invalid_response",
      () => fake.replyWith(json(200, '{"id": MARKER')),
      (c) => c.chat.completions.create(ask),
    ],
    [
      "a time-out",
      "timeout",
      () => fake.replyWith(hanging),
      (c) => c.chat.completions.create(ask, { timeout: 30 }),
    ],
    [
      "a connection that ends",
      "connection",
      () => fake.replyWith(refusing),
      (c) => c.chat.completions.create(ask),
    ],
    [
      "a refused connection",
      "connection",
      () => {},
      (c) => c.withOptions({ baseURL: "http://127.0.0.1:9/v1" }).chat.completions.create(ask),
    ],
    [
      "an abort before the answer",
      "aborted",
      () => fake.replyWith(hanging),
      async (c) => {
        const controller = new AbortController();
        const requested = fake.requested();
        const promise = c.chat.completions.create(ask, { signal: controller.signal });
        const outcome = outcomeOf(() => promise);
        await requested;
        controller.abort();
        return outcome;
      },
    ],
    [
      "an abort in the middle of a stream",
      "aborted",
      () => fake.replyWith(streaming(chatEvents("gpt-4o", false).slice(0, 1), "hang")),
      async (c) => {
        const { signal, abort } = aborter();
        const stream = await c.chat.completions.create({ ...ask, stream: true }, { signal });
        const seen: unknown[] = [];
        for await (const chunk of stream) {
          seen.push(chunk);
          abort();
        }
        return seen;
      },
    ],
    [
      "a stream that dies in the middle",
      "connection",
      () => fake.replyWith(streaming(chatEvents("gpt-4o", false).slice(0, 2), "destroy")),
      async (c) => allOf(await c.chat.completions.create({ ...ask, stream: true })),
    ],
    [
      "broken JSON in a stream",
      "invalid_response",
      () => fake.replyWith(streaming(["data: {MARKER\n\n"])),
      async (c) => allOf(await c.chat.completions.create({ ...ask, stream: true })),
    ],
    [
      "an error within a stream",
      "server_error",
      () =>
        fake.replyWith(streaming(['data: {"error":{"message":"no","type":"server_error"}}\n\n'])),
      async (c) => allOf(await c.chat.completions.create({ ...ask, stream: true })),
    ],
    [
      "a response that failed",
      "rate_limit",
      () => {
        const error = { code: "rate_limit_exceeded", message: "no" };
        fake.replyWith(json(200, openAiResponse("gpt-4o", { status: "failed", error })));
      },
      (c) => c.responses.create({ model: "gpt-4o", input: "MARKER-PROMPT" }),
    ],
    [
      "a stream of responses with an error event",
      "server_error",
      () => {
        const error = '{"type":"error","code":"server_error","message":"MARKER","param":null}';
        fake.replyWith(streaming([`event: error\ndata: ${error}\n\n`]));
      },
      async (c) =>
        allOf(await c.responses.create({ model: "gpt-4o", input: "MARKER-PROMPT", stream: true })),
    ],
    [
      "a helper's stream that fails",
      "not_found",
      () => fake.replyWith(failing(404)),
      (c) => c.chat.completions.stream(ask).finalContent(),
    ],
  ];

  test.each(failures)("%s: %s", async (_, type, prepare, scenario) => {
    // The client of a broken stream writes to the log of the application.
    const quiet = { logLevel: "off" };
    prepare();
    const plain = await outcomeOf(() => scenario(client(quiet)));
    prepare();
    const measured = await outcomeOf(() => scenario(instrumented({}, quiet)));
    expect(measured).toEqual(plain);
    expect(errorTypes(bench.collect())).toEqual([[type, 1]]);
    expect(bench.said).toEqual([]);
  });

  test("an answer that a helper cannot parse: the call itself succeeded, and cost", async () => {
    const choice = {
      index: 0,
      message: { role: "assistant", content: "{" },
      finish_reason: "length",
    };
    const usage = { prompt_tokens: 5, completion_tokens: 1 };
    const answer = { id: "x", model: "gpt-4o", choices: [choice], usage };
    fake.replyWith(json(200, answer), json(200, answer));
    const format = { type: "json_schema" as const, json_schema: { name: "x", schema: {} } };
    const parse = (c: OpenAI) => c.chat.completions.parse({ ...ask, response_format: format });
    const plain = await outcomeOf(() => parse(client()));
    expect(plain).toMatchObject({ thrown: "LengthFinishReasonError" });
    expect(await outcomeOf(() => parse(instrumented()))).toEqual(plain);
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(tokenSums(points)).toEqual([
      ["input", 5],
      ["output", 1],
    ]);
  });

  test("two 429, then an answer: one operation without an error, two retries", async () => {
    fake.replyWith(failing(429), failing(429));
    const answer = await instrumented({}, { maxRetries: 2 }).chat.completions.create(ask);
    expect(answer.id).toBe("chatcmpl-1");
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(named(points, "repomind.llm.retries").map((p) => [p.value, p.attributes])).toEqual([
      [
        2,
        {
          "gen_ai.provider.name": "openai",
          "gen_ai.request.model": "gpt-4o",
          "error.type": "rate_limit",
        },
      ],
    ]);
  });

  test("retries used up: one operation with the error", async () => {
    fake.replyWith(failing(500), failing(503), failing(429));
    const outcome = await outcomeOf(() =>
      instrumented({}, { maxRetries: 2 }).chat.completions.create(ask),
    );
    expect(outcome).toMatchObject({ thrown: "RateLimitError" });
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([["rate_limit", 1]]);
    expect(retries(points)).toEqual([
      ["server_error", 1],
      ["overloaded", 1],
    ]);
  });

  test("a connection that is lost and a time-out are retried for what they were", async () => {
    fake.replyWith(refusing, hanging);
    await instrumented({}, { maxRetries: 2, timeout: 400 }).chat.completions.create(ask);
    expect(retries(bench.collect())).toEqual([
      ["connection", 1],
      ["timeout", 1],
    ]);
  });

  test("calls at the same time keep their retries apart", async () => {
    const openai = instrumented({}, { maxRetries: 1 });
    fake.replyWith(failing(429), failing(500));
    await Promise.all([
      openai.chat.completions.create({ ...ask, model: "gpt-4o" }),
      openai.responses.create({ model: "o3", input: "x" }),
    ]);
    const points = bench.collect();
    expect(counted(operations(points))).toBe(2);
    const sent = named(points, "repomind.llm.retries");
    expect(sent.map((p) => p.value)).toEqual([1, 1]);
    expect(new Set(sent.map((p) => p.attributes["gen_ai.request.model"]))).toEqual(
      new Set(["gpt-4o", "o3"]),
    );
  });

  test("an answer that nobody has read yet is timed, and its usage follows", async () => {
    const openai = instrumented();
    const promise = openai.chat.completions.create(ask);
    // Waits for the headers as the client does, without reading the body.
    await (promise as unknown as { responsePromise: Promise<unknown> }).responsePromise;
    const before = bench.collect();
    expect(counted(operations(before))).toBe(1);
    expect(named(before, "gen_ai.client.token.usage")).toEqual([]);
    await promise;
    const after = bench.collect();
    expect(counted(operations(after))).toBe(1);
    expect(counted(named(after, "gen_ai.client.token.usage"))).toBe(2);
  });

  describe("usage", () => {
    const both = [
      ["input", 100],
      ["output", 20],
    ];

    test("of chat, responses and completions, with what was cached and reasoned", async () => {
      const openai = instrumented();
      await openai.chat.completions.create(ask);
      expect(tokenSums(bench.collect())).toEqual(both);
      await openai.responses.create({ model: "gpt-4o", input: "x" });
      await openai.completions.create({ model: "gpt-4o", prompt: "x" });
      const kinds = named(bench.collect(), "repomind.llm.tokens");
      expect(kinds.map((p) => [p.attributes["token.kind"], p.value])).toEqual([
        ["cached", 120],
        ["reasoning", 15],
      ]);
    });

    test("of embeddings there is input only", async () => {
      await instrumented().embeddings.create({ model: "text-embedding-3-small", input: "x" });
      const points = bench.collect();
      expect(tokenSums(points)).toEqual([["input", 7]]);
      expect(named(points, "repomind.llm.usage.missing")).toEqual([]);
      expect(named(points, "repomind.llm.cost")[0]!.value).toBeCloseTo((7 * 0.02) / 1e6, 15);
    });

    test("cached input has its own price, and is part of the input", async () => {
      await instrumented().chat.completions.create({ ...ask, model: "gpt-4o-2024-08-06" });
      const [cost] = named(bench.collect(), "repomind.llm.cost");
      expect(cost!.unit).toBe("{USD}");
      expect(cost!.value).toBeCloseTo((60 * 2.5 + 40 * 1.25 + 20 * 10) / 1e6, 12);
    });

    test("of a stream is in the last event of responses", async () => {
      const stream = await instrumented().responses.create({
        model: "gpt-4o",
        input: "x",
        stream: true,
      });
      await allOf(stream);
      const points = bench.collect();
      expect(tokenSums(points)).toEqual(both);
      expect(counted(named(points, "gen_ai.client.operation.time_to_first_chunk"))).toBe(1);
    });

    test("a stream of chat that was not asked for it: counted as missing, nothing made up", async () => {
      await allOf(await instrumented().chat.completions.create({ ...ask, stream: true }));
      const points = bench.collect();
      expect(fake.requests[0]!.body["stream_options"]).toBeUndefined();
      expect(tokenSums(points)).toEqual([]);
      expect(named(points, "repomind.llm.usage.missing").map((p) => p.value)).toEqual([1]);
      expect(named(points, "repomind.llm.cost")).toEqual([]);
      expect(named(points, "repomind.llm.unpriced")).toEqual([]);
    });

    test("inject asks for it and hides the chunk that the application did not ask for", async () => {
      const body = { ...ask, stream: true as const };
      const plain = await allOf(await client().chat.completions.create(body));
      const openai = instrumented({ streamUsage: "inject" });
      const seen = await allOf(await openai.chat.completions.create(body));
      expect(fake.requests[1]!.body["stream_options"]).toEqual({ include_usage: true });
      expect(body).toEqual({ ...ask, stream: true });
      expect(seen).toEqual(plain);
      const points = bench.collect();
      expect(tokenSums(points)).toEqual(both);
      expect(errorTypes(points)).toEqual([[undefined, 1]]);
    });

    test("inject leaves alone what the application said itself", async () => {
      const openai = instrumented({ streamUsage: "inject" });
      const asked = { ...ask, stream: true as const, stream_options: { include_usage: true } };
      const seen = await allOf(await openai.chat.completions.create(asked));
      expect(seen.at(-1)!.choices).toEqual([]);
      const refused = { ...ask, stream: true as const, stream_options: { include_usage: false } };
      await allOf(await openai.chat.completions.create(refused));
      await openai.chat.completions.create(ask);
      await allOf(await openai.responses.create({ model: "gpt-4o", input: "x", stream: true }));
      expect(fake.requests.map(({ body }) => body["stream_options"])).toEqual([
        { include_usage: true },
        { include_usage: false },
        undefined,
        undefined,
      ]);
    });

    test("a deployment of any name is priced by the model that answers", async () => {
      fake.replyWith(json(200, openAiResponse("gpt-4o-2024-08-06")));
      await instrumented().responses.create({ model: "our-deployment", input: "x" });
      const points = bench.collect();
      expect(named(points, "repomind.llm.unpriced")).toEqual([]);
      expect(named(points, "repomind.llm.cost")[0]!.attributes["gen_ai.request.model"]).toBe(
        "our-deployment",
      );
    });
  });

  test("the second time changes nothing; the object stays the same", async () => {
    const plain = client();
    const keys = Object.keys(plain.chat.completions);
    expect(instrumentLlm(plain)).toBe(plain);
    const create: unknown = Reflect.get(plain.chat.completions, "create");
    expect(instrumentLlm(plain, { provider: "other" })).toBe(plain);
    expect(Reflect.get(plain.chat.completions, "create")).toBe(create);
    expect(Object.keys(plain.chat.completions)).toEqual(keys);
    await plain.chat.completions.create(ask);
    expect(operations(bench.collect()).map((p) => p.attributes["gen_ai.provider.name"])).toEqual([
      "openai",
    ]);
  });

  test("methods keep their names and their numbers of parameters", () => {
    const shapesOf = (c: OpenAI) => [
      shapeOf(c.chat.completions, "create"),
      shapeOf(c.responses, "create"),
      shapeOf(c, "withOptions"),
      shapeOf(c, "fetch"),
    ];
    expect(shapesOf(instrumented())).toEqual(shapesOf(client()));
  });

  test("after another start it is measured there, and so are the clients made of it", async () => {
    const openai = instrumented();
    const made = openai.withOptions({});
    const second = new Bench();
    setRuntime(second);
    instrumentLlm(openai);
    await openai.chat.completions.create(ask);
    await made.chat.completions.create(ask);
    expect(bench.collect()).toEqual([]);
    expect(counted(operations(second.collect()))).toBe(2);
  });
});

/** Only version 7 tries again when the body does not come in time, which is while the application reads it. */
test("a body that does not come is a retry of the call that reads it", async () => {
  fake.replyWith(failing(429), (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"id":');
  });
  const openai = instrumentLlm(openAiClient("openai", fake.url, { maxRetries: 2, timeout: 300 }));
  const answer = await openai.chat.completions.create(ask);
  expect(answer.id).toBe("chatcmpl-1");
  const points = bench.collect();
  expect(errorTypes(points)).toEqual([[undefined, 1]]);
  expect(retries(points)).toEqual([
    ["rate_limit", 1],
    ["timeout", 1],
  ]);
});

test("a deployment of Azure", async () => {
  const { AzureOpenAI } = requireNatively("openai") as typeof OpenAiPackage;
  const seen: string[] = [];
  const azure = instrumentLlm(
    new AzureOpenAI({
      endpoint: "https://res.openai.azure.com",
      apiKey,
      apiVersion: "2025-04-01-preview",
      fetch: async (url) => {
        seen.push(url as string);
        return Response.json(openAiResponse("gpt-4o-2024-08-06"));
      },
    }),
  );
  await azure.chat.completions.create({ ...ask, model: "our-deployment" });
  expect(seen).toEqual([expect.stringContaining("/openai/deployments/our-deployment/chat/")]);
  const [operation] = operations(bench.collect());
  expect(operation!.attributes).toMatchObject({
    "gen_ai.provider.name": "azure.ai.openai",
    "gen_ai.request.model": "our-deployment",
  });
});

const aborter = () => {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
};
