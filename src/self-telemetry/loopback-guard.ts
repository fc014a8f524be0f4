/**
 * Keeps web pages away from the debug endpoints of this machine. A page that a browser shows can send requests
 * to localhost, and by DNS rebinding (a name of its own that suddenly resolves to 127.0.0.1) even read the
 * answers; both betray themselves in the headers that the browser adds.
 */
import type { HttpExchange, HttpHandler } from "../transport.ts";

/** Wraps a handler of a server on `endpoint` (`host:port`, or a socket's path). */
export function guardLoopback(endpoint: string, handler: HttpHandler): HttpHandler {
  const host = hostOf(endpoint);
  if (!isLoopback(host)) return handler;
  return (exchange) => {
    const problem = problemOf(exchange, host);
    if (problem === undefined) return handler(exchange);
    exchange.respond(403, { "content-type": "text/plain; charset=utf-8" }, `${problem}\n`);
    return undefined;
  };
}

function problemOf({ headers }: HttpExchange, listensOn: string): string | undefined {
  if (headers.get("sec-fetch-site")?.[0] === "cross-site") {
    return "cannot answer: the request comes from another site's page";
  }
  const asked = headers.get("host")?.[0];
  if (asked === undefined) return undefined;
  const host = hostOf(asked);
  if (isLoopback(host) || host === listensOn) return undefined;
  return `cannot answer: this endpoint is for the local machine, and ${JSON.stringify(host)} is not its name`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/u.test(host);
}

/** `localhost:1`, `[::1]:1`, `localhost` -> the host, lower case, without a final dot. */
function hostOf(authority: string): string {
  const match = /^\[([^\]]*)\](?::\d*)?$|^([^:]*)(?::\d*)?$/u.exec(authority.trim());
  return (match?.[1] ?? match?.[2] ?? authority).toLowerCase().replace(/\.$/u, "");
}
