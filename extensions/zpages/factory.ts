import { defineExtension, type Listener } from "../../src/component.ts";
import { httpServerSpec } from "../../src/config/fragments/http-server.ts";
import { serverAuthenticate } from "../../src/net/server-auth.ts";
import { config } from "./config.ts";
import { zpagesRoutes } from "./zpages.ts";

export const factory = defineExtension({
  type: "zpages",
  summary: "Debug pages: what every connection carried, holds and dropped, and the last errors.",
  stability: "beta",
  config,
  example: {},
  create({ config: parsed, settings }) {
    const authenticate = serverAuthenticate(parsed.auth, settings);
    let listener: Listener | undefined;
    return {
      async start() {
        const { service, clock } = settings;
        const routes = zpagesRoutes(parsed.endpoint, service, clock);
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
