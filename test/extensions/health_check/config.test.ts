import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { factory } from "../../../extensions/health_check/factory.ts";
import { httpTestServer } from "../../support/http-listen.ts";
import { testSettings } from "../../support/settings.ts";

/** Upstream's own cases: contrib extension/healthcheckextension/testdata/config.yaml. */
const file = join(
  __dirname,
  "../../testdata/collector/component-config/healthcheckextension/config.yaml",
);
const cases = z.record(z.string(), z.unknown()).parse(parse(readFileSync(file, "utf8")));

const messagesOf = (input: unknown) =>
  factory.config.safeParse(input ?? {}).error?.issues.map(({ message }) => message);

describe("upstream's cases", () => {
  test.each([
    ["health_check", undefined],
    ["health_check/1", undefined],
    ["health_check/response-body", undefined],
    ["health_check/missingendpoint", ["bad config: endpoint must be specified"]],
    [
      "health_check/invalidthreshold",
      ["bad config: exporter_failure_threshold expects a positive number"],
    ],
    ["health_check/invalidpath", ["bad config: path must start with /"]],
  ])("%s says %j", (id, messages) => {
    expect(messagesOf(cases[id])).toEqual(messages);
  });
});

test.each(["use_v2", "http", "grpc", "component_health"] as const)("%s is refused", (key) => {
  expect(z.globalRegistry.get(factory.config.shape[key])).toMatchObject({ effect: "refused" });
});

test("an authenticator that does not exist is an error: the endpoint never stands open", () => {
  const config = factory.config.parse({ auth: { authenticator: "basic_auth" } });
  expect(() => factory.create({ config, settings: testSettings() })).toThrow(
    'failed to resolve authenticator "basic_auth": authenticator not found',
  );
});

test("an unknown key is an error", () => {
  expect(messagesOf({ pth: "/" })).toHaveLength(1);
});

test("answers on its path once started, and shuts down twice and without start", async () => {
  const server = httpTestServer();
  const settings = testSettings({ id: "health_check", listen: server.listen });
  const config = factory.config.parse({ path: "/health/status", response_body: { healthy: "up" } });
  const health = factory.create({ config, settings });
  const abort = AbortSignal.timeout(1000);
  await health.shutdown?.(abort);
  await health.start?.();
  expect(server.spec()).toMatchObject({ kind: "http", endpoint: "localhost:13133" });
  expect(await (await fetch(`${server.url()}/health/status`)).text()).toBe("up");
  expect((await fetch(server.url())).status).toBe(404);
  await health.shutdown?.(abort);
  await health.shutdown?.(abort);
  await expect(fetch(server.url())).rejects.toThrow("fetch failed");
});
