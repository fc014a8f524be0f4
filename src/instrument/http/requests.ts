import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { HttpInstruments, MethodSeries } from "./series.ts";

/** Reads the route of a request from what its framework knows of it; asked when the response ends. */
export type RouteReader<C> = (context: C, status: number | undefined) => string | undefined;

/** A request from its beginning until its response ends. */
export class Measured {
  readonly series: MethodSeries;
  readonly startMs: number;
  /** As the application named it. */
  route: string | undefined = undefined;
  errorType: string | undefined = undefined;
  /** The framework's own object, and what reads it. */
  context: unknown = undefined;
  readRoute: RouteReader<never> | undefined = undefined;

  constructor(series: MethodSeries, startMs: number) {
    this.series = series;
    this.startMs = startMs;
  }

  /** The route by the framework's middleware or hook; may throw what the framework's objects throw. */
  frameworkRoute(status: number | undefined): string | undefined {
    return this.readRoute?.(this.context as never, status);
  }
}

export interface RequestOwner {
  /** Without a status: the response was not sent to its end. Never throws. */
  end(measured: MeasuredRequest, status: number | undefined): void;
}

/** A request of node:http. */
export class MeasuredRequest extends Measured {
  readonly request: IncomingMessage;
  readonly owner: RequestOwner;

  constructor(
    request: IncomingMessage,
    owner: RequestOwner,
    series: MethodSeries,
    startMs: number,
  ) {
    super(series, startMs);
    this.request = request;
    this.owner = owner;
  }
}

/** The open requests of a connection: one, and further ones only where a client sends them without waiting. */
export class Connection {
  readonly #isEncrypted: boolean;
  /** Of the last request, and where its series come from: mostly the next request's too. */
  #method = "";
  #instruments: HttpInstruments | undefined = undefined;
  #series: MethodSeries | undefined = undefined;
  #first: MeasuredRequest | undefined = undefined;
  #others: Map<IncomingMessage, MeasuredRequest> | undefined = undefined;

  constructor(isEncrypted: boolean) {
    this.#isEncrypted = isEncrypted;
  }

  seriesOf(method: string, instruments: HttpInstruments): MethodSeries {
    if (method === this.#method && instruments === this.#instruments) return this.#series!;
    this.#method = method;
    this.#instruments = instruments;
    this.#series = instruments.of(method, this.#isEncrypted);
    return this.#series;
  }

  add(measured: MeasuredRequest): void {
    if (this.#first === undefined) {
      this.#first = measured;
      return;
    }
    this.#others ??= new Map();
    this.#others.set(measured.request, measured);
  }

  find(request: IncomingMessage): MeasuredRequest | undefined {
    return this.#first?.request === request ? this.#first : this.#others?.get(request);
  }

  /** Takes a request out. */
  take(request: IncomingMessage): MeasuredRequest | undefined {
    const measured = this.find(request);
    if (measured === this.#first) this.#first = undefined;
    else this.#others?.delete(request);
    return measured;
  }

  /** Nothing that is open will be answered. */
  abort(): void {
    const all = [...(this.#others?.values() ?? [])];
    if (this.#first !== undefined) all.push(this.#first);
    this.#first = undefined;
    this.#others = undefined;
    for (const measured of all) measured.owner.end(measured, undefined);
  }
}

/** A property of the socket, not of each request and not a WeakMap: 0.1 µs less. */
export const connectionKey: unique symbol = Symbol("repomind.connection");

export type SocketWithState = Socket & { [connectionKey]?: Connection };

/** One listener a connection ends what is still open on it; a listener a response costs 0.3 µs more. */
export function connectionOf(socket: SocketWithState): Connection {
  const known = socket[connectionKey];
  if (known !== undefined) return known;
  const connection = new Connection("encrypted" in socket);
  socket[connectionKey] = connection;
  socket.once("close", () => connection.abort());
  return connection;
}

/** Requests of fetch handlers; they have no socket. */
const fetched = new WeakMap<object, Measured>();

export function rememberFetched(request: object, measured: Measured): void {
  fetched.set(request, measured);
}

/** The open request that a framework or the application speaks of. */
export function findMeasured(request: object | undefined | null): Measured | undefined {
  try {
    const { socket } = (request ?? {}) as { readonly socket?: SocketWithState };
    if (socket === undefined) return fetched.get(request as object);
    return socket?.[connectionKey]?.find(request as IncomingMessage);
  } catch {
    // The socket of an HTTP/2 request is a proxy that throws after its end; and those are not measured.
    return undefined;
  }
}

/** Lets a framework's own object name the route. */
export function nameBy<C>(request: object | undefined, context: C, read: RouteReader<C>): void {
  const measured = findMeasured(request);
  if (measured === undefined) return;
  measured.context = context;
  measured.readRoute = read;
}

/** Names the template of the request's route: `/repos/:id`, never the path. Beats what a framework says. */
export function setRoute(request: IncomingMessage | Request, template: string): void {
  const measured = findMeasured(request);
  if (measured !== undefined && typeof template === "string") measured.route = template;
}

/** Counts the request as failed, whatever its status. */
export function setErrorType(request: IncomingMessage | Request, errorType: string): void {
  const measured = findMeasured(request);
  if (measured !== undefined && typeof errorType === "string") measured.errorType = errorType;
}
