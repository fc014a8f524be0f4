/** Keys that the gRPC and HTTP clients share: additional headers, authentication. */
import { optionalSection, type Secret, secret, section, z } from "../fields.ts";

/** Header name and value, in the order of the config. */
export type ClientHeaders = readonly (readonly [name: string, value: Secret])[];

const headerList = z.array(
  section({
    name: z.string().describe("Name of the header."),
    value: secret().describe("Its value."),
  }),
);

/** A map, or a list of {name, value}; the values are never shown. */
export function clientHeaders() {
  return z
    .union([z.record(z.string(), secret()), headerList])
    .transform((value): ClientHeaders => {
      if (!Array.isArray(value)) return Object.entries(value);
      return value.map((entry) => [entry.name, entry.value] as const);
    })
    .prefault({});
}

/** The `auth` section of a client. */
export function clientAuth() {
  return optionalSection(
    "none",
    section({
      authenticator: z.string().describe("Id of the extension that signs requests."),
    }),
  );
}

export type ClientAuth = z.output<ReturnType<typeof clientAuth>>;
