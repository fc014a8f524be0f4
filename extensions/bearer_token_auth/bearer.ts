/** The header with the token, checked and written. */
import { createHash, timingSafeEqual } from "node:crypto";
import { TelemetryError } from "../../src/errors.ts";
import type { Metadata } from "../../src/transport.ts";

const digestOf = (text: string) => createHash("sha256").update(text).digest();

export class Bearer {
  /** As configured, for texts. */
  readonly #headerName: string;
  readonly #header: string;
  readonly #scheme: string;
  /** Of the whole header values: equal lengths, so that comparing takes equal time. */
  #accepted: readonly Buffer[] = [];
  #sent = "";

  constructor(header: string, scheme: string) {
    this.#headerName = header;
    this.#header = header.toLowerCase();
    this.#scheme = scheme === "" ? "" : `${scheme} `;
  }

  setTokens(tokens: readonly string[]): void {
    this.#accepted = tokens.map((token) => digestOf(this.#scheme + token));
    this.#sent = this.#scheme + tokens[0]!;
  }

  /** Bound: servers keep the function alone. The Collector's texts. */
  readonly authenticate = (metadata: Metadata): Promise<void> => {
    const value = metadata.get(this.#header)?.[0];
    if (value === undefined) {
      return refuse(`missing or empty authorization header: ${this.#headerName}`);
    }
    const digest = digestOf(value);
    let isValid = false;
    // All of them: how long it takes must not say which one was near.
    for (const accepted of this.#accepted) if (timingSafeEqual(accepted, digest)) isValid = true;
    if (isValid) return Promise.resolve();
    return refuse("provided authorization does not match expected scheme or token");
  };

  readonly requestMetadata = (): Promise<Readonly<Record<string, string>>> =>
    Promise.resolve({ [this.#header]: this.#sent });
}

const refuse = (message: string) => Promise.reject(new TelemetryError("UNAUTHENTICATED", message));
