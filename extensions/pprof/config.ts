/** Config of the pprof extension; keys as upstream (contrib extension/pprofextension). */
import { accepted, duration, int, section, z } from "../../src/config/fields.ts";
import { checkServerEndpoint } from "../../src/config/fragments/server-endpoint.ts";

const goOnly = "a profile of Go's runtime; V8 has no counterpart";

export const config = section({
  endpoint: z.string().default("localhost:1777").describe("Where to listen, as host:port."),
  dialer: accepted(
    section({ timeout: duration().optional().describe("Time to connect.") }),
    "the endpoint only listens",
  ).describe("Settings of outgoing connections."),
  block_profile_fraction: accepted(int(), goOnly).describe("Share of blocking events sampled."),
  mutex_profile_fraction: accepted(int(), goOnly).describe("Share of lock contentions sampled."),
  save_to_file: z
    .string()
    .default("")
    .describe("File for a CPU profile from start to shutdown, at most an hour; empty: none."),
}).superRefine(checkServerEndpoint);

export type PprofConfig = z.output<typeof config>;
