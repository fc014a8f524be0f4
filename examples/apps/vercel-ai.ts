/**
 * Models of Vercel's AI SDK: the model is instrumented, whatever of the SDK calls it. Here it is one of the AI Gateway;
 * one of any other provider does as well: instrumentLlm(openai("gpt-6-luna")).
 *
 *     AI_GATEWAY_API_KEY=... node examples/apps/vercel-ai.ts
 *     curl "http://127.0.0.1:3000/explain?q=monads"
 */
import { Readable } from "node:stream";
import { createGateway, generateText, streamText } from "ai";
import { fastify } from "fastify";
import { instrumentLlm, start, withQueryType } from "repomind-telemetry/instrument";

start({ serviceName: "vercel-ai-example" });

const { AI_GATEWAY_URL: baseURL = "https://ai-gateway.vercel.sh/v4/ai", PORT = "3000" } =
  process.env;
const model = instrumentLlm(createGateway({ baseURL }).languageModel("openai/gpt-6-luna"), {
  provider: "openai",
  // A name that the price list does not have: without a price the call is counted as unpriced, not as free.
  prices: { version: "mine", usdPerMillion: { "openai/gpt-6-luna": { input: 0.1, output: 0.5 } } },
});

interface Query {
  Querystring: { q: string };
}
const app = fastify();

app.get<Query>("/title", async ({ query }) => {
  const { text } = await withQueryType("title", () => generateText({ model, prompt: query.q }));
  return text;
});

app.get<Query>("/explain", async ({ query }, reply) => {
  const { textStream } = withQueryType("explain", () => streamText({ model, prompt: query.q }));
  return reply.send(Readable.from(textStream));
});

console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));
