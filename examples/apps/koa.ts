/**
 * Koa with @koa/router: koaMiddleware() names the routes; it comes before the router.
 *
 *     node examples/apps/koa.ts
 *     curl http://127.0.0.1:3000/repos/42
 */
import { Router } from "@koa/router";
import Koa from "koa";
import { koaMiddleware, start } from "repomind-telemetry/instrument";

start({ serviceName: "koa-example" });

const router = new Router({ prefix: "/repos" });
router.get("/:id", (ctx) => {
  ctx.body = {};
});
router.post("/:id/index", (ctx) => {
  ctx.status = 503;
  ctx.body = "the queue is full";
});

const app = new Koa();
app.use(koaMiddleware());
app.use(router.routes());

const { PORT = "3000" } = process.env;
const server = app.listen(Number(PORT), "127.0.0.1", () =>
  console.log("listening on", server.address()),
);
