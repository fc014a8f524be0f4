/** Config of the zpages extension; keys as upstream (core extension/zpagesextension). */
import { accepted, section, z } from "../../src/config/fields.ts";
import { httpServer } from "../../src/config/fragments/http-server.ts";
import { checkServerEndpoint } from "../../src/config/fragments/server-endpoint.ts";

const expvar = section({
  enabled: z.boolean().optional().describe("Serve the variables."),
});

export const config = section({
  ...httpServer("localhost:55679").shape,
  expvar: accepted(expvar, "there are no Go variables; see servicez").describe(
    "Go's published variables.",
  ),
}).superRefine((value, context) => {
  if (value.endpoint !== "") return checkServerEndpoint(value, context);
  const message = '"endpoint" is required when using the "zpages" extension';
  context.addIssue({ code: "custom", message, path: ["endpoint"] });
});
