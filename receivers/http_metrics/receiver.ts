/** One HTTP server with both APIs. */
import type { Component, Edge, Settings } from "../../src/component.ts";
import { httpServerSpec } from "../../src/config/fragments/http-server.ts";
import { serverAuthenticate } from "../../src/net/server-auth.ts";
import type { HttpExchange, HttpHandler, Listener } from "../../src/transport.ts";
import { retryAfter, send, textAnswer } from "./answers.ts";
import type { HttpMetricsConfig } from "./config.ts";
import { CustomApi } from "./custom-api.ts";
import { GroupStore } from "./group-store.ts";
import { identityOf } from "./identity.ts";
import { PushApi } from "./push-api.ts";
import { pushRoutes } from "./push-path.ts";
import { PushTimes } from "./push-times.ts";
import { RateLimit } from "./rate-limit.ts";
import { Refusals } from "./refusals.ts";
import { Repeater } from "./repeater.ts";

export const customPath = "/v1/metrics/custom";

export class HttpMetricsReceiver implements Component {
  readonly #config: HttpMetricsConfig;
  readonly #settings: Settings;
  readonly #refusals: Refusals;
  readonly #limit: RateLimit;
  readonly #routes = new Map<string, HttpHandler>();
  readonly #authenticate: ReturnType<typeof serverAuthenticate>;
  #store: GroupStore | undefined;
  #repeater: Repeater | undefined;
  #listener: Listener | undefined;

  constructor(config: HttpMetricsConfig, edge: Edge<"metrics"> | undefined, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#refusals = new Refusals(settings);
    this.#authenticate = serverAuthenticate(config.auth, settings);
    const { requests_per_second: perSecond, burst } = config.rate_limit;
    this.#limit = new RateLimit(settings.clock, perSecond, burst);
    if (edge === undefined) return;
    if (config.custom.enabled) this.#addCustom(edge);
    if (config.prometheus_push.enabled) this.#addPush(edge);
  }

  #addCustom(edge: Edge<"metrics">): void {
    const { custom, include_metadata: includeMetadata } = this.#config;
    const api = new CustomApi(edge, this.#settings, this.#refusals, {
      maxPoints: custom.max_points,
      idempotencyTtlMs: custom.idempotency_ttl,
      idempotencyMaxKeys: custom.idempotency_max_keys,
      compressionAlgorithms: this.#config.compression_algorithms,
      includeMetadata,
    });
    this.#routes.set(
      customPath,
      this.#limited("custom", (exchange, who) => api.handle(exchange, who)),
    );
    this.#routes.set(`${customPath}/openapi.json`, answerOpenApi);
  }

  #addPush(edge: Edge<"metrics">): void {
    const { prometheus_push: push, include_metadata: includeMetadata } = this.#config;
    const bounds = { maxGroups: push.max_groups, maxSeries: push.max_series };
    this.#store = new GroupStore(this.#settings, bounds);
    const groups = { store: this.#store, times: new PushTimes(this.#settings.clock) };
    const api = new PushApi(edge, this.#settings, this.#refusals, groups, {
      compressionAlgorithms: this.#config.compression_algorithms,
      includeMetadata,
    });
    this.#repeater = new Repeater(groups, edge, this.#settings, push.repeat_interval);
    for (const route of pushRoutes) {
      this.#routes.set(
        route,
        this.#limited("push", (exchange) => api.handle(exchange)),
      );
    }
  }

  #limited(
    api: "custom" | "push",
    handle: (exchange: HttpExchange, identity: string) => Promise<void>,
  ): HttpHandler {
    return async (exchange) => {
      const identity = identityOf(exchange, this.#authenticate !== undefined);
      const waitMs = this.#limit.take(identity);
      if (waitMs === 0) return await handle(exchange, identity);
      const message = "429 too many requests";
      this.#refusals.count(api, "rate_limit", message);
      send(exchange, textAnswer(429, message, retryAfter(waitMs)));
    };
  }

  async start(): Promise<void> {
    this.#listener = await this.#settings.listen({
      ...httpServerSpec(this.#config),
      authenticate: this.#authenticate,
      routes: this.#routes,
    });
    this.#repeater?.start();
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.close(abort);
    await this.#repeater?.stop();
    this.#store?.close();
  }
}

async function answerOpenApi(exchange: HttpExchange): Promise<void> {
  if (exchange.method !== "GET" && exchange.method !== "HEAD") {
    return send(exchange, textAnswer(405, "405 method not allowed", { allow: "GET, HEAD" }));
  }
  const { openApi } = await import("./openapi.ts");
  exchange.respond(200, { "content-type": "application/json" }, openApi);
}
