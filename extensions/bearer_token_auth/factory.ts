import { defineExtension } from "../../src/component.ts";
import { Bearer } from "./bearer.ts";
import { config } from "./config.ts";
import { tokenFile } from "./token-file.ts";

export const factory = defineExtension({
  type: "bearer_token_auth",
  aliases: ["bearertokenauth"],
  summary: "Bearer tokens: checks the clients of servers and signs the exporters' requests.",
  stability: "beta",
  config,
  example: { token: "some-token" },
  create({ config: { header, scheme, token, tokens, filename }, settings }) {
    const bearer = new Bearer(header, scheme);
    if (filename === "") {
      bearer.setTokens(token === undefined ? tokens.map((one) => one.reveal()) : [token.reveal()]);
      return { offers: bearer };
    }
    if (token !== undefined || tokens.length > 0) {
      settings.log.warn("a filename is specified. Configured token(s) is ignored!");
    }
    const file = tokenFile(filename, settings, (read) => bearer.setTokens(read));
    return {
      offers: bearer,
      start() {
        file.read();
        file.watch();
        return Promise.resolve();
      },
      shutdown() {
        file.close();
        return Promise.resolve();
      },
    };
  },
});
