import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import { messageOf, type Problems } from "../problems.ts";
import { RateLimitHeaders } from "../rate-limit/rate-limit-headers.ts";
import type { HttpOptions, Meter } from "../types.ts";
import { ExpressRoutes } from "./express.ts";
import { nameFastifyRoutes } from "./fastify.ts";
import {
  connectionKey,
  connectionOf,
  MeasuredRequest,
  type RequestOwner,
  type SocketWithState,
} from "./requests.ts";
import { type HttpInstruments, limitedInstruments } from "./series.ts";

const startChannel = "http.server.request.start";
const finishChannel = "http.server.response.finish";

/** What both channels carry. */
interface ServerEvent {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: SocketWithState;
}

/**
 * Measures every server of node:http and node:https in the process, by the channels that Node publishes on. A
 * response that is not sent to its end publishes nothing: the end of its connection ends it.
 */
export class HttpServerMetrics implements Disposable, RequestOwner {
  readonly #instruments: HttpInstruments;
  readonly #options: HttpOptions;
  readonly #problems: Problems;
  readonly #express = new ExpressRoutes();
  readonly #fastify: Disposable;
  readonly #rateLimits: RateLimitHeaders | undefined;
  /** The global is a getter. */
  readonly #clock = performance;
  #open = 0;
  #isDisposed = false;

  constructor(meter: Meter, options: HttpOptions, problems: Problems) {
    this.#instruments = limitedInstruments(meter, options.maxRoutes);
    this.#options = options;
    this.#problems = problems;
    this.#fastify = nameFastifyRoutes();
    if (options.rateLimitHeaders === true) this.#rateLimits = new RateLimitHeaders(meter, problems);
    subscribe(startChannel, this.#onStart);
    subscribe(finishChannel, this.#onFinish);
  }

  /** Requests that are open are still measured to their end. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#fastify[Symbol.dispose]();
    unsubscribe(startChannel, this.#onStart);
    if (this.#open === 0) unsubscribe(finishChannel, this.#onFinish);
  }

  /** What a subscriber throws becomes an uncaught exception of the application: so nothing may be thrown. */
  readonly #onStart = (message: unknown): void => {
    try {
      this.#begin(message as ServerEvent);
    } catch (error) {
      this.#report(error);
    }
  };

  readonly #onFinish = (message: unknown): void => {
    try {
      const { request, response, socket } = message as ServerEvent;
      const measured = socket[connectionKey]?.take(request);
      if (measured === undefined) return;
      measured.owner.end(measured, response.statusCode);
      this.#rateLimits?.read(response);
    } catch (error) {
      this.#report(error);
    }
  };

  #begin({ request, socket }: ServerEvent): void {
    const { ignore } = this.#options;
    if (ignore !== undefined && this.#isIgnored(request, ignore)) return;
    const connection = connectionOf(socket);
    const series = connection.seriesOf(request.method ?? "", this.#instruments);
    connection.add(new MeasuredRequest(request, this, series, this.#clock.now()));
    series.active++;
    this.#open++;
  }

  #isIgnored(request: IncomingMessage, ignore: (request: IncomingMessage) => boolean): boolean {
    try {
      return ignore(request);
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  /** Without a status: the response was not sent to its end (its statusCode may well be 200). */
  end(measured: MeasuredRequest, status: number | undefined): void {
    const seconds = (this.#clock.now() - measured.startMs) / 1000;
    this.#open--;
    if (this.#isDisposed && this.#open === 0) unsubscribe(finishChannel, this.#onFinish);
    try {
      measured.series.end(seconds, this.#routeOf(measured, status), status, measured.errorType);
    } catch (error) {
      this.#report(error);
    }
  }

  /** The application's word comes before the framework's. */
  #routeOf(measured: MeasuredRequest, status: number | undefined): string | undefined {
    return (
      measured.route ?? this.#askRoute(measured.request) ?? this.#frameworkRoute(measured, status)
    );
  }

  #askRoute(request: IncomingMessage): string | undefined {
    if (this.#options.route === undefined) return undefined;
    try {
      const route: unknown = this.#options.route(request);
      return typeof route === "string" ? route : undefined;
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  /** Its objects may be proxies and have getters. */
  #frameworkRoute(measured: MeasuredRequest, status: number | undefined): string | undefined {
    try {
      return measured.frameworkRoute(status) ?? this.#express.routeOf(measured.request, status);
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  #report(error: unknown): void {
    this.#problems.report("http_failed", `cannot measure a request: ${messageOf(error)}`);
  }
}
