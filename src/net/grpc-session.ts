/**
 * One HTTP/2 connection of a gRPC client, from connected socket to its end.
 *
 *     ready ──GOAWAY──▶ draining ──last call ended──▶ closed
 *       └────────connection lost, keepalive failed────────▲
 *
 * A session is ready once the server's SETTINGS arrived: a port that accepts and hangs up, or speaks
 * something else, never counts as a connection.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../clock.ts";

export interface Keepalive {
  /** Silence after which a ping is sent; grows when a server complains of too many pings. */
  timeMs: number;
  /** An unanswered ping ends the connection. */
  readonly timeoutMs: number;
  readonly permitWithoutStream: boolean;
}

export interface SessionOptions {
  readonly clock: Clock;
  /** Bound of what the session may buffer, sending included; MB as node:http2 counts them. */
  readonly maxMemoryMb: number;
  readonly keepalive?: Keepalive | undefined;
}

export interface SessionListener {
  /** Takes no more calls; running ones go on. */
  draining(tooManyPings: boolean): void;
  /** Over, for whatever reason; comes once. */
  closed(cause: string): void;
}

/** Answers are a few bytes: HTTP/2's initial windows (64 KiB) suffice, and bound what a server can push. */
const settings = { enablePush: false, maxHeaderListSize: 32 * 1024 };
/** How long a connection that answered nothing within a call's deadline has for one ping. */
const probeTimeoutMs = 10_000;

export class GrpcSession {
  readonly #http2: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #listener: SessionListener;
  readonly #keepalive: Keepalive | undefined;
  #state: "opening" | "ready" | "draining" | "closed" = "opening";
  #cause = "";
  #activeCalls = 0;
  #keepaliveTimer: Timer | undefined;
  #pinging = false;
  /** Monotonic milliseconds of the last sign of life. */
  lastReadMs: number;
  /** Calls that got an answer; a session that ends without any counts as a failed attempt. */
  answeredCalls = 0;

  private constructor(
    http2: ClientHttp2Session,
    socket: Socket,
    options: SessionOptions,
    listener: SessionListener,
  ) {
    this.#http2 = http2;
    this.#socket = socket;
    this.#clock = options.clock;
    this.#listener = listener;
    this.#keepalive = options.keepalive;
    this.lastReadMs = options.clock.monotonicMs();
    http2.on("goaway", (code, _last, data) => this.#goneAway(code, data));
    http2.on("error", (error: Error) => this.#note(error.message));
    http2.on("close", () => this.#closed());
  }

  /** Speaks HTTP/2 on a connected socket; rejects when the server's SETTINGS do not come in time. */
  static open(
    socket: Socket,
    options: SessionOptions,
    listener: SessionListener,
    limit: { readonly timeoutMs: number; readonly abort: AbortSignal },
  ): Promise<GrpcSession> {
    const http2 = connect("http://localhost", {
      createConnection: () => socket,
      maxSessionMemory: options.maxMemoryMb,
      settings,
    });
    return new Promise((resolve, reject) => {
      let opened = false;
      const session = new GrpcSession(http2, socket, options, {
        draining: (tooManyPings) => listener.draining(tooManyPings),
        closed: (cause) => {
          timer.cancel();
          limit.abort.removeEventListener("abort", cancel);
          if (opened) listener.closed(cause);
          else reject(new Error(cause));
        },
      });
      const timer = options.clock.after(limit.timeoutMs, () =>
        session.destroy(`no HTTP/2 settings from the server within ${limit.timeoutMs} ms`),
      );
      const cancel = () => session.destroy("connection attempt cancelled");
      limit.abort.addEventListener("abort", cancel, { once: true });
      http2.once("remoteSettings", () => {
        if (session.#state !== "opening") return;
        timer.cancel();
        limit.abort.removeEventListener("abort", cancel);
        opened = true;
        session.#state = "ready";
        session.#scheduleKeepalive();
        resolve(session);
      });
    });
  }

  get isReady(): boolean {
    // What node:http2 knows of the end comes some ticks before its events.
    return this.#state === "ready" && !this.#http2.closed && !this.#http2.destroyed;
  }

  /** Why the connection ended; empty while it has not. */
  get lossCause(): string {
    return this.#state === "closed" || this.#http2.destroyed
      ? this.#cause || "connection lost"
      : "";
  }

  get activeCalls(): number {
    return this.#activeCalls;
  }

  /** Opens the stream of a call; `endCall` must follow. Throws when the session is over. */
  startCall(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#http2.request(headers);
    this.#activeCalls++;
    return stream;
  }

  endCall(): void {
    this.#activeCalls--;
    this.#cutWhenDrained();
  }

  /** Ends gracefully: running calls go on. */
  close(): void {
    if (this.#state === "ready") this.#state = "draining";
    if (!this.#http2.destroyed) this.#http2.close();
    this.#cutWhenDrained();
  }

  destroy(cause: string): void {
    this.#note(cause);
    this.#http2.destroy();
  }

  /**
   * Asks whether the connection still lives: a call's deadline passed and nothing was read since it began.
   * Without this, a peer that vanished silently would cost every call its deadline until the kernel gives up.
   */
  probe(): void {
    if (!this.#pinging && this.#state !== "closed") this.#ping(probeTimeoutMs);
  }

  #ping(timeoutMs: number): void {
    if (this.#http2.destroyed) return;
    this.#pinging = true;
    const timer = this.#clock.after(timeoutMs, () => {
      this.destroy("keepalive ping failed to receive ACK within timeout");
    });
    const sent = this.#http2.ping((error) => {
      timer.cancel();
      this.#pinging = false;
      if (error === null) this.lastReadMs = this.#clock.monotonicMs();
    });
    if (!sent) timer.cancel();
  }

  #scheduleKeepalive(): void {
    const keepalive = this.#keepalive;
    if (keepalive === undefined || this.#state === "closed") return;
    const silentMs = this.#clock.monotonicMs() - this.lastReadMs;
    const dueMs = keepalive.timeMs - silentMs;
    const idle = this.#activeCalls === 0 && !keepalive.permitWithoutStream;
    if (dueMs <= 0 && !idle && !this.#pinging) this.#ping(keepalive.timeoutMs);
    this.#keepaliveTimer = this.#clock.after(dueMs > 0 ? dueMs : keepalive.timeMs, () =>
      this.#scheduleKeepalive(),
    );
  }

  #goneAway(code: number, data: Uint8Array | undefined): void {
    const text = data === undefined ? "" : Buffer.from(data).toString("latin1");
    this.#note(`received GOAWAY with code ${code}${text === "" ? "" : `: ${text.slice(0, 200)}`}`);
    if (this.#state === "ready") this.#state = "draining";
    const calm = code === constants.NGHTTP2_ENHANCE_YOUR_CALM;
    this.#listener.draining(calm && text === "too_many_pings");
    this.#cutWhenDrained();
  }

  /** node:http2 only half-closes a session without streams, and would wait for the server's half for ever. */
  #cutWhenDrained(): void {
    if (this.#state === "draining" && this.#activeCalls === 0) this.#socket.destroy();
  }

  /** The first cause is the real one; what follows are its echoes. */
  #note(cause: string): void {
    if (this.#cause === "") this.#cause = cause;
  }

  #closed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#keepaliveTimer?.cancel();
    this.#listener.closed(this.#cause || "connection closed by the other side");
  }
}
