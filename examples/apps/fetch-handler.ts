/**
 * A handler from Request to Response, as web-standard servers call it: fetchHandler() names its routes. It measures it,
 * too, where no server of node:http does. Here one does, by an adapter that hands on its request: each counts once.
 *
 *     node examples/apps/fetch-handler.ts
 *     curl http://127.0.0.1:3000/repos/42
 */
import { serve } from "@hono/node-server";
import { fetchHandler, start } from "repomind-telemetry/instrument";

start({ serviceName: "fetch-handler-example" });

const isRepo = ({ url }: Request) => /^\/repos\/[^/]+$/u.test(new URL(url).pathname);

async function handle(request: Request): Promise<Response> {
  return isRepo(request) ? Response.json({}) : new Response("not found", { status: 404 });
}

const fetch = fetchHandler(handle, {
  route: (request) => (isRepo(request) ? "/repos/:id" : undefined),
});

const { PORT = "3000" } = process.env;
serve({ fetch, port: Number(PORT), hostname: "127.0.0.1" }, (address) =>
  console.log("listening on", address),
);
