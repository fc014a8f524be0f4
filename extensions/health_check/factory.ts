import { defineExtension, type Listener } from "../../src/component.ts";
import { httpServerSpec } from "../../src/config/fragments/http-server.ts";
import { serverAuthenticate } from "../../src/net/server-auth.ts";
import { config } from "./config.ts";
import { healthHandler } from "./health-check.ts";

export const factory = defineExtension({
  type: "health_check",
  summary: "Answers health probes: 200 while the service runs, 503 before and after.",
  stability: "beta",
  config,
  example: {},
  create({ config: parsed, settings }) {
    const authenticate = serverAuthenticate(parsed.auth, settings);
    let listener: Listener | undefined;
    return {
      async start() {
        const { service, clock } = settings;
        const routes = new Map([
          [parsed.path, healthHandler(service, clock, parsed.response_body)],
        ]);
        listener = await settings.listen({ ...httpServerSpec(parsed), authenticate, routes });
      },
      async shutdown(abort) {
        const closing = listener;
        listener = undefined;
        await closing?.close(abort);
      },
    };
  },
});
