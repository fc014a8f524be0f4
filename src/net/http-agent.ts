/**
 * Connections of an HTTP client for one scheme: pooled by node:http, opened here.
 *
 *     direct            TCP, for https with TLS on it
 *     http + proxy      TCP or TLS to the proxy; the request names the whole URL (absolute-form)
 *     https + proxy     the same, then CONNECT host:port, then TLS to the target inside
 */
import type { AgentOptions, ClientRequestArgs } from "node:http";
import { isIP, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { Clock } from "../clock.ts";
import { causeText } from "./cause.ts";
import { dial } from "./dial.ts";
import { Agent } from "./node-http.ts";
import { proxyAuthorization } from "./proxy.ts";

export interface HttpAgentOptions {
  readonly clock: Clock;
  /** `http:` or `https:`. */
  readonly protocol: string;
  readonly pool: AgentOptions;
  /** Asked at each connection, so that renewed certificates are used. */
  readonly tls: () => Promise<ConnectionOptions>;
  readonly proxyFor: (target: URL) => URL | undefined;
}

/** As Go's default transport: 30 s to connect, 10 s for TLS, taken together. */
const connectTimeoutMs = 40_000;
/** A proxy's answer to CONNECT is a status line and a few headers. */
const maxConnectReplyBytes = 16 * 1024;

type Created = (error: Error | null, socket: Duplex) => void;

export class HttpAgent extends Agent {
  readonly #options: HttpAgentOptions;

  constructor(options: HttpAgentOptions) {
    super(options.pool);
    this.#options = options;
    // node:http compares it with the scheme of requests and takes the default port from it.
    Object.assign(this, {
      protocol: options.protocol,
      defaultPort: options.protocol === "https:" ? 443 : 80,
    });
  }

  override createConnection(args: ClientRequestArgs, created?: Created): undefined {
    const host = (args.host ?? "localhost").replace(/^\[|\]$/gu, "");
    const port = Number(args.port ?? 80);
    this.#open(host, port).then(
      (socket) => created?.(null, socket),
      // node:http looks at no socket where there is an error.
      (error: Error) => created?.(error, new Socket()),
    );
    return undefined;
  }

  async #open(host: string, port: number): Promise<Socket> {
    const { clock, protocol } = this.#options;
    const target = new URL(`${protocol}//${isIP(host) === 6 ? `[${host}]` : host}:${port}`);
    const proxy = this.#options.proxyFor(target);
    const limit = { clock, timeoutMs: connectTimeoutMs };
    const tls = protocol === "https:" ? await this.#tlsFor(host) : undefined;
    if (proxy === undefined) return dial({ key: host, host, port }, { ...limit, tls });
    const socket = await this.#dialProxy(proxy);
    if (tls === undefined) return socket;
    await requestTunnel(socket, target, proxy, clock);
    return startTls(socket, tls, clock);
  }

  async #tlsFor(host: string): Promise<ConnectionOptions> {
    const options = await this.#options.tls();
    return options.servername === undefined && isIP(host) === 0
      ? { ...options, servername: host }
      : options;
  }

  async #dialProxy(proxy: URL): Promise<Socket> {
    const host = proxy.hostname.replace(/^\[|\]$/gu, "");
    const secure = proxy.protocol === "https:";
    const port = Number(proxy.port) || (secure ? 443 : 80);
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const { servername: _, ...options } = secure ? await this.#options.tls() : {};
    const tls = secure ? { ...options, ...servername } : undefined;
    const limit = { clock: this.#options.clock, timeoutMs: connectTimeoutMs };
    try {
      return await dial({ key: host, host, port }, { ...limit, tls });
    } catch (error) {
      const cause = causeText(error);
      throw new Error(`proxyconnect tcp: ${cause}`, { cause: error });
    }
  }
}

/** Asks a proxy for a tunnel (RFC 9110 section 9.3.6); a refusal destroys the socket. */
function requestTunnel(socket: Socket, target: URL, proxy: URL, clock: Clock): Promise<void> {
  const authority = `${target.hostname}:${target.port || 443}`;
  const authorization = proxyAuthorization(proxy);
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (authorization !== undefined) lines.push(`Proxy-Authorization: ${authorization}`);
  return new Promise((resolve, reject) => {
    let reply = "";
    const stop = () => {
      timer.cancel();
      socket.off("data", onData).off("error", fail).off("close", onClose);
    };
    const fail = (error: Error) => {
      stop();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const onClose = () => fail(new Error("proxy closed the connection before answering CONNECT"));
    const onData = (chunk: Buffer) => {
      reply += chunk.toString("latin1");
      const end = reply.indexOf("\r\n\r\n");
      if (end < 0) {
        if (reply.length > maxConnectReplyBytes) fail(new Error("proxy answered CONNECT too long"));
        return;
      }
      const status = reply.slice(0, reply.indexOf("\r\n"));
      if (!/^HTTP\/1\.[01] 2\d\d/u.test(status)) return fail(new Error(`proxy refused: ${status}`));
      stop();
      socket.pause();
      // TLS begins with our message: bytes behind the reply are no part of the tunnel yet.
      resolve();
    };
    const timer = clock.after(connectTimeoutMs, () =>
      fail(new Error("proxy did not answer CONNECT")),
    );
    socket.on("data", onData).once("error", fail).once("close", onClose);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
}

/** TLS inside a tunnel. */
function startTls(socket: Socket, tls: ConnectionOptions, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const inner = connectTls({ ...tls, socket });
    const fail = (error: Error) => {
      timer.cancel();
      inner.destroy();
      socket.destroy();
      reject(error);
    };
    const onClose = () => fail(new Error("connection closed during the TLS handshake"));
    const timer = clock.after(connectTimeoutMs, () => fail(new Error("TLS handshake timed out")));
    inner.on("error", fail).once("close", onClose);
    inner.once("secureConnect", () => {
      timer.cancel();
      inner.off("error", fail).off("close", onClose);
      resolve(inner);
    });
  });
}
