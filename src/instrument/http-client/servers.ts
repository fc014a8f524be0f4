import { BoundedNames } from "../metrics/bounded-names.ts";
import { type ClientInstruments, type Server, ServerSeries } from "./series.ts";

/** Different pairs of address and port; further ones become the address _OTHER without a port. */
const maxServers = 50;
/** Texts whose meaning is remembered: a server may be written in several ways. */
const maxOrigins = 200;

/** `http://host:port` as it was written, and what it says. */
class Origin implements Server {
  readonly scheme: string;
  readonly address: string;
  readonly port: number;
  /** Set when a request to it ends. */
  series: ServerSeries | undefined = undefined;

  constructor(scheme: string, address: string, port: number) {
    this.scheme = scheme;
    this.address = address;
    this.port = port;
  }
}

const unknownServer: Server = { scheme: "http", address: "_OTHER", port: undefined };

/** The series of each server, within a bound. */
export class Servers {
  readonly #instruments: ClientInstruments;
  readonly #pairs = new BoundedNames(maxServers);
  readonly #series = new Map<string, ServerSeries>();
  readonly #origins = new Map<string, Origin>();

  constructor(instruments: ClientInstruments) {
    this.#instruments = instruments;
  }

  /** Undefined: the text is no URL. */
  origin(text: string): Origin | undefined {
    const known = this.#origins.get(text);
    if (known !== undefined) return known;
    const origin = parse(text);
    if (origin !== undefined && this.#origins.size < maxOrigins) this.#origins.set(text, origin);
    return origin;
  }

  ofText(text: string): ServerSeries {
    const origin = this.origin(text);
    return origin === undefined ? this.of(unknownServer) : this.ofOrigin(origin);
  }

  ofOrigin(origin: Origin): ServerSeries {
    origin.series ??= this.of(origin);
    return origin.series;
  }

  of({ scheme, address, port }: Server): ServerSeries {
    const pair = this.#pairs.admit(`${address} ${port}`);
    const key = `${scheme} ${pair}`;
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const server =
      pair === "_OTHER" ? { scheme, address: pair, port: undefined } : { scheme, address, port };
    const series = new ServerSeries(this.#instruments, server);
    this.#series.set(key, series);
    return series;
  }
}

function parse(text: string): Origin | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port } = new URL(text);
  const isSecure = protocol === "https:";
  // The conventions write IPv6 addresses without brackets.
  const address = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const defaultPort = isSecure ? 443 : 80;
  return new Origin(isSecure ? "https" : "http", address, port === "" ? defaultPort : Number(port));
}
