/** The authenticator in front of a server. */
import type { Settings } from "../component.ts";
import { TelemetryError } from "../errors.ts";
import type { Authenticate } from "../transport.ts";

/** What an extension named by `auth.authenticator` offers to servers. */
export interface ServerAuthenticator {
  authenticate: Authenticate;
}

/**
 * The check that `auth` names, undefined without `auth`. Throws CONFIG_INVALID in the Collector's words where
 * there is no such authenticator: a server that was to be closed must never stand open.
 */
export function serverAuthenticate(
  auth: { readonly authenticator: string } | undefined,
  settings: Pick<Settings, "use">,
): Authenticate | undefined {
  if (auth === undefined) return undefined;
  const id = auth.authenticator;
  const offered = settings.use(id);
  if (offered === undefined) {
    throw invalid(`failed to resolve authenticator ${JSON.stringify(id)}: authenticator not found`);
  }
  if (isServerAuthenticator(offered)) return boundTo(offered);
  throw invalid(`extension ${JSON.stringify(id)} is not a server authenticator`);
}

function isServerAuthenticator(offered: unknown): offered is ServerAuthenticator {
  const known = typeof offered === "object" && offered !== null && "authenticate" in offered;
  return known && typeof offered.authenticate === "function";
}

const invalid = (message: string) => new TelemetryError("CONFIG_INVALID", message);

/** One function an authenticator: components that name the same one may share a listener. */
const bound = new WeakMap<ServerAuthenticator, Authenticate>();

function boundTo(offered: ServerAuthenticator): Authenticate {
  let authenticate = bound.get(offered);
  if (authenticate === undefined) {
    authenticate = (metadata) => offered.authenticate(metadata);
    bound.set(offered, authenticate);
  }
  return authenticate;
}
