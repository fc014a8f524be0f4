/** Config of the bearer_token_auth extension; keys and texts as upstream (contrib extension/bearertokenauthextension). */
import { refused, secret, section, z } from "../../src/config/fields.ts";

/** RFC 9110, 5.1. */
const headerName = /^[\w!#$%&'*+.^`|~-]+$/u;

const notWaiting = "the start fails while `filename` cannot be read; start the service again then";

export const config = section({
  header: z
    .string()
    .regex(headerName, "header must be the name of a header")
    .default("Authorization")
    .describe("Header that carries the token."),
  scheme: z
    .string()
    .default("Bearer")
    .describe("Word before the token; empty: the token stands alone."),
  token: secret().optional().describe("The token."),
  tokens: z
    .array(secret())
    .default([])
    .describe("Tokens, each of which is accepted; the first is the one that is sent."),
  filename: z
    .string()
    .default("")
    .describe("File with a token a line; read again when it changes. Counts more than the others."),
  retry_on_failure: refused(notWaiting).describe("Trying again to read the file at start."),
  wait_for_token_file: refused(notWaiting).describe("Waiting for the file at start."),
}).superRefine((value, context) => {
  const fail = (message: string) => context.addIssue({ code: "custom", message });
  const token = value.token?.reveal() ?? "";
  if (token === "" && value.tokens.length === 0 && value.filename === "") {
    fail("no bearer token provided");
  }
  if (token !== "" && value.tokens.length > 0) {
    fail("either tokens or token should be provided, not both");
  }
  if (value.tokens.some((one) => one.reveal() === "")) fail("an empty token would admit everybody");
});
