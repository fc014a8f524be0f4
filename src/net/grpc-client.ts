/** A gRPC client for unary calls: compression, metadata, deadlines and status over `grpc-channel.ts`. */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, sensitiveHeaders } from "node:http2";
import { isIP } from "node:net";
import type { Clock } from "../clock.ts";
import type { Settings } from "../component.ts";
import type { GrpcClientConfig } from "../config/fragments/grpc-client.ts";
import { type GrpcEndpoint, parseGrpcEndpoint } from "../config/fragments/grpc-endpoint.ts";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";
import { codingOfGrpc, compressRequest, decompressResponse } from "./client-compression.ts";
import { ClientDurations, rpcRecorder } from "./client-durations.ts";
import {
  type ClientAuthenticator,
  clientAuthenticator,
  credentialsOf,
  defaultUserAgent,
  grpcMetadata,
} from "./client-metadata.ts";
import { ClientTls } from "./client-tls.ts";
import { type CallResult, runCall } from "./grpc-call.ts";
import { GrpcChannel, NoConnection } from "./grpc-channel.ts";
import { grpcCode } from "./grpc-code.ts";
import { decodeFrame, encodePrefix, prefixBytes } from "./grpc-frame.ts";
import type { GrpcSession } from "./grpc-session.ts";
import { readStatus } from "./otlp-response.ts";
import { createResolver } from "./resolver.ts";
import {
  throwIfAborted,
  type UnaryClient,
  type UnaryRequest,
  type UnaryResponse,
} from "./unary-client.ts";

export interface GrpcUnaryClient extends UnaryClient {
  /** Reads the TLS files, so that mistakes show at the start; throws CONFIG_INVALID. */
  prepare(): void;
}

export type ClientSettings = Pick<Settings, "clock" | "budget" | "meter" | "use">;

/** OTLP: a client limits what it reads of a response, decompressed too. */
const maxResponseBytes = 4 * 1024 * 1024;
/** gzip levels above cost 5x the CPU for 12 % fewer bytes. */
const compressionLevel = 1;
/** A call that the server certainly did not process is sent again at once, this often. */
const maxTransparentRetries = 5;

/** Throws CONFIG_INVALID for headers or an authenticator that cannot be used. Connects at the first call. */
export function createGrpcClient(
  config: GrpcClientConfig,
  settings: ClientSettings,
): GrpcUnaryClient {
  const endpoint = parseGrpcEndpoint(config.endpoint);
  if (typeof endpoint === "string") throw new TelemetryError("CONFIG_INVALID", endpoint);
  return new GrpcClient(config, endpoint, settings);
}

class GrpcClient implements GrpcUnaryClient {
  readonly #channel: GrpcChannel;
  readonly #tls: ClientTls | undefined;
  readonly #clock: Clock;
  readonly #headers: OutgoingHttpHeaders;
  readonly #coding: string;
  readonly #waitForReady: boolean;
  readonly #authenticator: ClientAuthenticator | undefined;
  readonly #durations: ClientDurations;
  #closed = false;

