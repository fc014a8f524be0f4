/** The official client of Anthropic, plain and instrumented, before the same server: it must behave the same. */

import type { Anthropic } from "@anthropic-ai/sdk";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { instrumentLlm } from "../../../../src/instrument/llm/instrument-llm.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import {
  anthropicUsage,
  FakeLlm,
  failing,
  hanging,
  json,
  messageEvents,
  streaming,
} from "../../../support/fake-llm.ts";
import { anthropicClient } from "../../../support/fake-llm-clients.ts";
import {
  allOf,
  errorTypes,
  expectNoMarkers,
  named,
  operations,
  outcomeOf,
  retries,
  tokenSums,
} from "../../../support/fake-llm-readings.ts";
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
  expectNoMarkers(bench);
});

const ask = {
  model: "claude-opus-5-5",
  max_tokens: 10,
  messages: [{ role: "user" as const, content: "MARKER-PROMPT" }],
};

describe.each(["@anthropic-ai/sdk", "anthropic0"] as const)("%s", (name) => {
  const client = (options = {}) =>
    anthropicClient(name, fake.url, { maxRetries: 0, logLevel: "off", ...options });
  const instrumented = (options = {}) => instrumentLlm(client(options));

  type Scenario = (client: Anthropic) => Promise<unknown>;
  const ways: readonly (readonly [string, Scenario])[] = [
    ["create", (c) => c.messages.create(ask)],
    ["beta create", (c) => c.beta.messages.create(ask)],
    [
      "withResponse",
      async (c) => {
        const { data, response, request_id } = await c.messages.create(ask).withResponse();
        return [data, response.status, request_id];
      },
    ],
    ["asResponse().json()", async (c) => (await c.messages.create(ask).asResponse()).json()],
    ["parse", (c) => c.messages.parse(ask)],
    ["beta parse", (c) => c.beta.messages.parse(ask)],
    [
      "stream()",
      async (c) => {
        const stream = c.messages.stream(ask);
        const texts: string[] = [];
        stream.on("text", (text) => texts.push(text));
        return [await stream.finalMessage(), texts];
      },
    ],
    ["beta stream()", (c) => c.beta.messages.stream(ask).finalText()],
    [
      "a tool runner: one request for each turn",
      (c) => c.beta.messages.toolRunner({ ...ask, tools: [] }).runUntilDone(),
    ],
    [
      "a tool runner of streams",
      async (c) => {
        const types: string[] = [];
        for await (const stream of c.beta.messages.toolRunner({
          ...ask,
          stream: true,
          tools: [],
        })) {
          for await (const event of stream) types.push(event.type);
        }
        return types;
      },
    ],
    ["withOptions", (c) => c.withOptions({ timeout: 7000 }).messages.create(ask)],
    ["a stream", async (c) => allOf(await c.messages.create({ ...ask, stream: true }))],
    [
      "tee",
      async (c) => {
        const [left, right] = (await c.messages.create({ ...ask, stream: true })).tee();
        return Promise.all([allOf(left), allOf(right)]);
      },
    ],
    [
      "toReadableStream",
      async (c) => {
        const stream = await c.messages.create({ ...ask, stream: true });
        return new Response(stream.toReadableStream()).text();
      },
    ],
    [
      "an early break",
      async (c) => {
        const stream = await c.messages.create({ ...ask, stream: true });
        const seen: unknown[] = [];
        for await (const event of stream) {
          seen.push(event);
          break;
        }
        return [seen, stream.controller.signal.aborted];
      },
    ],
  ];

  test.each(ways)("%s behaves as unwrapped, and is one operation", async (_, scenario) => {
    const plain = await outcomeOf(() => scenario(client()));
    const sent = fake.requests.splice(0);
    const measured = await outcomeOf(() => scenario(instrumented()));
    expect(measured).toEqual(plain);
    expect(measured).toHaveProperty("returned");
    expect(fake.requests.map(({ path, body }) => [path, body])).toEqual(
      sent.map(({ path, body }) => [path, body]),
    );
    expect(operations(bench.collect()).map((p) => [p.attributes, p.count])).toEqual([
      [
        {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "anthropic",
          "gen_ai.request.model": "claude-opus-5-5",
        },
        1,
      ],
    ]);
    expect(bench.said).toEqual([]);
  });

  const overloaded = { type: "overloaded_error", message: "no" };
  const failures: readonly (readonly [string, string, () => void, Scenario])[] = [
    [
      "an overloaded server",
      "overloaded",
      () => fake.replyWith(failing(529, overloaded)),
      (c) => c.messages.create(ask),
    ],
    [
      "an error within a stream",
      "overloaded",
      () => {
        const event = `event: error\ndata: ${JSON.stringify({ type: "error", error: overloaded })}\n\n`;
        fake.replyWith(streaming([...messageEvents("claude-opus-5-5").slice(0, 2), event]));
      },
      async (c) => allOf(await c.messages.create({ ...ask, stream: true })),
    ],
    [
      "a wrong key",
      "authentication",
      () => fake.replyWith(failing(401, { type: "authentication_error", message: "no" })),
      (c) => c.messages.stream(ask).finalMessage(),
    ],
    [
      "a time-out",
      "timeout",
      () => fake.replyWith(hanging),
      (c) => c.messages.create(ask, { timeout: 30 }),
    ],
    [
      "broken JSON",
      "invalid_response",
      () => fake.replyWith(json(200, "{MARKER")),
      (c) => c.messages.create(ask),
    ],
    [
      "a stream that dies in the middle",
      "connection",
      () => fake.replyWith(streaming(messageEvents("claude-opus-5-5").slice(0, 3), "destroy")),
      async (c) => allOf(await c.messages.create({ ...ask, stream: true })),
    ],
    [
      "an abort in the middle of a stream",
      "aborted",
      () => fake.replyWith(streaming(messageEvents("claude-opus-5-5").slice(0, 2), "hang")),
      async (c) => {
        const stream = await c.messages.create({ ...ask, stream: true });
        const seen: unknown[] = [];
        for await (const event of stream) {
          seen.push(event);
          stream.controller.abort();
        }
        return seen;
      },
    ],
  ];

  test.each(failures)("%s: %s", async (_, type, prepare, scenario) => {
    prepare();
    const plain = await outcomeOf(() => scenario(client()));
    prepare();
    const measured = await outcomeOf(() => scenario(instrumented()));
    expect(measured).toEqual(plain);
    expect(errorTypes(bench.collect())).toEqual([[type, 1]]);
    expect(bench.said).toEqual([]);
  });

  test("two 429, then an answer; then all three used up", async () => {
    const anthropic = instrumented({ maxRetries: 2 });
    fake.replyWith(failing(429), failing(429));
    await anthropic.messages.create(ask);
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(retries(points)).toEqual([["rate_limit", 2]]);
    fake.replyWith(failing(500), failing(500), failing(500));
    await outcomeOf(() => anthropic.messages.create(ask));
    const after = bench.collect();
    expect(errorTypes(after)).toEqual([
      [undefined, 1],
      ["server_error", 1],
    ]);
    expect(retries(after)).toEqual([
      ["rate_limit", 2],
      ["server_error", 2],
    ]);
  });

  test.each([
    ["whole", (c: Anthropic) => c.messages.create(ask)],
    ["streamed", (c: Anthropic) => c.messages.stream(ask).finalMessage()],
  ] as const)("a cached call, %s: 3 + 2 + 5 in, 4 out", async (_, scenario) => {
    await scenario(instrumented());
    const points = bench.collect();
    expect(tokenSums(points)).toEqual([
      ["input", 10],
      ["output", 4],
    ]);
    expect(
      named(points, "repomind.llm.tokens").map((p) => [p.attributes["token.kind"], p.value]),
    ).toEqual([
      ["cached", 5],
      ["cache_write", 2],
    ]);
    const [cost] = named(points, "repomind.llm.cost");
    const expected = (3 * 4 + 2 * 5 + 5 * 0.2 + 4 * 20) / 1e6;
    expect(Math.abs(cost!.value! - expected)).toBeLessThan(1e-9 * expected);
  });

  test("what is written to the cache for an hour costs more", async () => {
    const usage = {
      ...anthropicUsage,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 2 },
    };
    const message = { id: "m", type: "message", role: "assistant", model: ask.model, content: [] };
    fake.replyWith(json(200, { ...message, usage }));
    await instrumented().messages.create(ask);
    const [cost] = named(bench.collect(), "repomind.llm.cost");
    expect(cost!.value).toBeCloseTo((3 * 4 + 2 * 8 + 5 * 0.2 + 4 * 20) / 1e6, 12);
  });

  test("a stream that is left early: its input is known, what it would have put out is not", async () => {
    for await (const event of await instrumented().messages.create({ ...ask, stream: true })) {
      if (event.type === "content_block_delta") break;
    }
    const points = bench.collect();
    expect(errorTypes(points)).toEqual([[undefined, 1]]);
    expect(tokenSums(points)).toEqual([["input", 10]]);
    expect(named(points, "repomind.llm.usage.missing").map((p) => p.value)).toEqual([1]);
    expect(named(points, "repomind.llm.cost")).toEqual([]);
  });

  test("the input of a stream that fails is counted, with the error", async () => {
    fake.replyWith(streaming(messageEvents("claude-opus-5-5").slice(0, 3), "destroy"));
    const anthropic = instrumented();
    await outcomeOf(async () => allOf(await anthropic.messages.create({ ...ask, stream: true })));
    const usage = named(bench.collect(), "gen_ai.client.token.usage");
    expect(usage.map((p) => [p.sum, p.attributes["error.type"]])).toEqual([[10, "connection"]]);
  });
});
