/** `host:port` as Go's net package reads it, and what it says of one that it cannot read. */
export interface HostPort {
  /** Without the brackets of an IPv6 address; empty: every address of the machine. */
  readonly host: string;
  readonly port: number;
}

/** As net.SplitHostPort; the port is still text. */
export function splitHostPort(address: string): { host: string; portText: string } | string {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):([^:]*)$/u.exec(address);
  if (match !== null) return { host: match[1] ?? match[2] ?? "", portText: match[3]! };
  const colons = address.replace(/^\[[^\]]*\]/u, "").split(":").length - 1;
  const reason = colons > 1 ? "too many colons in address" : "missing port in address";
  return `address ${address}: ${reason}`;
}

/** Undefined for what is no port number. */
export function portNumber(text: string): number | undefined {
  const port = Number(text);
  return /^\d+$/u.test(text) && port <= 65_535 ? port : undefined;
}

/** Where a server listens, or why net.Listen could not. Services by name (`:http`) are not known here. */
export function listenAddress(endpoint: string): HostPort | string {
  const split = splitHostPort(endpoint);
  if (typeof split === "string") return split;
  const { host, portText } = split;
  const port = portNumber(portText);
  if (port !== undefined) return { host, port };
  return /^\d+$/u.test(portText)
    ? `address ${portText}: invalid port`
    : `lookup tcp/${portText}: unknown port`;
}
