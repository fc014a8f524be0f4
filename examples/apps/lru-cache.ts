/**
 * A cache in memory: hits, misses, evictions, what it holds, and the time it saves. The same for a Map.
 *
 *     node examples/apps/lru-cache.ts
 *     curl http://127.0.0.1:3000/squares/12
 */
import { setTimeout as wait } from "node:timers/promises";
import { fastify } from "fastify";
import { LRUCache } from "lru-cache";
import { instrumentCache, start } from "repomind-telemetry/instrument";

start({ serviceName: "lru-cache-example" });

const squares = instrumentCache(new LRUCache<number, number>({ max: 100 }), { name: "squares" });

/** The time from a miss to the set is what a hit saves. */
async function square(n: number): Promise<number> {
  const known = squares.get(n);
  if (known !== undefined) return known;
  await wait(20);
  squares.set(n, n * n);
  return n * n;
}

const app = fastify();
app.get<{ Params: { n: string } }>("/squares/:n", async ({ params }) =>
  String(await square(Number(params.n))),
);

const { PORT = "3000" } = process.env;
console.log("listening on", await app.listen({ port: Number(PORT), host: "127.0.0.1" }));
