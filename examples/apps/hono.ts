/**
 * Hono on Node: honoMiddleware() names the routes; it comes before them.
 *
 *     node examples/apps/hono.ts
 *     curl http://127.0.0.1:3000/repos/42
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { honoMiddleware, start } from "repomind-telemetry/instrument";

start({ serviceName: "hono-example" });

const repos = new Hono();
repos.get("/:id", (c) => c.json({}));
repos.post("/:id/index", (c) => c.text("the queue is full", 503));

const app = new Hono();
app.use(honoMiddleware());
app.route("/repos", repos);

const { PORT = "3000" } = process.env;
serve({ fetch: app.fetch, port: Number(PORT), hostname: "127.0.0.1" }, (address) =>
  console.log("listening on", address),
);
