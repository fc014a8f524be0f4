/** Headers of a client that come from its config: checked once, revealed at the place of use. */
import { platform } from "node:os";
import type { Settings } from "../component.ts";
import type { ClientAuth, ClientHeaders } from "../config/fragments/client-headers.ts";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";

/** What an extension named by `auth.authenticator` offers. */
export interface ClientAuthenticator {
  /** Headers for one request, names in lower case. */
  requestMetadata(): Promise<Readonly<Record<string, string>>>;
}

export const defaultUserAgent = `RepoMind-Telemetry (${platform()}/${process.arch})`;

/** Set by the protocol; a user's value would break or forge requests. */
const reservedGrpc =
  /^(?::.*|grpc-.*|content-type|te|connection|host|transfer-encoding|upgrade|keep-alive|proxy-connection|http2-settings|content-length)$/u;

/** Framing of the message: a wrong value would let one request smuggle another. */
const reservedHttp = /^(?:content-length|transfer-encoding|connection|upgrade|te|trailer)$/iu;

/**
 * gRPC metadata from the configured headers; binary values (`-bin`) are base64 on the wire. Throws
 * CONFIG_INVALID where gRPC could not carry a header.
 */
export function grpcMetadata(headers: ClientHeaders): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [name, secret] of headers) {
    const key = name.toLowerCase();
    if (!/^[0-9a-z\-_.]+$/u.test(key)) {
      throw invalid(
        `header key ${JSON.stringify(key)} contains illegal characters not in [0-9a-z-_.]`,
      );
    }
    if (reservedGrpc.test(key)) throw invalid(`header key ${JSON.stringify(key)} is reserved`);
    const value = secret.reveal();
    const text = key.endsWith("-bin") ? Buffer.from(value, "utf8").toString("base64") : value;
    if (!/^[\x20-\x7e]*$/u.test(text)) {
      throw invalid(
        `header key ${JSON.stringify(key)} contains value with non-printable ASCII characters`,
      );
    }
    metadata[key] = text;
  }
  return metadata;
}

/** HTTP headers from the configured ones, names in lower case. Throws CONFIG_INVALID. */
export function httpHeaders(headers: ClientHeaders): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, secret] of headers) {
    // RFC 9110 section 5.6.2, token; section 5.5, field values.
    if (!/^[\w!#$%&'*+\-.^`|~]+$/u.test(name)) {
      throw invalid(`net/http: invalid header field name ${JSON.stringify(name)}`);
    }
    const value = secret.reveal();
    if (!/^[\t\x20-\x7e\x80-\xff]*$/u.test(value)) {
      throw invalid(`net/http: invalid header field value for ${JSON.stringify(name)}`);
    }
    if (reservedHttp.test(name)) throw invalid(`header ${JSON.stringify(name)} is reserved`);
    result[name.toLowerCase()] = value;
  }
  return result;
}

/** The authenticator that `auth` names; undefined without `auth`. Throws CONFIG_INVALID. */
export function clientAuthenticator(
  auth: ClientAuth,
  settings: Pick<Settings, "use">,
): ClientAuthenticator | undefined {
  if (auth === undefined) return undefined;
  const id = auth.authenticator;
  const offered = settings.use(id);
  if (offered === undefined) {
    throw invalid(`failed to resolve authenticator ${JSON.stringify(id)}: authenticator not found`);
  }
  if (isAuthenticator(offered)) return offered;
  throw invalid(`extension ${JSON.stringify(id)} is not a client authenticator`);
}

function isAuthenticator(offered: unknown): offered is ClientAuthenticator {
  const known = typeof offered === "object" && offered !== null && "requestMetadata" in offered;
  return known && typeof offered.requestMetadata === "function";
}

/** Credentials for one request; where they cannot be had, the request may be sent again later. */
export async function credentialsOf(
  authenticator: ClientAuthenticator,
): Promise<Readonly<Record<string, string>>> {
  try {
    return await authenticator.requestMetadata();
  } catch (error) {
    const cause = causeText(error);
    const message = `cannot get credentials for the request: ${cause}`;
    throw new TelemetryError("UNAUTHENTICATED", message, { retryable: true, cause: error });
  }
}

const invalid = (message: string) => new TelemetryError("CONFIG_INVALID", message);
