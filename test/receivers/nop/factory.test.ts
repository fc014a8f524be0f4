import { expect, test } from "@jest/globals";
import { factory } from "../../../receivers/nop/factory.ts";
import { testSettings } from "../../support/settings.ts";

test("it exists and does nothing", () => {
  expect(factory.create({ config: {}, next: {}, settings: testSettings() })).toEqual({});
});

test("it has no keys", () => {
  expect(factory.config.safeParse({}).success).toBe(true);
  expect(factory.config.safeParse({ key: 1 }).success).toBe(false);
});
