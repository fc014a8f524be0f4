/**
 * Express 4 and 5: routes are the declared templates, mounted routers included. Nothing but start() is needed.
 *
 *     node examples/apps/express.ts
 *     curl http://127.0.0.1:3000/orgs/acme/repos/42
 */
import express from "express";
import { start } from "repomind-telemetry/instrument";

start({ serviceName: "express-example", http: { ignore: ({ url }) => url === "/health" } });

const repos = express.Router();
repos.get("/:repo", (_request, response) => {
  response.json({});
});
repos.post("/:repo/index", () => {
  throw new Error("the queue is full");
});

const app = express();
app.get("/health", (_request, response) => {
  response.send("ok");
});
app.use("/orgs/:org/repos", repos);

const { PORT = "3000" } = process.env;
const server = app.listen(Number(PORT), "127.0.0.1", () =>
  console.log("listening on", server.address()),
);
