/** From `tls` sections to Node's TLS options: files, versions, suites, the system's trust store. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { ConnectionOptions, SecureContext, SecureContextOptions, TlsOptions } from "node:tls";
import type { Secret } from "../config/fields.ts";
import type { ClientTlsConfig, ServerTlsConfig } from "../config/fragments/tls.ts";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";

/** Loaded by the first who needs it: 5 ms less at start. */
export const nodeTls = () => process.getBuiltinModule("node:tls");

type CommonTls = Omit<
  ClientTlsConfig,
  "insecure" | "insecure_skip_verify" | "server_name_override"
>;

/** Options of a TLS server; reads the files, throws CONFIG_INVALID for what cannot be read or used. */
export function serverTlsOptions(tls: ServerTlsConfig): TlsOptions {
  const isMutual = tls.client_ca_file !== "";
  const options = {
    ...contextOptions(tls),
    ...(isMutual ? { ca: [readPem("client_ca_file", tls.client_ca_file)] } : {}),
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
  };
  secureContextOf(options);
  return options;
}

/** Throws CONFIG_INVALID for files and values that do not go together. */
export function secureContextOf(options: SecureContextOptions): SecureContext {
  try {
    return nodeTls().createSecureContext(options);
  } catch (error) {
    throw invalid(causeText(error), error);
  }
}

/** Options of a TLS connection; read anew for each, so that exchanged files are taken by the next one. */
export function clientTlsOptions(tls: ClientTlsConfig): ConnectionOptions {
  const own =
    tls.ca_file !== "" || tls.ca_pem !== undefined
      ? [pem("ca_file", tls.ca_file, tls.ca_pem)!]
      : [];
  const usesSystem = own.length === 0 || tls.include_system_ca_certs_pool;
  return {
    ...contextOptions(tls),
    ca: [...own, ...(usesSystem ? systemCertificates() : [])],
    rejectUnauthorized: !tls.insecure_skip_verify,
    ...(tls.server_name_override === "" ? {} : { servername: tls.server_name_override }),
  };
}

function contextOptions(tls: CommonTls): SecureContextOptions {
  const cert = pem("cert_file", tls.cert_file, tls.cert_pem);
  const key = pem("key_file", tls.key_file, tls.key_pem);
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    minVersion: tls.min_version === "" ? "TLSv1.2" : versionName(tls.min_version),
    maxVersion: tls.max_version === "" ? "TLSv1.3" : versionName(tls.max_version),
    ...(tls.cipher_suites.length === 0
      ? {}
      : { ciphers: tls.cipher_suites.map(opensslSuite).join(":") }),
    ...(tls.curve_preferences.length === 0
      ? {}
      : { ecdhCurve: tls.curve_preferences.map(opensslCurve).join(":") }),
  };
}

const versionName = (version: "1.0" | "1.1" | "1.2" | "1.3") =>
  version === "1.0" ? "TLSv1" : (`TLSv${version}` as const);

/** TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 -> ECDHE-RSA-AES128-GCM-SHA256; OpenSSL's own names pass. */
function opensslSuite(name: string): string {
  if (!name.includes("_WITH_")) return name;
  const [exchange = "", cipher = ""] = name.replace(/^TLS_/u, "").split("_WITH_");
  const short = cipher
    .replaceAll("_", "-")
    .replace(/^AES-(\d+)/u, "AES$1")
    .replace("CHACHA20-POLY1305-SHA256", "CHACHA20-POLY1305")
    .replace("-CBC-SHA", "-SHA");
  return exchange === "RSA" ? short : `${exchange.replaceAll("_", "-")}-${short}`;
}

const curves: Readonly<Record<string, string>> = {
  P256: "prime256v1",
  P384: "secp384r1",
  P521: "secp521r1",
};
const opensslCurve = (name: string) => curves[name] ?? name;

function pem(key: string, file: string, text: Secret | undefined): string | undefined {
  if (text !== undefined) return text.reveal();
  return file === "" ? undefined : readPem(key, file);
}

function readPem(key: string, file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw invalid(`cannot read ${key} ${file}: ${causeText(error)}`, error);
  }
  // OpenSSL takes an empty file for no certificate at all; it is one that is being written.
  if (text.includes("-----BEGIN ")) return text;
  throw invalid(`no PEM data in ${key} ${file}`);
}

const invalid = (text: string, cause?: unknown) =>
  new TelemetryError("CONFIG_INVALID", `failed to load TLS config: ${text}`, { cause });

/** Where Linux distributions keep their bundle; the order is Go's (crypto/x509/root_linux.go). */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

let system: { readonly key: string; readonly certificates: readonly string[] } | undefined;

/**
 * The system's trust store, in effect as Go finds it: SSL_CERT_FILE replaces the bundle and SSL_CERT_DIR the
 * directories. The usual directories hold what the usual bundle holds, so one of the two joins it, and only both
 * replace it.
 */
function systemCertificates(): readonly string[] {
  const { SSL_CERT_FILE: file = "", SSL_CERT_DIR: directories = "" } = process.env;
  const key = `${file}\n${directories}`;
  if (system?.key === key) return system.certificates;
  const isReplaced = file !== "" && directories !== "";
  const usual = isReplaced ? [] : usualCertificates();
  const found = [...new Set([...namedCertificates(file, directories), ...usual])];
  system = { key, certificates: found };
  return found;
}

function namedCertificates(file: string, directories: string): string[] {
  const fromFile = file === "" ? [] : [readPem("SSL_CERT_FILE", file)];
  const files = directories
    .split(":")
    .filter((directory) => directory !== "")
    .flatMap((directory) => namesIn(directory).map((name) => join(directory, name)));
  return [...fromFile, ...files.flatMap((path) => readIfCertificate(path))];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw new TelemetryError(
      "CONFIG_INVALID",
      `cannot read SSL_CERT_DIR ${directory}: ${causeText(error)}`,
      { cause: error },
    );
  }
}

function usualCertificates(): readonly string[] {
  for (const bundle of bundles) {
    const found = readIfCertificate(bundle);
    if (found.length > 0) return found;
  }
  return nodeTls().getCACertificates("default");
}

/** Directories hold links, keys and other files beside certificates: what is none is passed over, as in Go. */
function readIfCertificate(path: string): string[] {
  try {
    const text = readFileSync(path, "utf8");
    return text.includes("-----BEGIN CERTIFICATE-----") ? [text] : [];
  } catch {
    return [];
  }
}
