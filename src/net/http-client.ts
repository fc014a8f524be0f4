/**
 * An HTTP/1.1 client for unary calls (OTLP/HTTP and alike): POST, compression, pooled connections, proxies,
 * cookies. Redirects are never followed: a backend must not send telemetry and credentials elsewhere.
 */
import type { OutgoingHttpHeaders, RequestOptions } from "node:http";
import type { Clock } from "../clock.ts";
import type { Settings } from "../component.ts";
import type { HttpClientConfig } from "../config/fragments/http-client.ts";
import { asTelemetryError } from "../errors.ts";
import { compressRequest, decompressResponse } from "./client-compression.ts";
import { ClientDurations, httpRecorder } from "./client-durations.ts";
import {
  type ClientAuthenticator,
  clientAuthenticator,
  credentialsOf,
  defaultUserAgent,
  httpHeaders,
} from "./client-metadata.ts";
import { ClientTls } from "./client-tls.ts";
import { CookieJar } from "./cookie-jar.ts";
import { HttpAgent } from "./http-agent.ts";
import {
  HttpCall,
  type HttpFailure,
  HttpResult,
  maxResponseBytes,
  unavailable,
} from "./http-call.ts";
import { request as startRequest } from "./node-http.ts";
import { proxyAuthorization, proxyFor } from "./proxy.ts";
import { Slots } from "./slots.ts";
import {
  throwIfAborted,
  type UnaryClient,
  type UnaryRequest,
  type UnaryResponse,
} from "./unary-client.ts";

export interface HttpResponse extends UnaryResponse {
  /** Without parameters, in lower case; empty when the server named none. */
  readonly contentType: string;
  /** The body was longer than what is read of one. */
  readonly truncated: boolean;
}

export interface HttpClient extends UnaryClient {
  call(request: UnaryRequest): Promise<HttpResponse>;
  /** Reads what connections to a URL need (TLS files, proxy), so that mistakes show at the start; throws. */
  prepare(url: string): void;
}

/** Throws CONFIG_INVALID for headers or an authenticator that cannot be used. Connects at the first call. */
export function createHttpClient(
  config: HttpClientConfig,
  settings: Pick<Settings, "clock" | "meter" | "use">,
): HttpClient {
  return new PooledHttpClient(config, settings);
}

/** What stays the same in all requests to one URL. */
interface Target {
  readonly url: URL;
  readonly slots: Slots;
  readonly options: RequestOptions;
  readonly headers: OutgoingHttpHeaders;
}

/** URLs come from the config: a few. Beyond this somebody makes them up, and they are not remembered. */
const maxTargets = 64;

