import { defineReceiver } from "../../src/component.ts";
import { serverAuthenticate } from "../../src/net/server-auth.ts";
import type { Listener, ServerSpec } from "../../src/transport.ts";
import { config } from "./config.ts";
import { grpcServerSpec } from "./grpc.ts";
import { httpServerSpec } from "./http.ts";

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
      specs.push(grpcServerSpec(grpc, next, serverAuthenticate(grpc.auth, settings)));
    if (http !== undefined)
      specs.push(
        httpServerSpec(http, next, serverAuthenticate(http.auth, settings), settings.budget),
      );
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
