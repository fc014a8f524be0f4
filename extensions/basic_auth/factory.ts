import { defineExtension } from "../../src/component.ts";
import { config } from "./config.ts";
import { clientCredentials, serverSide } from "./credentials.ts";

export const factory = defineExtension({
  type: "basic_auth",
  aliases: ["basicauth"],
  summary:
    "HTTP Basic authentication: checks the clients of servers, or signs the exporters' requests.",
  stability: "beta",
  config,
  example: { htpasswd: { inline: "name:password" } },
  create({ config: { htpasswd, client_auth: client }, settings }) {
    if (client !== undefined) return { offers: clientCredentials(client) };
    return serverSide(htpasswd!, settings);
  },
});
