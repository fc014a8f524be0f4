/**
 * Fastify: routes are the declared templates, also of requests that validation or a hook refuses. start() comes before
 * fastify().
 *
 *     node examples/apps/fastify.ts
 *     curl http://127.0.0.1:3000/repos/42
 */
import { fastify } from "fastify";
import { start } from "repomind-telemetry/instrument";

start({ serviceName: "fastify-example" });

const app = fastify();
app.get("/repos/:id", async () => ({}));
app.get("/private", {
  onRequest: async (_request, reply) => reply.code(401).send(),
  handler: async () => "secret",
});
const querystring = { type: "object", required: ["q"], properties: { q: { type: "string" } } };
app.get("/search", { schema: { querystring } }, async () => []);

const { PORT = "3000" } = process.env;
console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void app.close());
