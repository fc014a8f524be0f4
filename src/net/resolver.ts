/** From the endpoint of a gRPC client to the addresses that a connection can be made to. */
import { promises as dns } from "node:dns";
import { isIP } from "node:net";
import type { GrpcEndpoint } from "../config/fragments/grpc-endpoint.ts";

/** Where one connection goes. */
export type Address =
  | { readonly key: string; readonly host: string; readonly port: number }
  | { readonly key: string; readonly path: string };

export interface Resolver {
  /** Whether asking again can give another answer. */
  readonly isStatic: boolean;
  /** At least one address; rejects with the resolver's error. */
  resolve(): Promise<readonly Address[]>;
}

export function createResolver(endpoint: GrpcEndpoint): Resolver {
  if (endpoint.kind === "unix") {
    const address = { key: `unix:${endpoint.path}`, path: endpoint.path };
    return { isStatic: true, resolve: () => Promise.resolve([address]) };
  }
  const host = endpoint.host === "" ? "localhost" : endpoint.host;
  const { port } = endpoint;
  if (isIP(host) !== 0) {
    const address = { key: keyOf(host, port), host, port };
    return { isStatic: true, resolve: () => Promise.resolve([address]) };
  }
  const lookup = endpoint.kind === "dns" ? () => query(endpoint.dnsServer, host) : () => ask(host);
  return {
    isStatic: false,
    async resolve() {
      const hosts = [...new Set(await lookup())];
      return hosts.map((ip) => ({ key: keyOf(ip, port), host: ip, port }));
    },
  };
}

const keyOf = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** The system's resolver: hosts file, search domains. */
async function ask(host: string): Promise<string[]> {
  const found = await dns.lookup(host, { all: true, order: "ipv4first" });
  return found.map((entry) => entry.address);
}

/** The DNS server named in the endpoint, both families; one of them suffices. */
async function query(server: string, host: string): Promise<string[]> {
  const resolver = new dns.Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([server]);
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const hosts = [v4, v6].flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  if (hosts.length > 0) return hosts;
  throw v4.status === "rejected" ? v4.reason : new Error("produced zero addresses");
}
