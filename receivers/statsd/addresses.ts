/** Where an endpoint listens, and how it is said when it cannot. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { parseEndpoint } from "../../src/net/listeners.ts";

export interface BindAddress {
  readonly host: string;
  readonly family: 4 | 6;
  /** IPv6 beside IPv4: a machine without it is no error. */
  readonly isOptional: boolean;
}

export interface Endpoint {
  readonly addresses: readonly BindAddress[];
  readonly port: number;
}

const required = (host: string, family: 4 | 6): BindAddress => ({
  host,
  family,
  isOptional: false,
});

/** As in the Collector, an empty endpoint is this one, too. */
export const defaultEndpoint = "localhost:8125";

/** The addresses of `host:port` for a transport such as udp, udp4 or tcp6. `localhost` is IPv4 and IPv6. */
export async function resolveEndpoint(endpoint: string, transport: string): Promise<Endpoint> {
  const { host, port } = parseEndpoint(endpoint || defaultEndpoint);
  const only = transport.endsWith("4") ? 4 : transport.endsWith("6") ? 6 : undefined;
  return { addresses: await addressesOf(host, only), port };
}

async function addressesOf(host: string, only: 4 | 6 | undefined): Promise<BindAddress[]> {
  if (host === "localhost") return bothOf("127.0.0.1", "::1", only);
  if (host === "") return bothOf("0.0.0.0", "::", only);
  const family = isIP(host);
  if (family === 4 || family === 6) return [required(host, family)];
  try {
    const found = await lookup(host, only === undefined ? {} : { family: only });
    return [required(found.address, found.family === 6 ? 6 : 4)];
  } catch (error) {
    throw new TelemetryError("LISTEN_FAILED", `cannot listen on ${host}: ${causeOf(error)}`, {
      cause: error,
    });
  }
}

function bothOf(v4: string, v6: string, only: 4 | 6 | undefined): BindAddress[] {
  const both = [required(v4, 4), { ...required(v6, 6), isOptional: only !== 6 }];
  return both.filter(({ family }) => only === undefined || family === only);
}

/** An optional address that this machine does not have. */
export function isMissingFamily(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
}

export function listenError(error: unknown, endpoint: string, { id }: Settings): TelemetryError {
  const who = `${id.kind} "${id.text}"`;
  if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") {
    return new TelemetryError(
      "ADDRESS_IN_USE",
      `cannot listen on ${endpoint} for ${who}: the address is already in use. Stop the program that uses it, or move the component with its endpoint key.`,
      { cause: error },
    );
  }
  return new TelemetryError(
    "LISTEN_FAILED",
    `cannot listen on ${endpoint} for ${who}: ${causeOf(error)}`,
    { cause: error },
  );
}

const causeOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

export function warnIfExposed(
  { host, isOptional }: BindAddress,
  endpoint: string,
  { log }: Settings,
): void {
  if (isOptional || (host !== "0.0.0.0" && host !== "::")) return;
  log.warn(
    `Using the ${host} address exposes this server to every network interface, which may facilitate Denial of Service attacks.`,
    { endpoint },
  );
}
