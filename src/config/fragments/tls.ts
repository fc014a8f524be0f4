/** The `tls` sections (configtls): the same keys for servers and clients, and what each adds. */
import { durationWithDefault, refused, secret, section, z } from "../fields.ts";

const versions = ["1.0", "1.1", "1.2", "1.3"] as const;

/** A version, empty for the default; its mistake is told as the Collector does. */
const version = (key: string) =>
  z
    .enum(["", ...versions], {
      error: ({ input }) => `invalid TLS ${key}: unsupported TLS version: ${JSON.stringify(input)}`,
    })
    .default("");

const common = {
  ca_file: z
    .string()
    .default("")
    .describe("File with the certificates that sign the other side's."),
  ca_pem: secret().optional().describe("The same as text."),
  include_system_ca_certs_pool: z
    .boolean()
    .default(false)
    .describe("Trust the system's certificates beside ca_file."),
  cert_file: z.string().default("").describe("File with the own certificate (and its chain)."),
  cert_pem: secret().optional().describe("The same as text."),
  key_file: z.string().default("").describe("File with the own key."),
  key_pem: secret().optional().describe("The same as text."),
  min_version: version("min_version").describe("Lowest TLS version; empty: 1.2."),
  max_version: version("max_version").describe("Highest TLS version; empty: 1.3."),
  cipher_suites: z
    .array(z.string())
    .default([])
    .describe("Names of the allowed TLS 1.2 suites, as Go or OpenSSL write them."),
  curve_preferences: z.array(z.string()).default([]).describe("Key exchange curves, best first."),
  reload_interval: durationWithDefault("0s").describe(
    "Read certificate and key files again after this; 0: never.",
  ),
  tpm: refused("keys in a TPM cannot be used from Node"),
};

function checkPairs(
  value: {
    ca_file: string;
    ca_pem?: unknown;
    cert_file: string;
    cert_pem?: unknown;
    key_file: string;
    key_pem?: unknown;
    min_version: string;
    max_version: string;
  },
  context: z.RefinementCtx,
): void {
  const complain = (message: string) => context.addIssue({ code: "custom", message });
  if (value.ca_file !== "" && value.ca_pem !== undefined)
    complain("provide either a CA file or the PEM-encoded string, but not both");
  const hasCert = value.cert_file !== "" || value.cert_pem !== undefined;
  const hasKey = value.key_file !== "" || value.key_pem !== undefined;
  if (value.cert_file !== "" && value.cert_pem !== undefined)
    complain("provide either certificate file or PEM, but not both");
  if (value.key_file !== "" && value.key_pem !== undefined)
    complain("provide either key file or PEM, but not both");
  if (hasCert !== hasKey)
    complain(
      "TLS configuration must include both certificate and key (CertFile/CertPem and KeyFile/KeyPem)",
    );
  if (
    value.min_version !== "" &&
    value.max_version !== "" &&
    value.max_version < value.min_version
  ) {
    complain("invalid TLS configuration: min_version cannot be greater than max_version");
  }
}

export const serverTls = section({
  ...common,
  client_ca_file: z
    .string()
    .default("")
    .describe("Clients must show a certificate signed by one of these (mTLS)."),
  client_ca_file_reload: z
    .boolean()
    .default(false)
    .describe("Read client_ca_file again when it changes."),
}).superRefine((value, context) => {
  checkPairs(value, context);
  if (value.cert_file === "" && value.cert_pem === undefined) {
    context.addIssue({
      code: "custom",
      message: "TLS configuration must include both certificate and key for server connections",
    });
  }
});

export const clientTls = section({
  ...common,
  insecure: z.boolean().default(false).describe("Clear text instead of TLS."),
  insecure_skip_verify: z.boolean().default(false).describe("Accept any certificate. For tests."),
  server_name_override: z
    .string()
    .default("")
    .describe("Name to ask for and to verify, instead of the endpoint's host."),
}).superRefine(checkPairs);

export type ServerTlsConfig = z.output<typeof serverTls>;
export type ClientTlsConfig = z.output<typeof clientTls>;
