import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { detailedLines } from "../../../exporters/debug/detailed.ts";
import { messageFromJson } from "../../../src/pdata/json/decode.ts";
import { requestMessages } from "../../../src/pdata/otlp-schema.ts";
import { createPayload, type Signal } from "../../../src/pdata/payload.ts";

/** Origin: opentelemetry-collector@934999f exporter/debugexporter/internal/otlptext/testdata, copied. */
const goldens = join(__dirname, "../../testdata/collector/debug-exporter");

function textOf(signal: Signal, json: string): string {
  const bytes = messageFromJson(requestMessages[signal], Buffer.from(json));
  const lines: string[] = [];
  for (const _ of detailedLines(createPayload(signal, [bytes], [0]), lines));
  return lines.map((line) => `${line}\n`).join("");
}

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const map = (values: unknown[]) => ({ kvlistValue: { values } });
const entityResource = {
  attributes: [
    text("service.name", "my-service"),
    text("service.version", "1.0.0"),
    text("host.name", "server-01"),
  ],
  entityRefs: [
    {
      type: "service",
      schemaUrl: "https://opentelemetry.io/schemas/1.21.0",
      idKeys: ["service.name"],
      descriptionKeys: ["service.version"],
    },
    { type: "host", idKeys: ["host.name"] },
  ],
};
const scope = { name: "test-scope" };
const recordTime = "1581452773000000789";

/** Inputs of the goldens that come without one. */
const inputs: Readonly<Record<string, unknown>> = {
  "metrics/invalid_metric_type": {
    resourceMetrics: [
      {
        resource: { attributes: [text("resource-attr", "resource-attr-val-1")] },
        scopeMetrics: [{ metrics: [{ name: "sum-int", unit: "1" }] }],
      },
    ],
  },
  "metrics/metrics_with_entity_refs": {
    resourceMetrics: [
      {
        resource: entityResource,
        scopeMetrics: [
          {
            scope,
            metrics: [
              {
                name: "test-metric",
                description: "A test metric",
                unit: "1",
                gauge: {
                  dataPoints: [
                    { asDouble: 123.45, attributes: [text("test.attribute", "test-value")] },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  },
  "metrics/metrics_with_metadata": {
    resourceMetrics: [
      {
        resource: { attributes: [text("service.name", "test-service")] },
        scopeMetrics: [
          {
            scope,
            metrics: [
              {
                name: "test-metric-metadata",
                description: "A test metric with metadata",
                unit: "1",
                metadata: [
                  text("meta.key", "meta-value"),
                  { key: "meta.id", value: { intValue: 101 } },
                ],
                gauge: { dataPoints: [{ asInt: 1 }] },
              },
            ],
          },
        ],
      },
    ],
  },
  "logs/embedded_maps": {
    resourceLogs: [
      {
        scopeLogs: [
          {
            logRecords: [
              {
                timeUnixNano: recordTime,
                severityNumber: 9,
                severityText: "INFO",
                body: map([
                  { key: "key2", value: map([text("key21", "val21"), text("key22", "val22")]) },
                  text("key1", "val1"),
                ]),
                attributes: [
                  {
                    key: "key1",
                    value: map([
                      text("key11", "val11"),
                      text("key12", "val12"),
                      { key: "key13", value: map([text("key131", "val131")]) },
                    ]),
                  },
                  text("key2", "val2"),
                ],
              },
            ],
          },
        ],
      },
    ],
  },
  "logs/log_with_event_name": {
    resourceLogs: [
      {
        scopeLogs: [
          {
            logRecords: [
              {
                timeUnixNano: recordTime,
                severityNumber: 9,
                severityText: "Info",
                eventName: "event_name",
                body: { stringValue: "This is a log message" },
                attributes: [
                  text("app", "server"),
                  { key: "instance_num", value: { intValue: 1 } },
                ],
                traceId: "08040201000000000000000000000000",
                spanId: "0102040800000000",
              },
            ],
          },
        ],
      },
    ],
  },
  "logs/logs_with_entity_refs": {
    resourceLogs: [
      {
        resource: entityResource,
        scopeLogs: [
          {
            scope,
            logRecords: [
              {
                timeUnixNano: recordTime,
                severityNumber: 9,
                severityText: "Info",
                body: { stringValue: "This is a test log message" },
                attributes: [text("test.attribute", "test-value")],
              },
            ],
          },
        ],
      },
    ],
  },
  "traces/traces_with_entity_refs": {
    resourceSpans: [
      {
        resource: entityResource,
        scopeSpans: [
          {
            scope,
            spans: [
              {
                name: "test-span",
                traceId: "0102030405060708090a0b0c0d0e0f10",
                spanId: "0102030405060708",
              },
            ],
          },
        ],
      },
    ],
  },
};

test.each<[Signal, string]>([
  ["logs", "empty"],
  ["logs", "one_record"],
  ["logs", "two_records"],
  ["logs", "embedded_maps"],
  ["logs", "log_with_event_name"],
  ["logs", "logs_with_entity_refs"],
  ["metrics", "empty"],
  ["metrics", "two_metrics"],
  ["metrics", "metrics_with_all_types"],
  ["metrics", "invalid_metric_type"],
  ["metrics", "metrics_with_entity_refs"],
  ["metrics", "metrics_with_metadata"],
  ["traces", "empty"],
  ["traces", "two_spans"],
  ["traces", "traces_with_entity_refs"],
])("%s/%s is printed byte for byte as the Collector prints it", (signal, name) => {
  const inputPath = join(goldens, signal, `${name}.input.json`);
  const input = existsSync(inputPath)
    ? readFileSync(inputPath, "utf8")
    : JSON.stringify(inputs[`${signal}/${name}`]);
  expect(textOf(signal, input)).toBe(readFileSync(join(goldens, signal, `${name}.out`), "utf8"));
});

test("the old scope list is printed where the new one is absent", () => {
  const json = '{"resourceSpans":[{"deprecatedScopeSpans":[{"spans":[{"name":"old"}]}]}]}';
  expect(textOf("traces", json)).toContain("    Name           : old\n");
});
