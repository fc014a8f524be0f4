/** The metrics of HTTP servers and the series of one method and scheme, bound at first use. */
import { BoundedNames } from "../metrics/bounded-names.ts";
import type { Adder, Counter, Instrument, Meter, Recorder } from "../types.ts";

/** The boundaries that the HTTP conventions recommend, in seconds. */
export const durationBounds = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
] as const;

/** RFC 9110 and PATCH; the conventions call all others _OTHER. */
export const methods = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
] as const;
const maxErrorTypes = 15;
const defaultMaxRoutes = 200;
/** With one for each of the nine classes: 30. */
const maxStatuses = 21;
/** Handlers choose the status; beyond so many pairs with a route their series are looked up each time. */
const maxBound = 1000;

type DurationKey =
  | "http.route"
  | "http.request.method"
  | "http.response.status_code"
  | "url.scheme"
  | "error.type";

const shared = new WeakMap<Meter, HttpInstruments>();

/** The same for all that is measured with one meter, so that the bounds hold for all together. */
export function httpInstruments(meter: Meter): HttpInstruments {
  return shared.get(meter) ?? limitedInstruments(meter, defaultMaxRoutes);
}

/** From here on, with this limit of routes. */
export function limitedInstruments(meter: Meter, maxRoutes: number | undefined): HttpInstruments {
  const isLimit = typeof maxRoutes === "number" && maxRoutes >= 1;
  const instruments = new HttpInstruments(meter, isLimit ? maxRoutes : defaultMaxRoutes);
  shared.set(meter, instruments);
  return instruments;
}

export class HttpInstruments {
  readonly duration: Instrument<DurationKey>;
  readonly latency: Instrument<"http.route" | "http.request.method">;
  readonly active: Counter<"http.request.method" | "url.scheme">;
  readonly routes: BoundedNames;
  readonly errorTypes = new BoundedNames(maxErrorTypes);
  readonly #statuses = new Set<number>();
  readonly #methods = new Map<string, MethodSeries>();

  constructor(meter: Meter, maxRoutes: number) {
    this.routes = new BoundedNames(maxRoutes);
    this.duration = meter.histogram("http.server.request.duration", {
      unit: "s",
      description: "Duration of HTTP server requests.",
      boundaries: durationBounds,
      attributes: [
        "http.route",
        "http.request.method",
        "http.response.status_code",
        "url.scheme",
        "error.type",
      ],
    });
    this.latency = meter.histogram("repomind.api.request.latency", {
      unit: "s",
      description: "Duration of HTTP server requests, for percentiles.",
      attributes: ["http.route", "http.request.method"],
    });
    this.active = meter.upDownCounter("http.server.active_requests", {
      unit: "{request}",
      description: "Number of HTTP server requests that are under way.",
      attributes: ["http.request.method", "url.scheme"],
    });
  }

  of(given: string, isEncrypted: boolean): MethodSeries {
    const found = this.#methods.get(isEncrypted ? `${given} https` : given);
    if (found !== undefined) return found;
    const method = (methods as readonly string[]).includes(given) ? given : "_OTHER";
    const key = isEncrypted ? `${method} https` : method;
    const series =
      this.#methods.get(key) ?? new MethodSeries(this, method, isEncrypted ? "https" : "http");
    this.#methods.set(key, series);
    return series;
  }

  /** A status that is not known means the x00 of its class (RFC 9110, 15): so do those beyond the limit. */
  admitStatus(status: number): number {
    if (this.#statuses.has(status)) return status;
    if (this.#statuses.size >= maxStatuses) return Math.floor(status / 100) * 100;
    this.#statuses.add(status);
    return status;
  }
}

interface RouteStatus {
  readonly duration: Recorder;
  readonly latency: Recorder;
}

export class MethodSeries {
  readonly active: Adder;
  readonly #instruments: HttpInstruments;
  readonly #method: string;
  readonly #scheme: string;
  readonly #bound = new Map<string | undefined, Map<number, RouteStatus>>();
  #boundCount = 0;

  constructor(instruments: HttpInstruments, method: string, scheme: string) {
    this.#instruments = instruments;
    this.#method = method;
    this.#scheme = scheme;
    this.active = instruments.active.bind({ "http.request.method": method, "url.scheme": scheme });
  }

  /**
   * Counts a request that ended. Without a status its response was not sent to its end; from status 500 on, and where
   * the application named an error, it is one.
   */
  end(
    seconds: number,
    route: string | undefined,
    status: number | undefined,
    errorType: string | undefined,
  ): void {
    this.active.add(-1);
    if (status === undefined) this.#failed(seconds, route, errorType ?? "aborted", undefined);
    else if (errorType === undefined) this.#finished(seconds, route, status);
    else this.#failed(seconds, route, errorType, status);
  }

  #finished(seconds: number, route: string | undefined, status: number): void {
    const bound = this.#bound.get(route)?.get(status) ?? this.#bindAdmitted(route, status);
    bound.duration.record(seconds);
    bound.latency.record(seconds);
  }

  #failed(
    seconds: number,
    given: string | undefined,
    errorType: string,
    givenStatus: number | undefined,
  ): void {
    const { duration, latency, errorTypes } = this.#instruments;
    const route = this.#admitted(given);
    const status = givenStatus && this.#instruments.admitStatus(givenStatus);
    duration.record(seconds, this.#durationOf(route, status, errorTypes.admit(errorType)));
    latency.record(seconds, this.#latencyOf(route));
  }

  /** Only admitted names are remembered. */
  #bindAdmitted(givenRoute: string | undefined, givenStatus: number): RouteStatus {
    const route = this.#admitted(givenRoute);
    const status = this.#instruments.admitStatus(givenStatus);
    return this.#bound.get(route)?.get(status) ?? this.#bind(route, status);
  }

  #admitted(route: string | undefined): string | undefined {
    return route === undefined ? undefined : this.#instruments.routes.admit(route);
  }

  #bind(route: string | undefined, status: number): RouteStatus {
    const { duration, latency } = this.#instruments;
    const errorType = status >= 500 ? String(status) : undefined;
    const bound = {
      duration: duration.bind(this.#durationOf(route, status, errorType)),
      latency: latency.bind(this.#latencyOf(route)),
    };
    if (this.#boundCount++ >= maxBound) return bound;
    const ofRoute = this.#bound.get(route);
    if (ofRoute === undefined) this.#bound.set(route, new Map([[status, bound]]));
    else ofRoute.set(status, bound);
    return bound;
  }

  #durationOf(route: string | undefined, status: number | undefined, errorType?: string) {
    return {
      "http.route": route,
      "http.request.method": this.#method,
      "http.response.status_code": status,
      "url.scheme": this.#scheme,
      "error.type": errorType,
    };
  }

  #latencyOf(route: string | undefined) {
    return { "http.route": route, "http.request.method": this.#method };
  }
}
