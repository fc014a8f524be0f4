/** What the demo's servers share. */
import { once } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";

const maxBodyBytes = 1024 * 1024;

/** Undefined: no JSON, or too large. Rejects when the client goes away before the end. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request as AsyncIterable<string>) {
    if (text.length + chunk.length > maxBodyBytes) return undefined;
    text += chunk;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** On loopback; returns the port. Rejects as node:net does (EADDRINUSE). */
export async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
