/**
 * A server of node:http: durations by route, method and status, open requests, errors; and the process itself.
 *
 *     node examples/apps/node-http.ts
 *     curl http://127.0.0.1:3000/repos/42
 */
import { createServer } from "node:http";
import { setErrorType, setRoute, start } from "repomind-telemetry/instrument";

start({ serviceName: "node-http-example" });

const server = createServer((request, response) => {
  const [path] = (request.url ?? "/").split("?");
  if (path === "/repos") {
    setRoute(request, "/repos");
    response.end("[]");
  } else if (path?.startsWith("/repos/")) {
    // The template, never the path: the number of routes stays small.
    setRoute(request, "/repos/:id");
    response.end("{}");
  } else if (path === "/search") {
    setRoute(request, "/search");
    setErrorType(request, "timeout");
    response.writeHead(504).end();
  } else {
    response.writeHead(404).end();
  }
});

const { PORT = "3000" } = process.env;
server.listen(Number(PORT), "127.0.0.1", () => console.log("listening on", server.address()));

// Requests under way are answered; what was counted until then is sent when the process ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => server.close());
