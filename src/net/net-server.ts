/** What gRPC and HTTP servers have in common: binding, and routes that come and go. */
import type { Server } from "node:net";
import type { Clock } from "../clock.ts";
import type { Budget } from "../component.ts";
import type { Logger } from "../log.ts";
import type { ServerSpec } from "../transport.ts";

export interface ServerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
}

/** A unix socket, or a port on one host; host absent: all interfaces. */
export type BindTarget =
  | { readonly path: string }
  | { readonly host: string | undefined; readonly port: number };

/** A server that may listen on several addresses and serve several components. */
export interface NetServer<S extends ServerSpec = never> {
  addRoutes(spec: S): void;
  removeRoutes(spec: S): void;
  /** Resolves to the bound address: `host:port` or the path. Rejects with Node's error. */
  bind(target: BindTarget): Promise<string>;
  close(abort: AbortSignal): Promise<void>;
}

/** Binds a Node server; it is added to `bound` once it listens. */
export function bindServer<T extends Server>(
  server: T,
  target: BindTarget,
  bound: T[],
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      "path" in target
        ? target.path
        : { port: target.port, ...(target.host === undefined ? {} : { host: target.host }) },
      () => {
        server.off("error", reject);
        bound.push(server);
        const address = server.address();
        if (address === null || typeof address === "string") return resolve(address ?? "");
        resolve(
          address.family === "IPv6"
            ? `[${address.address}]:${address.port}`
            : `${address.address}:${address.port}`,
        );
      },
    );
  });
}