class PooledHttpClient implements HttpClient {
  readonly #config: HttpClientConfig;
  readonly #clock: Clock;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #coding: string;
  readonly #authenticator: ClientAuthenticator | undefined;
  readonly #cookies: CookieJar | undefined;
  readonly #tls: ClientTls;
  readonly #agents = new Map<string, HttpAgent>();
  /** By host. One request occupies one connection, so that bounding requests bounds connections. */
  readonly #slots = new Map<string, Slots>();
  readonly #targets = new Map<string, Target>();
  readonly #running = new Set<HttpCall>();
  readonly #durations: ClientDurations;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(config: HttpClientConfig, settings: Pick<Settings, "clock" | "meter" | "use">) {
    this.#config = config;
    this.#clock = settings.clock;
    this.#durations = new ClientDurations(settings.clock, httpRecorder(settings.meter));
    this.#headers = httpHeaders(config.headers);
    this.#tls = new ClientTls(config.tls);
    this.#coding = config.compression === "none" ? "" : config.compression;
    this.#authenticator = clientAuthenticator(config.auth, settings);
    this.#cookies = config.cookies.enabled ? new CookieJar(settings.clock) : undefined;
  }

  prepare(url: string): void {
    const target = this.#targetOf(url).url;
    proxyFor(target, this.#config.proxy_url);
    if (target.protocol === "https:") this.#tls.options();
  }

  call(request: UnaryRequest): Promise<HttpResponse> {
    const durations = this.#durations;
    if (durations.isOff) return this.#answer(request);
    return durations.measure(request.path, () => this.#answer(request));
  }

  async #answer(request: UnaryRequest): Promise<HttpResponse> {
    throwIfAborted(request.abort);
    const target = this.#targetOf(request.path);
    const parts = await this.#body(request);
    const headers = await this.#callHeaders(request, target, parts);
    if (!(await target.slots.take(request.abort))) throwIfAborted(request.abort);
    try {
      return await this.#send(target, headers, parts, request);
    } finally {
      target.slots.release();
    }
  }

  async #send(
    target: Target,
    headers: OutgoingHttpHeaders,
    parts: readonly Uint8Array[],
    request: UnaryRequest,
  ): Promise<HttpResponse> {
    for (let attempt = 0; ; attempt++) {
      if (this.#closed) throw unavailable("the HTTP client is closed");
      const result = await this.#attempt({ ...target.options, headers }, parts, request);
      if (result instanceof HttpResult) {
        this.#cookies?.store(target.url, result.message.headers["set-cookie"] ?? []);
        return this.#response(result);
      }
      throwIfAborted(request.abort);
      // A pooled connection that the server closed while it was idle: the request was not looked at.
      if (result.reusedSocket && attempt === 0) continue;
      throw result.error;
    }
  }

  async close(abort: AbortSignal): Promise<void> {
    this.#closed = true;
    if (this.#running.size > 0 && !abort.aborted) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        abort.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    for (const call of this.#running) call.cancel(unavailable("the HTTP client is closed"));
    for (const agent of this.#agents.values()) agent.destroy();
  }

  async #body(request: UnaryRequest): Promise<readonly Uint8Array[]> {
    if (this.#coding === "") return request.parts;
    const { level } = this.#config.compression_params;
    // The lowest real level: higher ones cost up to 5x the CPU for 12 % fewer bytes.
    return [await compressRequest(this.#coding, request.parts, level > 0 ? level : 1)];
  }

  async #callHeaders(
    request: UnaryRequest,
    target: Target,
    parts: readonly Uint8Array[],
  ): Promise<OutgoingHttpHeaders> {
    let bytes = 0;
    for (const part of parts) bytes += part.byteLength;
    const cookie = this.#cookies?.header(target.url) ?? "";
    return {
      ...request.metadata,
      ...(cookie === "" ? {} : { cookie }),
      ...target.headers,
      ...(this.#authenticator && (await credentialsOf(this.#authenticator))),
      "content-length": bytes,
    };
  }

  async #attempt(
    options: RequestOptions,
    parts: readonly Uint8Array[],
    request: UnaryRequest,
  ): Promise<HttpResult | HttpFailure> {
    const call = new HttpCall(startRequest(options), this.#clock, request);
    this.#running.add(call);
    try {
      return await call.run(parts);
    } finally {
      this.#running.delete(call);
      if (this.#closed && this.#running.size === 0) this.#idle?.();
    }
  }

  #targetOf(text: string): Target {
    let target = this.#targets.get(text);
    if (target === undefined) {
      target = this.#createTarget(new URL(text));
      if (this.#targets.size < maxTargets) this.#targets.set(text, target);
    }
    return target;
  }

  #createTarget(url: URL): Target {
    const { proxy_url: proxyUrl } = this.#config;
    const proxy = url.protocol === "http:" ? proxyFor(url, proxyUrl) : undefined;
    const authorization = proxy && proxyAuthorization(proxy);
    return {
      url,
      slots: this.#slotsOf(url.host),
      options: {
        agent: this.#agent(url.protocol),
        protocol: url.protocol,
        method: "POST",
        host: url.hostname,
        port: url.port || (url.protocol === "https:" ? 443 : 80),
        path: proxy === undefined ? `${url.pathname}${url.search}` : absoluteForm(url),
      },
      headers: {
        host: url.host,
        "user-agent": defaultUserAgent,
        ...(this.#coding === "" ? {} : { "content-encoding": this.#coding }),
        ...basicCredentials(url),
        ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
        ...this.#headers,
      },
    };
  }

  #slotsOf(host: string): Slots {
    let slots = this.#slots.get(host);
    if (slots === undefined) {
      slots = new Slots(this.#config.max_conns_per_host);
      this.#slots.set(host, slots);
    }
    return slots;
  }

  #agent(protocol: string): HttpAgent {
    let agent = this.#agents.get(protocol);
    if (agent === undefined) {
      const config = this.#config;
      agent = new HttpAgent({
        clock: this.#clock,
        protocol,
        proxyFor: (target) => proxyFor(target, config.proxy_url),
        tls: async () => this.#tls.options(),
        pool: {
          keepAlive: !config.disable_keep_alives,
          maxFreeSockets:
            config.max_idle_conns_per_host || config.max_idle_conns || Number.POSITIVE_INFINITY,
          ...(config.idle_conn_timeout > 0 ? { timeout: config.idle_conn_timeout } : {}),
        },
      });
      this.#agents.set(protocol, agent);
    }
    return agent;
  }

  async #response(result: HttpResult): Promise<HttpResponse> {
    const { headers, statusCode = 0, statusMessage = "" } = result.message;
    const coding = headers["content-encoding"] ?? "identity";
    const { body, truncated } = await decoded(result, coding);
    const retryAfterMs = retryAfter(headers["retry-after"], this.#clock.now());
    return {
      code: statusCode,
      message: statusMessage,
      body,
      truncated,
      contentType: (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase(),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
}

const empty = new Uint8Array(0);

async function decoded(
  result: HttpResult,
  coding: string,
): Promise<{ body: Uint8Array; truncated: boolean }> {
  const { body, truncated } = result;
  if (coding === "identity" || coding === "" || body.byteLength === 0) return { body, truncated };
  if (truncated) return { body: empty, truncated };
  try {
    return { body: await decompressResponse(coding, body, maxResponseBytes), truncated };
  } catch (error) {
    // What the backend says beside its status is unreadable; the status itself stands.
    return { body: empty, truncated: asTelemetryError(error).code === "TOO_LARGE" };
  }
}

/** Credentials in the URL, as Go's client sends them. */
function basicCredentials(url: URL): OutgoingHttpHeaders {
  const authorization = proxyAuthorization(url);
  return authorization === undefined ? {} : { authorization };
}

const absoluteForm = (url: URL) => `${url.protocol}//${url.host}${url.pathname}${url.search}`;

/** Retry-After in milliseconds: seconds or an HTTP date (RFC 9110 section 10.2.3); undefined: neither. */
export function retryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/u.test(value)) return Number(value) * 1000;
  const date = /^[A-Z][a-z]{2}, .*GMT$/u.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(date - nowMs, 0);
}
