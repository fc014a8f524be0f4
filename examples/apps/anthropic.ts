/**
 * Calls of Anthropic: duration, time to the first chunk, tokens (cached ones too), cost, retries and errors, by model.
 * Prompts, answers and keys are never recorded.
 *
 *     ANTHROPIC_API_KEY=... node examples/apps/anthropic.ts
 *     curl "http://127.0.0.1:3000/explain?q=monads"
 */
import { Anthropic } from "@anthropic-ai/sdk";
import { fastify } from "fastify";
import { instrumentLlm, start } from "repomind-telemetry/instrument";

start({ serviceName: "anthropic-example" });

const anthropic = instrumentLlm(new Anthropic(), { queryType: "explain" });
const app = fastify();

app.get<{ Querystring: { q: string } }>("/explain", async ({ query }) => {
  const answer = anthropic.messages.stream({
    model: "claude-sonnet-5-5",
    max_tokens: 1024,
    messages: [{ role: "user", content: query.q }],
  });
  return answer.finalText();
});

const { PORT = "3000" } = process.env;
console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));
