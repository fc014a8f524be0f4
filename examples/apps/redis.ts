/**
 * A cache in Redis by node-redis: hits, misses, deletions, the duration of lookups, and the time that hits save.
 *
 *     REDIS_URL=redis://127.0.0.1:6379 node examples/apps/redis.ts
 *     curl http://127.0.0.1:3000/squares/12
 */
import { fastify } from "fastify";
import { createClient } from "redis";
import { instrumentCache, start } from "repomind-telemetry/instrument";

start({ serviceName: "redis-example" });

const { PORT = "3000", REDIS_URL = "redis://127.0.0.1:6379" } = process.env;
const redis = instrumentCache(createClient({ url: REDIS_URL }), { name: "squares" });
redis.on("error", (error) => console.error(error));
await redis.connect();

async function square(n: number): Promise<string> {
  const known = await redis.get(`square:${n}`);
  if (known !== null) return known;
  await redis.set(`square:${n}`, n * n, { expiration: { type: "EX", value: 60 } });
  return String(n * n);
}

interface Square {
  Params: { n: string };
}
const app = fastify();
app.get<Square>("/squares/:n", async ({ params }) => square(Number(params.n)));
app.delete<Square>("/squares/:n", async ({ params }) => redis.del(`square:${params.n}`));
app.addHook("onClose", async () => redis.close());
console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void app.close());
