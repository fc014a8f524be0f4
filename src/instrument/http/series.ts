/** The metrics of HTTP servers and the series of one method and scheme, bound at first use. */
import { tracing } from "../metrics/active-span.ts";
import { BoundedNames } from "../metrics/bounded-names.ts";
import type { Instrument, Meter, Recorder } from "../types.ts";

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
/** Durations of a series that wait to be counted together. */
const batchSize = 32;

type DurationKey =
  | "http.route"
  | "http.request.method"
  | "http.response.status_code"
  | "url.scheme"
  | "error.type";

const shared = new WeakMap<Meter, HttpInstruments>();

/** The same for all that is measured with one meter, so that the bounds hold for all together. */
export function httpInstruments(meter: Meter): HttpInstruments {
  const known = shared.get(meter);
  if (known !== undefined) return known;
  const instruments = new HttpInstruments(meter);
  shared.set(meter, instruments);
  return instruments;
}

/** From here on, with this limit of routes; those that are known stay. */
export function limitedInstruments(meter: Meter, maxRoutes: number | undefined): HttpInstruments {
  const isLimit = typeof maxRoutes === "number" && maxRoutes >= 1;
  const instruments = httpInstruments(meter);
  instruments.routes.limit = isLimit ? maxRoutes : defaultMaxRoutes;
  return instruments;
}

export class HttpInstruments {
  readonly duration: Instrument<DurationKey>;
  readonly latency: Instrument<"http.route" | "http.request.method">;
  readonly routes = new BoundedNames(defaultMaxRoutes);
  readonly errorTypes = new BoundedNames(maxErrorTypes);
  /** So many durations of a series are counted together; none waits before a collection has asked for it. */
  batch = 1;
  readonly #statuses = new Set<number>();
  readonly #methods = new Map<string, MethodSeries>();

  constructor(meter: Meter) {
    this.#observeActive(meter);
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
  }

  /** A collection asks this before it reads any histogram: so what waits is counted then. */
  #observeActive(meter: Meter): void {
    const options = {
      unit: "{request}",
      description: "Number of HTTP server requests that are under way.",
      attributes: ["http.request.method", "url.scheme"],
    } as const;
    meter.observe("http.server.active_requests", "upDownCounter", options, (observe) => {
      this.batch = batchSize;
      for (const series of new Set(this.#methods.values())) {
        observe(series.active, series.attributes);
        series.collect();
      }
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

/** A series of both histograms. */
class RouteStatus {
  readonly #duration: Recorder;
  readonly #latency: Recorder;
  readonly #waiting = new Float64Array(batchSize);
  #count = 0;
  #batch: number;

  constructor(duration: Recorder, latency: Recorder, batch: number) {
    this.#duration = duration;
    this.#latency = latency;
    this.#batch = batch;
  }

  /**
   * Kept, and counted with others: a histogram lies in some twenty cache lines, which a busy server has used for other
   * things between two requests. With tracing at once: an exemplar belongs to the span that is active now.
   */
  record(seconds: number): void {
    this.#waiting[this.#count++] = seconds;
    if (this.#count >= this.#batch || tracing.manager !== undefined) this.countWaiting();
  }

  /** For a collection, which will ask again. */
  collect(): void {
    this.#batch = batchSize;
    this.countWaiting();
  }

  countWaiting(): void {
    for (let i = 0; i < this.#count; i++) {
      this.#duration.record(this.#waiting[i]!);
      this.#latency.record(this.#waiting[i]!);
    }
    this.#count = 0;
  }
}

/** The series of a route by status; nearly all its responses have the same one, which is looked at first. */
class RouteSeries {
  readonly #byStatus = new Map<number, RouteStatus>();
  #lastStatus: number;
  #last: RouteStatus;

  constructor(status: number, series: RouteStatus) {
    this.#lastStatus = status;
    this.#last = series;
    this.set(status, series);
  }

  get(status: number): RouteStatus | undefined {
    if (status === this.#lastStatus) return this.#last;
    const found = this.#byStatus.get(status);
    if (found === undefined) return undefined;
    this.#lastStatus = status;
    this.#last = found;
    return found;
  }

  set(status: number, series: RouteStatus): void {
    this.#byStatus.set(status, series);
  }

  collect(): void {
    for (const series of this.#byStatus.values()) series.collect();
  }
}

export class MethodSeries {
  readonly attributes: {
    readonly "http.request.method": string;
    readonly "url.scheme": string;
  };
  /** Requests under way. */
  active = 0;
  readonly #instruments: HttpInstruments;
  readonly #bound = new Map<string | undefined, RouteSeries>();
  #boundCount = 0;

  constructor(instruments: HttpInstruments, method: string, scheme: string) {
    this.#instruments = instruments;
    this.attributes = { "http.request.method": method, "url.scheme": scheme };
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
    this.active--;
    if (status === undefined) this.#failed(seconds, route, errorType ?? "aborted", undefined);
    else if (errorType === undefined) this.#finished(seconds, route, status);
    else this.#failed(seconds, route, errorType, status);
  }

  collect(): void {
    for (const route of this.#bound.values()) route.collect();
  }

  #finished(seconds: number, route: string | undefined, status: number): void {
    const bound = this.#bound.get(route)?.get(status);
    if (bound === undefined) this.#finishedAdmitted(seconds, route, status);
    else bound.record(seconds);
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
  #finishedAdmitted(seconds: number, givenRoute: string | undefined, givenStatus: number): void {
    const route = this.#admitted(givenRoute);
    const status = this.#instruments.admitStatus(givenStatus);
    const bound = this.#bound.get(route)?.get(status) ?? this.#bind(route, status);
    bound.record(seconds);
    // It may not be remembered.
    if (this.#boundCount > maxBound) bound.countWaiting();
  }

  #admitted(route: string | undefined): string | undefined {
    return route === undefined ? undefined : this.#instruments.routes.admit(route);
  }

  #bind(route: string | undefined, status: number): RouteStatus {
    const { duration, latency } = this.#instruments;
    const errorType = status >= 500 ? String(status) : undefined;
    const bound = new RouteStatus(
      duration.bind(this.#durationOf(route, status, errorType)),
      latency.bind(this.#latencyOf(route)),
      this.#instruments.batch,
    );
    if (this.#boundCount++ >= maxBound) return bound;
    const ofRoute = this.#bound.get(route);
    if (ofRoute === undefined) this.#bound.set(route, new RouteSeries(status, bound));
    else ofRoute.set(status, bound);
    return bound;
  }

  #durationOf(route: string | undefined, status: number | undefined, errorType?: string) {
    return {
      ...this.attributes,
      "http.route": route,
      "http.response.status_code": status,
      "error.type": errorType,
    };
  }

  #latencyOf(route: string | undefined) {
    return { "http.route": route, "http.request.method": this.attributes["http.request.method"] };
  }
}
