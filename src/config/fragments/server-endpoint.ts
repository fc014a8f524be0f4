/**
 * The check of `endpoint` of a server. The Collector finds these mistakes when it listens, with the same text; here
 * `validate` does.
 */
import type { z } from "../fields.ts";
import { listenAddress } from "./host-port.ts";

interface ServerAddress {
  readonly endpoint: string;
  /** tcp where a component has no such key. */
  readonly transport?: string;
}

/** Adds an issue at `endpoint` for one that cannot be listened on. For superRefine of a server's section. */
export function checkServerEndpoint(
  { endpoint, transport = "tcp" }: ServerAddress,
  context: z.RefinementCtx,
): void {
  const problem = problemOf(endpoint, transport);
  if (problem === undefined) return;
  const message = `listen ${transport}: ${problem}`;
  const params = { hint: hintOf(transport) };
  context.addIssue({ code: "custom", message, path: ["endpoint"], params });
}

function problemOf(endpoint: string, transport: string): string | undefined {
  if (endpoint === "") return "missing address";
  if (transport === "unix") return undefined;
  const address = listenAddress(endpoint);
  return typeof address === "string" ? address : undefined;
}

const hintOf = (transport: string) =>
  transport === "unix"
    ? "an endpoint of transport unix is the path of a socket"
    : "an endpoint is host:port, without a scheme, such as localhost:4318 or 0.0.0.0:4318";
