/** Exchanged certificates of a running server: read again by interval, and when the client CA file changes. */
import { unwatchFile, watchFile } from "node:fs";
import type { TlsOptions } from "node:tls";
import type { Timer } from "../clock.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import { causeText } from "./cause.ts";
import type { ServerDeps } from "./net-server.ts";
import { serverTlsOptions } from "./tls.ts";

/** A client must have finished its TLS handshake within this. */
export const handshakeTimeoutMs = 10_000;
/** How often the client CA file is looked at. */
const watchMs = 1000;

/** What must be cancelled when the server closes; connections that stand keep their certificate. */
export function watchTlsFiles(
  tls: ServerTlsConfig,
  { clock, log }: ServerDeps,
  apply: (options: TlsOptions) => void,
): Timer[] {
  const reload = () => {
    try {
      apply(serverTlsOptions(tls));
    } catch (error) {
      log.error("Cannot read the TLS files again; the old ones stay in use.", {
        error: causeText(error),
      });
    }
  };
  const timers: Timer[] = [];
  if (tls.reload_interval > 0) timers.push(clock.every(tls.reload_interval, reload));
  if (tls.client_ca_file !== "" && tls.client_ca_file_reload) {
    watchFile(tls.client_ca_file, { interval: watchMs, persistent: false }, reload);
    timers.push({ cancel: () => unwatchFile(tls.client_ca_file, reload) });
  }
  return timers;
}
