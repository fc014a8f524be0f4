/** What gRPC and HTTP servers have in common: binding, and routes that come and go. */
import type { Server } from "node:net";
import type { Clock } from "../clock.ts";
import type { Budget } from "../component.ts";
import type { Logger } from "../log.ts";
import type { ServerSpec } from "../transport.ts";
import type { ServerObserver } from "./server-durations.ts";

export interface ServerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
  readonly observer?: ServerObserver | undefined;
}

/** A unix socket, or a port on one host; host absent: all interfaces. */
export type BindTarget =
  | { readonly path: string }
  | { readonly host: string | undefined; readonly port: number; readonly ipv6Only?: boolean };

/** A server that may listen on several addresses and serve several components. */
export interface NetServer<S extends ServerSpec = never> {
  addRoutes(spec: S): void;
  /** No new requests for them; waits for the running ones until aborted, then cuts these. */
  removeRoutes(spec: S, abort: AbortSignal): Promise<void>;
  /** Resolves to the bound address: `host:port` or the path. Rejects with Node's error. */
  bind(target: BindTarget): Promise<string>;
  close(abort: AbortSignal): Promise<void>;
}

const mostConnections = 10_000;
const fewestConnections = 256;
/** What an idle connection costs (measured: 23 KB of HTTP/2); all of them together at most half the budget. */
const connectionBytes = 24 * 1024;

/** How many connections a server takes. */
export function connectionLimit(budget: Budget): number {
  const fitting = Math.floor(budget.limitBytes / 2 / connectionBytes);
  return Math.min(Math.max(fitting, fewestConnections), mostConnections);
}
/** When stopping, half-sent requests get so long. */
export const lingerMs = 3000;

/** Binds a Node server; it is added to `bound` once it listens. */
export function bindServer<T extends Server>(
  server: T,
  target: BindTarget,
  bound: T[],
  log: Logger,
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      "path" in target
        ? target.path
        : {
            port: target.port,
            ipv6Only: target.ipv6Only ?? false,
            ...(target.host === undefined ? {} : { host: target.host }),
          },
      () => {
        server.off("error", reject);
        // Out of file descriptors, mostly: the connection is lost, the server goes on.
        server.on("error", (error) =>
          log.warn("Cannot accept a connection.", { error: error.message }),
        );
        bound.push(server);
        resolve(addressOf(server));
      },
    );
  });
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") return address ?? "";
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

const dropWarningMs = 60_000;

/** Says, once a minute, that connections beyond the bound are refused. */
export function warnOfDrops(server: Server, { clock, log }: ServerDeps, endpoint: string): void {
  let saidMs = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - saidMs < dropWarningMs) return;
    saidMs = nowMs;
    const { maxConnections } = server;
    log.warn(`More than ${maxConnections} connections; further ones are refused.`, { endpoint });
  });
}