  constructor(config: GrpcClientConfig, endpoint: GrpcEndpoint, settings: ClientSettings) {
    this.#clock = settings.clock;
    const record = rpcRecorder(settings.meter, endpoint.host, endpoint.port);
    this.#durations = new ClientDurations(settings.clock, record);
    this.#coding = config.compression === "none" ? "" : codingOfGrpc(config.compression);
    this.#waitForReady = config.wait_for_ready;
    this.#authenticator = clientAuthenticator(config.auth, settings);
    const secure = isSecure(config, endpoint);
    this.#headers = baseHeaders(config, endpoint, secure);
    const serverName = serverNameOf(config, endpoint);
    this.#tls = secure ? new ClientTls(config.tls) : undefined;
    this.#channel = new GrpcChannel({
      clock: settings.clock,
      resolver: createResolver(endpoint),
      balancer: config.balancer_name,
      maxMemoryMb: sessionMemoryMb(settings.budget.limitBytes),
      keepalive: config.keepalive && {
        timeMs: config.keepalive.time,
        timeoutMs: config.keepalive.timeout,
        permitWithoutStream: config.keepalive.permit_without_stream,
      },
      tls: async () => this.#tls && { ...this.#tls.options(), ...serverName },
    });
  }

  prepare(): void {
    this.#tls?.options();
  }

  call(request: UnaryRequest): Promise<UnaryResponse> {
    const durations = this.#durations;
    if (durations.isOff) return this.#answer(request);
    return durations.measure(request.path, () => this.#answer(request));
  }

  async #answer(request: UnaryRequest): Promise<UnaryResponse> {
    const { timeoutMs, abort } = request;
    const deadlineMs = timeoutMs > 0 ? this.#clock.monotonicMs() + timeoutMs : undefined;
    throwIfAborted(abort);
    if (this.#closed)
      return failure(grpcCode.UNAVAILABLE, "grpc: the client connection is closing");
    const chunks = await this.#frame(request);
    const metadata = await this.#authenticate(request);
    for (let retries = 0; ; retries++) {
      const session = this.#channel.pick() ?? (await this.#connect(deadlineMs, abort));
      throwIfAborted(abort);
      if ("code" in session) return session;
      const headers = this.#callHeaders(request.path, metadata, deadlineMs);
      const options = { headers, chunks, clock: this.#clock, deadlineMs, abort };
      const result = await runCall(session, {
        ...options,
        maxResponseBytes: maxResponseBytes + prefixBytes,
      });
      this.#channel.callEnded();
      throwIfAborted(abort);
      if (result.unprocessed === true && retries < maxTransparentRetries && !this.#closed) continue;
      return this.#response(result);
    }
  }

  close(abort: AbortSignal): Promise<void> {
    this.#closed = true;
    return this.#channel.close(abort);
  }

  /** The length-prefixed message in pieces, compressed where configured. */
  async #frame(request: UnaryRequest): Promise<Uint8Array[]> {
    if (this.#coding === "" || request.byteLength === 0) {
      return [encodePrefix(request.byteLength, false), ...request.parts];
    }
    const body = await compressRequest(this.#coding, request.parts, compressionLevel);
    return [encodePrefix(body.byteLength, true), body];
  }

  async #authenticate(request: UnaryRequest): Promise<Readonly<Record<string, string>>> {
    if (this.#authenticator === undefined) return request.metadata;
    return { ...request.metadata, ...(await credentialsOf(this.#authenticator)) };
  }

  #callHeaders(
    path: string,
    metadata: Readonly<Record<string, string>>,
    deadlineMs: number | undefined,
  ): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = { ...this.#headers, ...metadata, ":path": path };
    if (deadlineMs !== undefined) {
      headers["grpc-timeout"] = grpcTimeout(deadlineMs - this.#clock.monotonicMs());
    }
    return headers;
  }

  /** A connection, or the status that says why there is none. */
  async #connect(
    deadlineMs: number | undefined,
    abort: AbortSignal,
  ): Promise<GrpcSession | UnaryResponse> {
    const giveUp = new AbortController();
    const onAbort = () => giveUp.abort();
    abort.addEventListener("abort", onAbort, { once: true });
    const timer =
      deadlineMs === undefined
        ? undefined
        : this.#clock.after(deadlineMs - this.#clock.monotonicMs(), onAbort);
    try {
      return await this.#channel.wait(this.#waitForReady, giveUp.signal);
    } catch (error) {
      if (!(error instanceof NoConnection)) throw error;
      if (!giveUp.signal.aborted) return failure(grpcCode.UNAVAILABLE, error.message);
      const last = this.#channel.lastError;
      const waited = "context deadline exceeded while waiting for connections to become ready";
      const message = last === "" ? waited : `${waited}, last connection error: ${last}`;
      return failure(grpcCode.DEADLINE_EXCEEDED, message);
    } finally {
      timer?.cancel();
      abort.removeEventListener("abort", onAbort);
    }
  }

  async #response(result: CallResult): Promise<UnaryResponse> {
    const { code, message, trailers } = result;
    if (code === grpcCode.OK) return this.#message(result);
    const details = detailsOf(trailers);
    if (details === undefined) return failure(code, message);
    // A trailer that is no Status says nothing of a delay.
    const retryAfterMs = readStatus(details)?.retryAfterMs;
    return {
      ...failure(code, message),
      details,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }

  /** The message of a successful response; an unreadable one is INTERNAL, as for every gRPC client. */
  async #message(result: CallResult): Promise<UnaryResponse> {
    const framed = result.framed ?? empty;
    if (framed.byteLength === 0) return { code: grpcCode.OK, message: "", body: empty };
    try {
      const frame = decodeFrame(framed);
      const coding = codingOfGrpc(result.encoding ?? "");
      if (frame.compressed && (coding === "" || coding === "identity")) {
        throw new Error("compressed flag set with identity or empty encoding");
      }
      const body = frame.compressed
        ? await decompressResponse(coding, frame.body, maxResponseBytes)
        : frame.body;
      return { code: grpcCode.OK, message: "", body };
    } catch (error) {
      const cause = causeText(error);
      return failure(grpcCode.INTERNAL, `cannot read the response: ${cause}`);
    }
  }
}

const empty = new Uint8Array(0);

const failure = (code: number, message: string): UnaryResponse => ({ code, message, body: empty });

/** configgrpc: clear text only when tls.insecure is set, no CA is named and the scheme is not https. */
function isSecure(config: GrpcClientConfig, endpoint: GrpcEndpoint): boolean {
  const { insecure, ca_file: caFile, ca_pem: caPem } = config.tls;
  return endpoint.https || !insecure || Boolean(caFile) || caPem !== undefined;
}

/** The name that the server's certificate must carry; none: the address that is dialled. */
function serverNameOf(config: GrpcClientConfig, endpoint: GrpcEndpoint): { servername?: string } {
  const override = config.tls.server_name_override;
  if (override) return { servername: override };
  const fromAuthority = config.authority.replace(/:\d+$/u, "");
  const name = fromAuthority || endpoint.host;
  return isIP(name) === 0 ? { servername: name } : {};
}

function baseHeaders(
  config: GrpcClientConfig,
  endpoint: GrpcEndpoint,
  secure: boolean,
): OutgoingHttpHeaders {
  const { "user-agent": userAgent, ...metadata } = grpcMetadata(config.headers);
  const coding = config.compression;
  return {
    ":method": "POST",
    ":scheme": secure ? "https" : "http",
    ":authority": config.authority || config.tls.server_name_override || endpoint.authority,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": config.user_agent || userAgent || defaultUserAgent,
    "grpc-accept-encoding": "identity,gzip,zstd,snappy",
    ...(coding === "none" || coding === "" ? {} : { "grpc-encoding": coding }),
    ...metadata,
    // Values of the config are secrets: never in HPACK's tables, here or in a proxy.
    [sensitiveHeaders]: Object.keys(metadata),
  };
}

/** At most 8 digits (PROTOCOL-HTTP2.md): milliseconds, for longer times seconds. */
function grpcTimeout(ms: number): string {
  const whole = Math.max(Math.ceil(ms), 1);
  return whole < 1e8 ? `${whole}m` : `${Math.min(Math.ceil(whole / 1000), 99_999_999)}S`;
}

/**
 * What one session may buffer, in MB. node:http2 counts what waits to be sent against it and ends streams
 * with ENHANCE_YOUR_CALM beyond its default of 10 MB. The memory budget already bounds that data: so twice
 * the budget (compressed copies included) is never reached.
 */
function sessionMemoryMb(budgetBytes: number): number {
  return Math.min(64 + Math.ceil((2 * budgetBytes) / 1e6), 64 * 1024);
}

function detailsOf(trailers: IncomingHttpHeaders | undefined): Uint8Array | undefined {
  const value = trailers?.["grpc-status-details-bin"];
  const text = Array.isArray(value) ? value[0] : value;
  return text === undefined || text === "" ? undefined : Buffer.from(text, "base64");
}
