/** The paths of Go's net/http/pprof that have a counterpart in V8. */
import { getHeapSnapshot } from "node:v8";
import { type Clock, sleep } from "../../src/clock.ts";
import { asTelemetryError } from "../../src/errors.ts";
import { guardLoopback } from "../../src/self-telemetry/loopback-guard.ts";
import type { HttpExchange, HttpHandler } from "../../src/transport.ts";
import type { ProfileKind, Profiler } from "./profiler.ts";

/** A profile is held in memory while it is taken. */
const maxSeconds = 300;
/** Go's default for both. */
const defaultSeconds = 30;

const index = `/debug/pprof/

  profile?seconds=N      CPU profile of N seconds (default ${defaultSeconds}, at most ${maxSeconds}), a .cpuprofile
  heap?seconds=N         where N seconds of allocations that are still alive came from, a .heapprofile
  heap?snapshot=true     the whole heap, a .heapsnapshot; stops the service for about a second per 100 MB of heap

Open the files with Chrome DevTools, VS Code or speedscope. goroutine, block, mutex, threadcreate and trace are
Go's and have no counterpart here.
`;

const textHeaders = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

/** Routes for a server on `endpoint` (`host:port`). */
export function pprofRoutes(
  endpoint: string,
  profiler: Profiler,
  clock: Clock,
): ReadonlyMap<string, HttpHandler> {
  const guarded = (handler: HttpHandler) => guardLoopback(endpoint, onlyGet(handler));
  const answerIndex = guarded((exchange) => exchange.respond(200, textHeaders, index));
  return new Map([
    ["/debug/pprof", answerIndex],
    ["/debug/pprof/", answerIndex],
    ["/debug/pprof/profile", guarded((exchange) => profile("cpu", exchange, profiler, clock))],
    [
      "/debug/pprof/heap",
      guarded((exchange) =>
        exchange.query.get("snapshot") === "true"
          ? snapshot(exchange)
          : profile("heap", exchange, profiler, clock),
      ),
    ],
  ]);
}

function onlyGet(handler: HttpHandler): HttpHandler {
  return (exchange) => {
    if (exchange.method === "GET") return handler(exchange);
    exchange.respond(405, { ...textHeaders, allow: "GET" });
    return undefined;
  };
}

async function profile(
  kind: ProfileKind,
  exchange: HttpExchange,
  profiler: Profiler,
  clock: Clock,
): Promise<void> {
  const seconds = secondsOf(exchange.query.get("seconds"));
  if (seconds === undefined) {
    const problem = `invalid value for "seconds": must be a number above 0 and at most ${maxSeconds}\n`;
    exchange.respond(400, textHeaders, problem);
    return;
  }
  // Who goes away ends the profile.
  const until = sleep(clock, seconds * 1000, exchange.aborted).catch(() => undefined);
  try {
    const text = await profiler.profile(kind, until);
    if (!exchange.aborted.aborted)
      exchange.respond(200, attachment(`${kind}.${kind}profile`), text);
  } catch (error) {
    exchange.respond(500, textHeaders, `${asTelemetryError(error).message}\n`);
  }
}

function secondsOf(text: string | null): number | undefined {
  if (text === null || text === "") return defaultSeconds;
  const seconds = Number(text);
  return seconds > 0 && seconds <= maxSeconds ? seconds : undefined;
}

/** Streamed: a snapshot is as large as the heap. */
async function snapshot(exchange: HttpExchange): Promise<void> {
  const writer = exchange.stream(200, attachment("heap.heapsnapshot"));
  for await (const chunk of getHeapSnapshot()) {
    if (exchange.aborted.aborted) return;
    await writer.write(String(chunk));
  }
  writer.end();
}

const attachment = (filename: string) => ({
  "content-type": "application/octet-stream",
  "content-disposition": `attachment; filename="${filename}"`,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
});
