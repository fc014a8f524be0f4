/** Config of the basic_auth extension; keys and texts as upstream (contrib extension/basicauthextension). */
import { optionalSection, refused, secret, section, z } from "../../src/config/fields.ts";

const secretProvider = refused("extensions that provide secrets do not exist in this version");

const htpasswd = section({
  file: z.string().default("").describe("Path of an htpasswd file; read again when it changes."),
  inline: secret()
    .optional()
    .describe("The lines of such a file; of equal names they count more than the file's."),
  secret_provider: secretProvider.describe("Extension that provides the entries."),
}).describe("Checks the clients of a server.");

const clientAuth = section({
  username: z.string().default("").describe("Name that is sent."),
  username_file: z.string().default("").describe("File with the name; counts more than username."),
  password: secret().optional().describe("Password that is sent."),
  password_file: z
    .string()
    .default("")
    .describe("File with the password; counts more than password."),
  secret_provider: secretProvider.describe("Extension that provides name and password."),
}).describe("Signs the requests of an exporter.");

export const config = section({
  htpasswd: optionalSection("none", htpasswd).describe("Checks the clients of a server."),
  client_auth: optionalSection("none", clientAuth).describe("Signs the requests of an exporter."),
}).superRefine((value, context) => {
  if (value.htpasswd !== undefined && value.client_auth !== undefined) {
    const message = "only one of `htpasswd` or `client_auth` can be specified";
    context.addIssue({ code: "custom", message });
  }
  const { file = "", inline } = value.htpasswd ?? {};
  const hasEntries = file !== "" || (inline?.reveal() ?? "") !== "";
  if (!hasEntries && value.client_auth === undefined) {
    context.addIssue({ code: "custom", message: "no credential source provided" });
  }
});

export type BasicAuthConfig = z.output<typeof config>;
export type ClientAuthConfig = NonNullable<BasicAuthConfig["client_auth"]>;
export type HtpasswdConfig = NonNullable<BasicAuthConfig["htpasswd"]>;
