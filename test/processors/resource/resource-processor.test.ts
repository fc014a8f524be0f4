import { describe, expect, test } from "@jest/globals";
import { factory } from "../../../processors/resource/factory.ts";
import type { Context, Payload, Signal } from "../../../src/component.ts";
import { createPayload, signals } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { decodeConfig } from "../../support/decode-config.ts";
import { flattenPayload } from "../../support/otlp-flatten.ts";
import { objectOf, payloadOf } from "../../support/otlp-objects.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { testSettings } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };

function processor(attributes: object[], signal: Signal) {
  const settings = testSettings();
  const config = factory.config.parse({ attributes });
  const instance = factory.create({ config, signal, settings });
  if (!("transform" in instance)) throw new Error("not a transform");
  return (payload: Payload, of: Context = context) => instance.transform(payload, of);
}

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const record = { severityText: "a", attributes: [text("zone", "of the record")] };

test("changes resources and nothing else", () => {
  const run = processor(
    [
      { key: "zone", value: "zone-1", action: "upsert" },
      { key: "k8s.cluster.name", from_attribute: "k8s-cluster", action: "insert" },
      { key: "redundant", action: "delete" },
    ],
    "logs",
  );
  const request = {
    resourceLogs: [
      {
        resource: {
          attributes: [text("k8s-cluster", "c"), text("redundant", "x")],
          droppedAttributesCount: 3,
        },
        scopeLogs: [{ scope: { name: "s" }, logRecords: [record] }],
        schemaUrl: "url",
      },
    ],
  };
  for (let sight = 0; sight < 2; sight++) {
    expect(objectOf(run(payloadOf("logs", request)))).toEqual({
      resourceLogs: [
        {
          resource: {
            attributes: [
              text("k8s-cluster", "c"),
              text("zone", "zone-1"),
              text("k8s.cluster.name", "c"),
            ],
            droppedAttributesCount: 3,
          },
          scopeLogs: [{ scope: { name: "s" }, logRecords: [record] }],
          schemaUrl: "url",
        },
      ],
    });
  }
});

test("an absent resource gets the attributes", () => {
  const payload = payloadOf("logs", { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
  const result = processor([{ key: "a", value: 1, action: "insert" }], "logs")(payload);
  expect(JSON.stringify(objectOf(result))).toContain(
    '"resource":{"attributes":[{"key":"a","value":{"intValue":"1"}}]}',
  );
});

test("takes values from the request's metadata", () => {
  const run = processor(
    [{ key: "tenant", from_context: "metadata.x-tenant", action: "upsert" }],
    "logs",
  );
  const payload = payloadOf("logs", { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
  const tenants = ["a", "b"].map((tenant) => {
    const metadata = new Map([["x-tenant", [tenant]]]);
    return JSON.stringify(objectOf(run(payload, { receivedMs: 0, metadata })));
  });
  expect(tenants.map((json) => /"stringValue":"([ab])"/u.exec(json)?.[1])).toEqual(["a", "b"]);
  expect(run(payload)).toBe(payload);
});

describe.each(signals)("random %s", (signal) => {
  test("items, scopes and the count stay; the input is not written to", () => {
    const run = processor([{ key: "added", value: "v", action: "upsert" }], signal);
    for (let seed = 0; seed < 100; seed++) {
      const bytes = randomRequest(signal, seed, { order: "shuffled", unknown: true });
      const payload = createPayload(signal, [bytes], [verify(signal, bytes)]);
      const before = Buffer.from(bytes);
      const result = run(payload);
      expect(result?.itemCount ?? 0).toBe(payload.itemCount);
      const inner = (of: Payload | undefined) =>
        of === undefined
          ? []
          : flattenPayload(of).map(({ scope, metric, item }) => ({ scope, metric, item }));
      expect(inner(result)).toEqual(inner(payload));
      expect(Buffer.from(bytes).equals(before)).toBe(true);
      if (result !== undefined) {
        expect(result.parts.map((part) => verify(signal, part))).toEqual([...result.partItems]);
      }
    }
  });
});

test("needs at least one action, and each must be right", () => {
  expect(decodeConfig(factory.config, "{}").problems.join()).toContain(
    `missing required field "attributes"`,
  );
  expect(
    decodeConfig(factory.config, "attributes: [{key: a, action: x}]").problems.join(),
  ).toContain(`error creating AttrProc due to unsupported action "x"`);
});
