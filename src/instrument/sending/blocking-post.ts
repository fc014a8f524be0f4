/**
 * Sending while the process ends: its event loop no longer turns, so a worker sends and this thread waits for it.
 * That takes about 40 ms, most of them for the worker's start.
 */
import type { Target } from "./post.ts";

/** A text, not a file: it runs from any build of this package, bundled or not. */
const workerSource = `
const { workerData } = require("node:worker_threads");
const { url, headers, requests, shared } = workerData;
const { request: open } = require(url.startsWith("https:") ? "node:https" : "node:http");
const state = new Int32Array(shared);
const send = ({ body, isGzip }) => new Promise((resolve) => {
  const encoding = isGzip ? { "content-encoding": "gzip" } : {};
  const request = open(url, { method: "POST", headers: { ...headers, ...encoding,
    "content-type": "application/x-protobuf", "content-length": body.length } });
  request.on("error", () => resolve());
  request.on("response", (response) => {
    if (response.statusCode < 300) Atomics.add(state, 1, 1);
    response.on("error", () => resolve());
    response.on("end", () => resolve());
    response.resume();
  });
  request.end(body);
});
(async () => {
  for (const each of requests) await send(each);
  Atomics.store(state, 0, 1);
  Atomics.notify(state, 0);
})();
`;

export interface BlockingRequest {
  readonly body: Uint8Array;
  readonly isGzip: boolean;
}

/** Blocks until everything is sent or performance.now() is deadlineMs; returns how many requests arrived. */
export function postBlocking(
  target: Target,
  requests: readonly BlockingRequest[],
  deadlineMs: number,
): number {
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const worker = new Worker(workerSource, {
    eval: true,
    // The application's preloaded modules are no business of this worker.
    execArgv: [],
    env: {},
    workerData: { url: target.url.href, headers: target.headers, requests, shared },
  });
  worker.unref();
  Atomics.wait(state, 0, 0, Math.max(0, deadlineMs - performance.now()));
  return Atomics.load(state, 1);
}
