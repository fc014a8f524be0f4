import { expect, test } from "@jest/globals";
import { factory } from "../../../exporters/nop/factory.ts";
import { logsPayload } from "../../support/payloads.ts";
import { testSettings } from "../../support/settings.ts";

test("it takes everything", async () => {
  const exporter = factory.create({ config: {}, signals: ["logs"], settings: testSettings() });
  const never = new AbortController().signal;
  await expect(exporter.push(logsPayload(["a"]), { receivedMs: 0 }, never)).resolves.toEqual({});
});

test("it has no keys", () => {
  expect(factory.config.safeParse({}).success).toBe(true);
  expect(factory.config.safeParse({ key: 1 }).success).toBe(false);
});
