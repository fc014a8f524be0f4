/**
 * A cache in Redis by ioredis: hits, misses, deletions, the duration of lookups, and the time that hits save.
 *
 *     REDIS_URL=redis://127.0.0.1:6379 node examples/apps/ioredis.ts
 *     curl http://127.0.0.1:3000/squares/12
 */
import { fastify } from "fastify";
import { Redis } from "ioredis";
import { instrumentCache, start } from "repomind-telemetry/instrument";

start({ serviceName: "ioredis-example" });

const { PORT = "3000", REDIS_URL = "redis://127.0.0.1:6379" } = process.env;
const redis = instrumentCache(new Redis(REDIS_URL), { name: "squares" });
redis.on("error", (error) => console.error(error));

async function square(n: number): Promise<string> {
  const known = await redis.get(`square:${n}`);
  if (known !== null) return known;
  await redis.set(`square:${n}`, n * n, "EX", 60);
  return String(n * n);
}

interface Square {
  Params: { n: string };
}
const app = fastify();
app.get<Square>("/squares/:n", async ({ params }) => square(Number(params.n)));
app.delete<Square>("/squares/:n", async ({ params }) => redis.del(`square:${params.n}`));
app.addHook("onClose", async () => redis.quit());
console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void app.close());
