/** Who listens where: components that name the same endpoint share one server. */
import { lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import type { ComponentId } from "../component.ts";
import { Secret } from "../config/fields.ts";
import { type HostPort, listenAddress } from "../config/fragments/host-port.ts";
import { TelemetryError } from "../errors.ts";
import type { Listener, ServerSpec } from "../transport.ts";
import { causeText } from "./cause.ts";
import { GrpcServer } from "./grpc-server.ts";
import { HttpServer } from "./http-server.ts";
import type { BindTarget, NetServer, ServerDeps } from "./net-server.ts";

interface Shared {
  readonly key: string;
  /** The first one; the others have the same settings. */
  readonly spec: ServerSpec;
  readonly server: NetServer;
  /** Who serves what, by name. */
  readonly owners: Map<ServerSpec, string>;
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
    if (existing !== undefined) {
      const shared = await existing;
      // It may have been closed meanwhile.
      const isOpen = this.#shared.get(key) === existing;
      return isOpen ? this.#join(shared, name, spec) : this.listen(owner, spec);
    }
    const opened = this.#open(key, owner, spec);
    this.#shared.set(key, opened);
    try {
      return this.#listenerOf(await opened, spec);
    } catch (error) {
      this.#shared.delete(key);
      throw error;
    }
  }

  #keyOf(spec: ServerSpec): string {
    // Port 0 is a different port each time.
    if (spec.transport !== "unix" && spec.endpoint.endsWith(":0"))
      return `free ${this.#unshared++}`;
    return `${spec.transport} ${spec.endpoint}`;
  }

  #join(shared: Shared, name: string, spec: ServerSpec): Listener {
    const others = [...shared.owners.values()].join(", ");
    if (!hasSameSettings(shared.spec, spec)) {
      throw new TelemetryError(
        "CONFIG_INVALID",
        `cannot listen on ${spec.endpoint}: ${others} listens there with other server settings`,
      );
    }
    for (const path of pathsOf(spec)) {
      const taken = [...shared.owners].find(([other]) => pathsOf(other).includes(path));
      if (taken !== undefined) {
        throw new TelemetryError(
          "CONFIG_INVALID",
          `cannot serve ${path} on ${spec.endpoint}: ${taken[1]} serves it already`,
        );
      }
    }
    shared.owners.set(spec, name);
    shared.server.addRoutes(spec as never);
    return this.#listenerOf(shared, spec);
  }

  async #open(key: string, owner: ComponentId, spec: ServerSpec): Promise<Shared> {
    const server = createServer(spec, this.#deps);
    server.addRoutes(spec as never);
    try {
      const addresses = await this.#bindAll(server, owner, spec);
      const owners = new Map([[spec, `${owner.kind} ${owner.text}`]]);
      return { key, spec, server, owners, addresses };
    } catch (error) {
      // One of two addresses may be bound already.
      await server.close(AbortSignal.abort());
      throw error;
    }
  }

  async #bindAll(server: NetServer, owner: ComponentId, spec: ServerSpec): Promise<string[]> {
    if (spec.transport === "unix") {
      await removeStaleSocket(spec.endpoint);
      return [await bindOrExplain(server, { path: spec.endpoint }, owner, spec)];
    }
    const { host, port } = parseEndpoint(spec.endpoint);
    if (host === "" || host === "0.0.0.0" || host === "::") {
      this.#deps.log.warn(
        `Using the ${host === "" ? "0.0.0.0" : host} address exposes this server to every network interface, which may facilitate Denial of Service attacks.`,
        { "otelcol.component.id": owner.text, endpoint: spec.endpoint },
      );
    }
    const targets = targetsOf(host, port, spec.transport);
    const first = await bindOrExplain(server, targets[0], owner, spec);
    if (targets[1] === undefined) return [first];
    // Of `localhost:0` both get the same port.
    const second = { ...targets[1], port: Number(first.split(":")[1]) };
    const other = await this.#bindLoopback6(server, second, owner, spec);
    return other === undefined ? [first] : [first, other];
  }

  /** ::1 beside 127.0.0.1; a machine without it is no error, nor a taken port where any was asked for. */
  async #bindLoopback6(
    server: NetServer,
    target: BindTarget,
    owner: ComponentId,
    spec: ServerSpec,
  ): Promise<string | undefined> {
    try {
      return await server.bind(target);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return undefined;
      if (code === "EADDRINUSE" && spec.endpoint.endsWith(":0")) return undefined;
      throw explain(error, owner, spec);
    }
  }

  #listenerOf(shared: Shared, spec: ServerSpec): Listener {
    let isClosed = false;
    return {
      addresses: shared.addresses,
      close: async (abort) => {
        if (isClosed) return;
        isClosed = true;
        shared.owners.delete(spec);
        if (shared.owners.size > 0) return shared.server.removeRoutes(spec as never, abort);
        // The address is free at once; who listens there next must not join what is ending.
        this.#shared.delete(shared.key);
        await shared.server.close(abort);
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

/** Whether two specs can share a server: all but the routes and what belongs to them is equal. */
function hasSameSettings(a: ServerSpec, b: ServerSpec): boolean {
  const none = { methods: undefined, routes: undefined, refuse: undefined };
  return isSame({ ...a, ...none }, { ...b, ...none });
}

/** Equal plain values; functions (authenticators) are equal to themselves only. */
function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (a instanceof Map && b instanceof Map) return isSame([...a], [...b]);
  if (!isRecord(a) || !isRecord(b)) return a === b;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => isSame(a[key], b[key]));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** `host:port`, `[v6]:port`, `:port`. Throws CONFIG_INVALID. */
export function parseEndpoint(endpoint: string): HostPort {
  const address = listenAddress(endpoint);
  if (typeof address !== "string") return address;
  throw new TelemetryError("CONFIG_INVALID", `cannot listen on "${endpoint}": ${address}`);
}

/** `tcp` means both families where the host names none, tcp4 and tcp6 one. */
function targetsOf(
  host: string,
  port: number,
  transport: ServerSpec["transport"],
): readonly [BindTarget, BindTarget?] {
  const ipv6Only = transport === "tcp6";
  if (host === "localhost") {
    const four = { host: "127.0.0.1", port };
    const six = { host: "::1", port, ipv6Only };
    return transport === "tcp4" ? [four] : transport === "tcp6" ? [six] : [four, six];
  }
  if (host !== "") return [{ host, port, ipv6Only }];
  const all = transport === "tcp4" ? "0.0.0.0" : transport === "tcp6" ? "::" : undefined;
  return [{ host: all, port, ipv6Only }];
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

/** A socket file outlives a killed process. Only a socket behind which nobody listens is removed. */
async function removeStaleSocket(path: string): Promise<void> {
  const isSocket = lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  if (isSocket && (await isRefused(path))) unlinkSync(path);
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
