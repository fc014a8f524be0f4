/** The metric of HTTP clients and its series: of a server and method, bound by status at first use. */
import { durationBounds, methods } from "../http/series.ts";
import { BoundedNames } from "../metrics/bounded-names.ts";
import type { Instrument, Meter, Recorder } from "../types.ts";

const maxErrorTypes = 15;
/** Servers choose the status. */
const maxStatuses = 30;
const other = "_OTHER";

type DurationKey =
  | "http.request.method"
  | "server.address"
  | "server.port"
  | "http.response.status_code"
  | "url.scheme"
  | "error.type";

export class ClientInstruments {
  readonly duration: Instrument<DurationKey>;
  readonly errorTypes = new BoundedNames(maxErrorTypes);
  readonly statuses = new BoundedNames(maxStatuses);

  constructor(meter: Meter) {
    this.duration = meter.histogram("http.client.request.duration", {
      unit: "s",
      description: "Duration of HTTP client requests.",
      boundaries: durationBounds,
      attributes: [
        "http.request.method",
        "server.address",
        "server.port",
        "http.response.status_code",
        "url.scheme",
        "error.type",
      ],
    });
  }
}

/** Whom requests are sent to. */
export interface Server {
  readonly scheme: string;
  readonly address: string;
  /** Undefined: not known, or without a meaning (a Unix socket). */
  readonly port: number | undefined;
}

export class ServerSeries {
  readonly #instruments: ClientInstruments;
  readonly #server: Server;
  readonly #methods = new Map<string, MethodSeries>();

  constructor(instruments: ClientInstruments, server: Server) {
    this.#instruments = instruments;
    this.#server = server;
  }

  of(method: string): MethodSeries {
    return this.#methods.get(method) ?? this.#add(method);
  }

  /** Only names of the list are remembered: undici sends any. */
  #add(given: string): MethodSeries {
    const method = (methods as readonly string[]).includes(given) ? given : other;
    const known = this.#methods.get(method);
    if (known !== undefined) return known;
    const series = new MethodSeries(this.#instruments, this.#server, method);
    this.#methods.set(method, series);
    return series;
  }
}

export class MethodSeries {
  readonly #instruments: ClientInstruments;
  readonly #server: Server;
  readonly #method: string;
  readonly #bound = new Map<number, Recorder>();

  constructor(instruments: ClientInstruments, server: Server, method: string) {
    this.#instruments = instruments;
    this.#server = server;
    this.#method = method;
  }

  /** The response came whole; for a client it is an error from status 400 on. */
  finished(seconds: number, status: number): void {
    (this.#bound.get(status) ?? this.#bind(status)).record(seconds);
  }

  /** No response, or not its end. */
  failed(seconds: number, status: number | undefined, errorType: string): void {
    const { duration, errorTypes } = this.#instruments;
    const admitted = status === undefined ? undefined : this.#admitted(status);
    duration.record(seconds, this.#attributes(admitted, errorTypes.admit(errorType)));
  }

  #bind(status: number): Recorder {
    const admitted = this.#admitted(status);
    const errorType = status >= 400 ? String(admitted) : undefined;
    const recorder = this.#instruments.duration.bind(this.#attributes(admitted, errorType));
    if (admitted === status) this.#bound.set(status, recorder);
    return recorder;
  }

  #admitted(status: number): number | string {
    return this.#instruments.statuses.admit(String(status)) === other ? other : status;
  }

  #attributes(status: number | string | undefined, errorType: string | undefined) {
    return {
      "http.request.method": this.#method,
      "server.address": this.#server.address,
      "server.port": this.#server.port,
      "http.response.status_code": status,
      "url.scheme": this.#server.scheme,
      "error.type": errorType,
    };
  }
}
