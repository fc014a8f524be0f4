/**
 * Calls of OpenAI: duration, time to the first chunk, tokens, cost, retries and errors, by model and query type.
 * Prompts, answers and keys are never recorded.
 *
 *     OPENAI_API_KEY=... node examples/apps/openai.ts
 *     curl "http://127.0.0.1:3000/explain?q=monads"
 */
import { Readable } from "node:stream";
import { fastify } from "fastify";
import { OpenAI } from "openai";
import { instrumentLlm, start, withQueryType } from "repomind-telemetry/instrument";

start({ serviceName: "openai-example" });

// "inject" asks streams of chat completions for their usage; without it their tokens are not known.
const openai = instrumentLlm(new OpenAI(), { streamUsage: "inject" });
const model = "gpt-6-luna";

interface Query {
  Querystring: { q: string };
}
const textOf = ({ choices }: OpenAI.ChatCompletionChunk) => choices[0]?.delta.content ?? "";
const app = fastify();

app.get<Query>("/explain", async ({ query }) => {
  const response = await withQueryType("explain", () =>
    openai.responses.create({ model, input: query.q }),
  );
  return response.output_text;
});

app.get<Query>("/summarize", async ({ query }, reply) => {
  const messages = [{ role: "user", content: query.q } as const];
  const chunks = await withQueryType("summarize", () =>
    openai.chat.completions.create({ model, messages, stream: true }),
  );
  return reply.send(Readable.from(chunks).map(textOf));
});

const { PORT = "3000" } = process.env;
console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));
