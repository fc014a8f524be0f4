/** `Authorization: Basic <base64 of name:password>` (RFC 7617), checked and written. */
import { readFileSync } from "node:fs";
import type { Component, Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import type { ClientAuthenticator } from "../../src/net/client-metadata.ts";
import { WatchedFile } from "../../src/net/watched-file.ts";
import type { Metadata } from "../../src/transport.ts";
import type { ClientAuthConfig, HtpasswdConfig } from "./config.ts";
import { Htpasswd } from "./htpasswd.ts";

/** `htpasswd`: the entries as they are now. */
function serverCheck(htpasswd: () => Htpasswd) {
  return {
    async authenticate(metadata: Metadata): Promise<void> {
      const header = metadata.get("authorization")?.[0] ?? "";
      if (header === "") throw refusal("no basic auth provided");
      const scheme = "basic ";
      if (header.slice(0, scheme.length).toLowerCase() !== scheme) {
        throw refusal("invalid authorization scheme prefix");
      }
      const text = decoded(header.slice(scheme.length));
      const colon = text?.indexOf(":") ?? -1;
      if (text === undefined || colon < 0) throw refusal("invalid authorization format");
      if (await htpasswd().isValid(text.slice(0, colon), text.slice(colon + 1))) return;
      throw refusal("invalid credentials");
    },
  };
}

/** undefined: no base64 of the standard alphabet, padded. */
function decoded(base64: string): string | undefined {
  const isBase64 = base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/u.test(base64);
  return isBase64 ? Buffer.from(base64, "base64").toString("utf8") : undefined;
}

const refusal = (message: string) => new TelemetryError("UNAUTHENTICATED", message);

type Offering = Component & { readonly offers: unknown };

/**
 * The check of a server, with the Collector's texts; the file is read again when it changes.
 * Throws CONFIG_INVALID when it cannot be read or holds what cannot be checked.
 */
export function serverSide({ file, inline }: HtpasswdConfig, settings: Settings): Offering {
  const own = inline?.reveal() ?? "";
  let known = new Htpasswd(own);
  const take = (text: string) => {
    known = new Htpasswd(`${text}\n${own}`);
  };
  const offers = serverCheck(() => known);
  const texts = { file: "htpasswd file", content: "htpasswd entries" };
  const watched =
    file === "" ? undefined : new WatchedFile({ path: file, ...texts, take }, settings);
  watched?.read();
  if (known.size === 0) settings.log.warn("htpasswd has no entries: every request is refused.");
  return {
    offers,
    start() {
      watched?.watch();
      return Promise.resolve();
    },
    shutdown() {
      watched?.close();
      return Promise.resolve();
    },
  };
}

/** What exporters put into their requests; files are read anew for each, so that they may be replaced. */
export function clientCredentials(config: ClientAuthConfig): ClientAuthenticator {
  return {
    requestMetadata() {
      const { username_file: userFile, password_file: passwordFile } = config;
      const name = userFile === "" ? config.username : readLine(userFile, "username_file");
      const password =
        passwordFile === ""
          ? (config.password?.reveal() ?? "")
          : readLine(passwordFile, "password_file");
      const base64 = Buffer.from(`${name}:${password}`).toString("base64");
      return Promise.resolve({ authorization: `Basic ${base64}` });
    },
  };
}

const readLine = (path: string, what: string) => readText(path, what).trim();

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { message } = cause as Error;
    throw new TelemetryError("CONFIG_INVALID", `cannot read ${what}: ${message}`, { cause });
  }
}
