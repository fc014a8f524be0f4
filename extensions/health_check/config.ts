/** Config of the health_check extension; keys as upstream (contrib extension/healthcheckextension). */
import {
  accepted,
  duration,
  int,
  optionalSection,
  refused,
  section,
  z,
} from "../../src/config/fields.ts";
import { httpServer } from "../../src/config/fragments/http-server.ts";
import { checkServerEndpoint } from "../../src/config/fragments/server-endpoint.ts";

const noPipelineCheck = "failing exporters do not make the service unhealthy";
const version2 = "version 2 of this extension is not built; see zpages for the state of components";

const pipelineCheck = section({
  enabled: z.boolean().optional().describe("Fail when exporters fail."),
  interval: duration().optional().describe("Period in which failures are counted."),
  exporter_failure_threshold: int().optional().describe("Failures that count as unhealthy."),
});

const responseBody = section({
  healthy: z.string().default("").describe("Body while the service runs."),
  unhealthy: z.string().default("").describe("Body before and after."),
});

export const config = section({
  ...httpServer("localhost:13133").shape,
  path: z.string().default("/").describe("Path that answers."),
  response_body: optionalSection("none", responseBody).describe(
    "Bodies instead of the JSON status.",
  ),
  check_collector_pipeline: accepted(pipelineCheck, noPipelineCheck).describe(
    "Health by the exporters' failures.",
  ),
  use_v2: refused(version2).describe("Version 2 of the extension."),
  http: refused(version2).describe("Version 2 over HTTP."),
  grpc: refused(version2).describe("Version 2 over gRPC."),
  component_health: refused(version2).describe("Version 2's rules per component."),
}).superRefine((value, context) => {
  const fail = (message: string, ...path: string[]) =>
    context.addIssue({ code: "custom", message: `bad config: ${message}`, path });
  if (value.endpoint === "") fail("endpoint must be specified", "endpoint");
  else checkServerEndpoint(value, context);
  if (!value.path.startsWith("/")) fail("path must start with /", "path");
  const threshold = value.check_collector_pipeline?.exporter_failure_threshold;
  if (threshold !== undefined && threshold <= 0) {
    const path = ["check_collector_pipeline", "exporter_failure_threshold"];
    fail("exporter_failure_threshold expects a positive number", ...path);
  }
});
