import { expect, test } from "@jest/globals";
import { parse } from "yaml";
import { secret, section, z } from "../../../src/config/fields.ts";
import { printConfig } from "../../../src/config/redact.ts";
import { registryOf, stubFactory } from "../../support/nop-registry.ts";
import { load } from "./support.ts";

const registry = registryOf([
  stubFactory("exporter", {
    type: "otlp_http",
    config: section({
      endpoint: z.string().optional(),
      headers: z.record(z.string(), secret()).default({}),
      dsn: secret().optional(),
    }),
  }),
]);

const text = `
exporters:
  otlp_http:
    endpoint: https://user:hunter2@host/
    headers: {x: hunter2, y: '\${T}'}
    dsn: hunter2
  unknown: {api_key: hunter2, password: {a: hunter2}, retries: 5, passwords: 7, big: 12345678901234567890}
`;
const { root } = load(text, { T: "hunter2" });

test.each(["yaml", "json"] as const)(
  "secrets are hidden in %s, by schema and by key",
  async (format) => {
    const shown = await printConfig(root, { mode: "redacted", format, registry });
    expect(shown).not.toContain("hunter2");
    expect(parse(shown)).toMatchObject({
      exporters: {
        otlp_http: {
          endpoint: "https://[REDACTED]@host/",
          headers: { x: "[REDACTED]", y: "[REDACTED]" },
          dsn: "[REDACTED]",
        },
        unknown: { api_key: "[REDACTED]", password: { a: "[REDACTED]" }, retries: 5 },
      },
    });
  },
);

test("unredacted output is the expanded configuration", async () => {
  const shown = await printConfig(root, { mode: "unredacted", format: "yaml", registry });
  expect(parse(shown, { intAsBigInt: true })).toMatchObject({
    exporters: {
      otlp_http: {
        endpoint: "https://user:hunter2@host/",
        headers: { x: "hunter2", y: "hunter2" },
      },
      unknown: { retries: 5n, big: 12345678901234567890n },
    },
  });
});
