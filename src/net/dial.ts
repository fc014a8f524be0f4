/** Opens the socket of a client connection: TCP, unix, with or without TLS; settles within a deadline. */
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, TLSSocket } from "node:tls";
import type { Clock } from "../clock.ts";
import type { Address } from "./resolver.ts";

export interface DialOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Absent: clear text. */
  readonly tls?: ConnectionOptions | undefined;
  /** ALPN protocol that must be agreed on over TLS. */
  readonly alpn?: string | undefined;
  /** Gives up. */
  readonly abort?: AbortSignal | undefined;
}

/** Probes of an idle connection by the kernel, as Go's dialer sets them. */
const tcpKeepAliveMs = 15_000;

/** A connected socket that is paused until somebody reads; rejects with the cause. */
export function dial(address: Address, options: DialOptions): Promise<Socket> {
  const target =
    "path" in address ? { path: address.path } : { host: address.host, port: address.port };
  const alpn = options.alpn === undefined ? {} : { ALPNProtocols: [options.alpn] };
  const socket =
    options.tls === undefined
      ? connectTcp(target)
      : connectTls({ ...options.tls, ...alpn, ...target });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, tcpKeepAliveMs);
  return connected(socket, options);
}

/** Resolves at `connect`, over TLS at `secureConnect`; a failure destroys the socket. */
function connected(socket: Socket, options: DialOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      stop();
      // Errors that follow the first one have nobody left to hear them.
      socket.on("error", () => {});
      socket.destroy();
      reject(cause);
    };
    const done = () => {
      const agreed = socket instanceof TLSSocket ? socket.alpnProtocol : undefined;
      if (options.tls !== undefined && options.alpn !== undefined && agreed !== options.alpn) {
        fail(new Error(`cannot check peer: missing selected ALPN property (${options.alpn})`));
        return;
      }
      stop();
      resolve(socket);
    };
    const closed = () => fail(new Error("connection closed by the other side"));
    const aborted = () => fail(new Error("connection attempt cancelled"));
    const timer = options.clock.after(options.timeoutMs, () =>
      fail(new Error(`no connection within ${options.timeoutMs} ms`)),
    );
    const event = options.tls === undefined ? "connect" : "secureConnect";
    const stop = () => {
      timer.cancel();
      socket.off("error", fail).off("close", closed).off(event, done);
      options.abort?.removeEventListener("abort", aborted);
    };
    socket.once("error", fail).once("close", closed).once(event, done);
    options.abort?.addEventListener("abort", aborted, { once: true });
  });
}
