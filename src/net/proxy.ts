/**
 * Which proxy a request takes: `proxy_url`, or the environment by Go's rules (x/net/http/httpproxy):
 *
 *     HTTP_PROXY, HTTPS_PROXY (or lower case)    by the scheme of the request
 *     NO_PROXY   *  host  .domain  domain  IP  CIDR, each with an optional :port, separated by commas
 *
 * Loopback addresses and `localhost` never take a proxy of the environment.
 */
import { BlockList, isIP } from "node:net";
import { TelemetryError } from "../errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, or undefined for a direct connection. Throws CONFIG_INVALID where the environment names
 * no proxy that can be used.
 */
export function proxyFor(
  target: URL,
  proxyUrl: string,
  environment: Environment = process.env,
): URL | undefined {
  if (proxyUrl !== "") return new URL(proxyUrl);
  const name = target.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = variable(environment, name);
  if (value === "" || isExcluded(target, variable(environment, "NO_PROXY"))) return undefined;
  const proxy = value.includes("://") ? value : `http://${value}`;
  if (!URL.canParse(proxy)) throw unusable(name, "invalid proxy address");
  const url = new URL(proxy);
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw unusable(name, `unsupported proxy scheme "${url.protocol.slice(0, -1)}"`);
}

/** Without the value: it may carry credentials. */
const unusable = (name: string, why: string) =>
  new TelemetryError("CONFIG_INVALID", `cannot use ${name}: ${why}`);

/** The proxy's credentials as a header value, or undefined. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === "") return undefined;
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

function variable(environment: Environment, name: string): string {
  return environment[name] || environment[name.toLowerCase()] || "";
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isExcluded(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/gu, "").toLowerCase();
  const family = isIP(host);
  if (host === "localhost") return true;
  if (family !== 0 && loopback.check(host, family === 4 ? "ipv4" : "ipv6")) return true;
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && matches(entry, host, family, port));
}

function matches(entry: string, host: string, family: number, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inSubnet(entry, host, family);
  const bare = entry.replace(/^\[|\]$/gu, "");
  if (isIP(bare) !== 0) return bare === host;
  const [, name = "", wantedPort] = /^\[?(.*?)\]?(?::(\d+))?$/u.exec(entry) ?? [];
  if (wantedPort !== undefined && wantedPort !== port) return false;
  if (isIP(name) !== 0 || family !== 0) return name === host;
  const domain = name.replace(/^\*?\./u, "");
  return (name === domain && host === domain) || host.endsWith(`.${domain}`);
}

function inSubnet(entry: string, host: string, family: number): boolean {
  const [network = "", bits = ""] = entry.split("/");
  if (family === 0 || isIP(network) !== family || !/^\d{1,3}$/u.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const subnet = new BlockList();
  const type = family === 4 ? "ipv4" : "ipv6";
  subnet.addSubnet(network, Number(bits), type);
  return subnet.check(host, type);
}
