/** Who listens where: components that name the same endpoint share one server. */
import { unlinkSync } from "node:fs";
import type { ComponentId } from "../component.ts";
import { TelemetryError } from "../errors.ts";
import type { GrpcServerSpec, HttpServerSpec, Listener, ServerSpec } from "../transport.ts";
import { causeText } from "./cause.ts";
import { GrpcServer } from "./grpc-server.ts";
import { HttpServer } from "./http-server.ts";
import type { BindTarget, NetServer, ServerDeps } from "./net-server.ts";

interface Shared {
  readonly key: string;
  readonly settings: string;
  readonly server: NetServer;
  readonly owners: Map<string, ServerSpec>;
  readonly addresses: readonly string[];
}

export class Listeners {
  readonly #deps: ServerDeps;
  readonly #shared = new Map<string, Promise<Shared>>();
  #unshared = 0;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
  }

  /**
   * Listens, or joins the server that listens there already. Rejects with ADDRESS_IN_USE, LISTEN_FAILED, or
   * CONFIG_INVALID when two components want different settings or the same path of one endpoint.
   */
  async listen(owner: ComponentId, spec: ServerSpec): Promise<Listener> {
    const name = `${owner.kind} ${owner.text}`;
    const key = this.#keyOf(spec);
    const existing = this.#shared.get(key);
    if (existing !== undefined) return this.#join(await existing, name, spec);
    const opened = this.#open(key, owner, spec);
    this.#shared.set(key, opened);
    try {
      return this.#listenerOf(await opened, name);
    } catch (error) {
      this.#shared.delete(key);
      throw error;
    }
  }

  #keyOf(spec: ServerSpec): string {
    // Port 0 is a different port each time.
    if (spec.transport === "tcp" && spec.endpoint.endsWith(":0")) return `free ${this.#unshared++}`;
    return `${spec.transport} ${spec.endpoint}`;
  }

  #join(shared: Shared, name: string, spec: ServerSpec): Listener {
    const others = [...shared.owners.keys()].join(", ");
    if (shared.settings !== settingsOf(spec)) {
      throw new TelemetryError(
        "CONFIG_INVALID",
        `cannot listen on ${spec.endpoint}: ${others} listens there with other server settings`,
      );
    }
    for (const path of pathsOf(spec)) {
      const taken = [...shared.owners].find(([, other]) => pathsOf(other).includes(path));
      if (taken !== undefined) {
        throw new TelemetryError(
          "CONFIG_INVALID",
          `cannot serve ${path} on ${spec.endpoint}: ${taken[0]} serves it already`,
        );
      }
    }
    shared.owners.set(name, spec);
    shared.server.addRoutes(spec as never);
    return this.#listenerOf(shared, name);
  }

  async #open(key: string, owner: ComponentId, spec: ServerSpec): Promise<Shared> {
    const name = `${owner.kind} ${owner.text}`;
    const server = createServer(spec, this.#deps);
    server.addRoutes(spec as never);
    const addresses = await this.#bindAll(server, owner, spec);
    return { key, settings: settingsOf(spec), server, owners: new Map([[name, spec]]), addresses };
  }

  async #bindAll(server: NetServer, owner: ComponentId, spec: ServerSpec): Promise<string[]> {
    if (spec.transport === "unix") {
      removeStaleSocket(spec.endpoint);
      return [await bindOrExplain(server, { path: spec.endpoint }, owner, spec)];
    }
    const { host, port } = parseEndpoint(spec.endpoint);
    if (host === "" || host === "0.0.0.0" || host === "::") {
      this.#deps.log.warn(
        `Using the ${host === "" ? "0.0.0.0" : host} address exposes this server to every network interface, which may facilitate Denial of Service attacks.`,
        { "otelcol.component.id": owner.text, endpoint: spec.endpoint },
      );
    }
    if (host !== "localhost") {
      return [
        await bindOrExplain(server, { host: host === "" ? undefined : host, port }, owner, spec),
      ];
    }
    const first = await bindOrExplain(server, { host: "127.0.0.1", port }, owner, spec);
    const second = await this.#bindLoopback6(
      server,
      Number(first.split(":")[1]),
      owner,
      spec,
      port === 0,
    );
    return second === undefined ? [first] : [first, second];
  }

  /** ::1 beside 127.0.0.1; a machine without it is no error, nor a taken port where any was asked for. */
  async #bindLoopback6(
    server: NetServer,
    port: number,
    owner: ComponentId,
    spec: ServerSpec,
    isAnyPort: boolean,
  ): Promise<string | undefined> {
    try {
      return await server.bind({ host: "::1", port });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return undefined;
      if (code === "EADDRINUSE" && isAnyPort) return undefined;
      throw explain(error, owner, spec);
    }
  }

  #listenerOf(shared: Shared, name: string): Listener {
    let isClosed = false;
    return {
      addresses: shared.addresses,
      close: async (abort) => {
        if (isClosed) return;
        isClosed = true;
        const spec = shared.owners.get(name)!;
        shared.owners.delete(name);
        if (shared.owners.size > 0) return shared.server.removeRoutes(spec as never, abort);
        await shared.server.close(abort);
        this.#shared.delete(shared.key);
      },
    };
  }
}

function createServer(spec: ServerSpec, deps: ServerDeps): NetServer {
  return spec.kind === "grpc" ? new GrpcServer(spec, deps) : new HttpServer(spec, deps);
}

const pathsOf = (spec: ServerSpec): readonly string[] => [
  ...(spec.kind === "grpc" ? spec.methods : spec.routes).keys(),
];

/** Everything but the routes; two specs with equal settings can share a server. */
function settingsOf(spec: ServerSpec): string {
  const {
    methods: _methods,
    routes: _routes,
    ...settings
  } = spec as Partial<GrpcServerSpec> & Partial<HttpServerSpec>;
  return JSON.stringify(
    Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    (_key, value: unknown) => (value instanceof Map ? [...value] : value),
  );
}

/** `host:port`, `[v6]:port`, `:port`. Throws CONFIG_INVALID. */
export function parseEndpoint(endpoint: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/u.exec(endpoint);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new TelemetryError(
      "CONFIG_INVALID",
      `cannot listen on "${endpoint}": an endpoint is host:port`,
    );
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

async function bindOrExplain(
  server: NetServer,
  target: BindTarget,
  owner: ComponentId,
  spec: ServerSpec,
): Promise<string> {
  try {
    return await server.bind(target);
  } catch (error) {
    throw explain(error, owner, spec);
  }
}

function explain(error: unknown, owner: ComponentId, spec: ServerSpec): TelemetryError {
  if (error instanceof TelemetryError) return error;
  const who = `${owner.kind} "${owner.text}"`;
  if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") {
    return new TelemetryError(
      "ADDRESS_IN_USE",
      `cannot listen on ${spec.endpoint} for ${who}: the address is already in use. Stop the program that uses it, or move the component with its endpoint key (TELEMETRY_PORT where the configuration uses it).`,
      { cause: error },
    );
  }
  return new TelemetryError(
    "LISTEN_FAILED",
    `cannot listen on ${spec.endpoint} for ${who}: ${causeText(error)}`,
    { cause: error },
  );
}

/** A socket file outlives a killed process; nobody listens behind it when the bind is refused next. */
function removeStaleSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
