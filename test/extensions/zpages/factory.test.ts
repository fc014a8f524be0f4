import { expect, test } from "@jest/globals";
import { factory } from "../../../extensions/zpages/factory.ts";
import { httpTestServer } from "../../support/http-listen.ts";
import { testSettings } from "../../support/settings.ts";

test("serves its pages on localhost:55679, and shuts down twice and without start", async () => {
  const server = httpTestServer();
  const settings = testSettings({ id: "zpages", listen: server.listen });
  const zpages = factory.create({ config: factory.config.parse({}), settings });
  const abort = AbortSignal.timeout(1000);
  await zpages.shutdown?.(abort);
  await zpages.start?.();
  expect(server.spec()).toMatchObject({ kind: "http", endpoint: "localhost:55679" });
  expect(await (await fetch(`${server.url()}/debug/servicez`)).text()).toContain("Ready");
  await zpages.shutdown?.(abort);
  await zpages.shutdown?.(abort);
  await expect(fetch(server.url())).rejects.toThrow("fetch failed");
});

test.each([
  [{ expvar: { enabled: true } }, undefined],
  [{ endpoint: "" }, ['"endpoint" is required when using the "zpages" extension']],
  [{ expvar: { on: true } }, ['Unrecognized key: "on"']],
])("config %j says %j", (input, messages) => {
  const issues = factory.config.safeParse(input).error?.issues;
  expect(issues?.map(({ message }) => message)).toEqual(messages);
});
