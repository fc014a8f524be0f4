/** Who sends: what idempotency keys and rate limits are kept apart by. */
import { createHash } from "../../src/node-crypto.ts";
import type { HttpExchange } from "../../src/transport.ts";

/**
 * Where requests are authenticated, the credentials (a digest of them: they were found valid before); else the
 * address.
 */
export function identityOf(exchange: HttpExchange, isAuthenticated: boolean): string {
  const credentials = isAuthenticated ? exchange.headers.get("authorization")?.[0] : undefined;
  if (credentials === undefined) return `address ${exchange.peerAddress}`;
  return `credentials ${createHash("sha256").update(credentials).digest("base64")}`;
}
