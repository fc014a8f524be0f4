/** TLS of a client: options for each connection, with the costly part shared while nothing changed. */
import type { ConnectionOptions, SecureContextOptions } from "node:tls";
import type { ClientTlsConfig } from "../config/fragments/tls.ts";
import { clientTlsOptions, secureContextOf } from "./tls.ts";

/** What a secure context is made of. */
const contextKeys = [
  "ca",
  "cert",
  "key",
  "minVersion",
  "maxVersion",
  "ciphers",
  "ecdhCurve",
] as const satisfies readonly (keyof SecureContextOptions)[];

export class ClientTls {
  readonly #config: ClientTlsConfig;
  #made: { readonly from: ConnectionOptions; readonly options: ConnectionOptions } | undefined;

  constructor(config: ClientTlsConfig) {
    this.#config = config;
  }

  /**
   * Options for the next connection. Parsing a system's trust store takes some 20 ms on the main thread: the
   * secure context is made again only when a file behind it changed. Throws CONFIG_INVALID for files and
   * values that cannot be used.
   */
  options(): ConnectionOptions {
    const from = clientTlsOptions(this.#config);
    if (this.#made !== undefined && hasSameContext(this.#made.from, from))
      return this.#made.options;
    const rest = { ...from };
    for (const key of contextKeys) delete rest[key];
    const options = { ...rest, secureContext: secureContextOf(from) };
    this.#made = { from, options };
    return options;
  }
}

function hasSameContext(a: ConnectionOptions, b: ConnectionOptions): boolean {
  return contextKeys.every((key) => isSame(a[key], b[key]));
}

function isSame(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
