/**
 * What `endpoint` of a gRPC client may be (grpc/doc/naming.md, configgrpc):
 *
 *     host:port                     resolved by the system's resolver
 *     http://host:port              the same; the scheme is only stripped
 *     https://host:port             the same; TLS even where tls.insecure says otherwise
 *     dns:///host:port, dns:host    resolved by the system's resolver
 *     dns://server[:53]/host:port   resolved by that DNS server
 *     passthrough:///host:port      the same as host:port
 *     unix:path, unix:///path       a socket of this machine
 */
import { portNumber, splitHostPort } from "./host-port.ts";

export interface GrpcEndpoint {
  /** `tcp` is resolved by the system, `dns` by the named server. */
  readonly kind: "tcp" | "dns" | "unix";
  /** Without the brackets of an IPv6 address. Empty for unix. */
  readonly host: string;
  readonly port: number;
  /** `host:port` as written, the default :authority. */
  readonly authority: string;
  /** kind unix: the socket. */
  readonly path: string;
  /** kind dns: the DNS server. */
  readonly dnsServer: string;
  /** The scheme was https. */
  readonly https: boolean;
}

const none = { host: "", port: 0, authority: "localhost", path: "", dnsServer: "", https: false };

/** The endpoint, or what is wrong with it in the Collector's words. */
export function parseGrpcEndpoint(text: string): GrpcEndpoint | string {
  const unixPath = /^unix:(?:\/\/)?(.*)$/u.exec(text)?.[1];
  if (unixPath !== undefined) {
    return unixPath === ""
      ? "unix socket path cannot be empty"
      : { ...none, kind: "unix", path: unixPath };
  }
  const https = text.startsWith("https://");
  const dns = /^dns:(?:\/\/([^/]*)\/)?\/?(.*)$/u.exec(text);
  const dnsServer = dns?.[1] ?? "";
  const address = dns?.[2] ?? text.replace(/^(?:https?:\/\/|passthrough:\/{0,3})/u, "");
  if (address === "") return 'requires a non-empty "endpoint"';
  const split = splitHostPort(address);
  if (typeof split === "string") return split;
  const { host, portText } = split;
  const port = portNumber(portText);
  if (port === undefined) return `invalid port "${portText}"`;
  const kind = dnsServer === "" ? "tcp" : "dns";
  return { ...none, host, port, kind, dnsServer, https, authority: address };
}
