import type { Settings } from "../../src/component.ts";
import { defineReceiver } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import type { Authenticate, Listener, ServerSpec } from "../../src/transport.ts";
import { config } from "./config.ts";
import { grpcServerSpec } from "./grpc.ts";
import { httpServerSpec } from "./http.ts";

/** What an auth extension offers to servers. */
interface ServerAuthenticator {
  readonly authenticate: Authenticate;
}

export const factory = defineReceiver({
  type: "otlp",
  stability: { traces: "stable", metrics: "stable", logs: "stable" },
  summary: "Receives OTLP over gRPC and HTTP, protobuf and JSON.",
  config,
  example: { protocols: { grpc: {}, http: {} } },
  create: ({ config: { protocols }, next, settings }) => {
    const specs: ServerSpec[] = [];
    const { grpc, http } = protocols;
    if (grpc !== undefined)
      specs.push(grpcServerSpec(grpc, next, authenticatorOf(grpc.auth, settings)));
    if (http !== undefined)
      specs.push(httpServerSpec(http, next, authenticatorOf(http.auth, settings), settings.budget));
    const listeners: Listener[] = [];
    return {
      async start() {
        for (const spec of specs) listeners.push(await settings.listen(spec));
      },
      async shutdown(abort) {
        await Promise.all(listeners.splice(0).map((listener) => listener.close(abort)));
      },
    };
  },
});

function authenticatorOf(
  auth: { authenticator: string } | undefined,
  settings: Settings,
): Authenticate | undefined {
  if (auth === undefined) return undefined;
  const offered = settings.use(auth.authenticator) as Partial<ServerAuthenticator> | undefined;
  if (offered?.authenticate === undefined) {
    throw new TelemetryError(
      "CONFIG_INVALID",
      `failed to resolve authenticator "${auth.authenticator}": authenticator not found`,
    );
  }
  return offered.authenticate;
}
