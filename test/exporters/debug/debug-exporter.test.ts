import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, test } from "@jest/globals";
import { config } from "../../../exporters/debug/config.ts";
import { DebugExporter } from "../../../exporters/debug/debug-exporter.ts";
import type { LogFields, Logger } from "../../../src/log.ts";
import { silentLogger } from "../../../src/log.ts";
import { messageFromJson } from "../../../src/pdata/json/decode.ts";
import { requestMessages } from "../../../src/pdata/otlp-schema.ts";
import { createPayload, type Payload, type Signal } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";

const context = { receivedMs: 0 };
const never = new AbortController().signal;

type Line = [message: string, fields: LogFields | undefined];

function start(input: Record<string, unknown>, clock = new FakeClock()) {
  const lines: Line[] = [];
  const log: Logger = {
    ...silentLogger,
    info: (message, fields) => void lines.push([message, fields]),
  };
  const out: string[] = [];
  const stream = (name: string) => ({ write: (text: string) => void out.push(`${name}: ${text}`) });
  const exporter = new DebugExporter(config.parse(input), testSettings({ log, clock }), {
    stdout: stream("stdout"),
    stderr: stream("stderr"),
  });
  return {
    exporter,
    lines,
    out,
    push: (payload: Payload) => exporter.push(payload, context, never),
  };
}

function payloadOf(signal: Signal, json: unknown): Payload {
  const bytes = messageFromJson(requestMessages[signal], Buffer.from(JSON.stringify(json)));
  return createPayload(signal, [bytes], [verify(signal, bytes)]);
}

const attributes = [
  { key: "a", value: { intValue: 1 } },
  { key: "b", value: { arrayValue: { values: [{ stringValue: "x" }] } } },
];
const scope = { name: "lib", version: "1.2", attributes };
const point = { attributes, timeUnixNano: 1 };

const traces = payloadOf("traces", {
  resourceSpans: [
    { resource: { attributes }, schemaUrl: "r" },
    {
      scopeSpans: [
        {
          scope,
          schemaUrl: "s",
          spans: [
            {
              name: "n",
              traceId: "0102030405060708090a0b0c0d0e0f10",
              spanId: "0102030405060708",
              attributes,
            },
            { name: "bare" },
          ],
        },
        { scope: { version: "2" }, spans: [{}] },
      ],
    },
  ],
});
const logs = payloadOf("logs", {
  resourceLogs: [
    {
      scopeLogs: [
        {
          logRecords: [
            { body: { kvlistValue: {} }, attributes },
            { body: { stringValue: "text" } },
          ],
        },
      ],
    },
  ],
});
const metrics = payloadOf("metrics", {
  resourceMetrics: [
    {
      resource: { attributes },
      scopeMetrics: [
        {
          metrics: [
            { name: "g", gauge: { dataPoints: [{ ...point, asInt: -5 }, { asDouble: 1e6 }, {}] } },
            { name: "s", sum: { dataPoints: [{ ...point, asDouble: "NaN" }] } },
            {
              name: "h",
              histogram: {
                dataPoints: [
                  {
                    ...point,
                    count: 3,
                    sum: 0.5,
                    min: 0,
                    max: 2,
                    bucketCounts: [1, 2],
                    explicitBounds: [0.25],
                  },
                ],
              },
            },
            {
              name: "e",
              exponentialHistogram: {
                dataPoints: [
                  {
                    count: 4,
                    scale: 0,
                    zeroCount: 1,
                    zeroThreshold: 0.1,
                    positive: { offset: 1, bucketCounts: [1, 1] },
                    negative: { offset: -1, bucketCounts: [1] },
                  },
                ],
              },
            },
            {
              name: "q",
              summary: {
                dataPoints: [{ count: 2, sum: 3, quantileValues: [{ quantile: 0.5, value: 1.5 }] }],
              },
            },
            { name: "nothing" },
          ],
        },
      ],
    },
  ],
});

describe("basic", () => {
  test.each<[string, Payload, LogFields]>([
    ["Traces", traces, { "resource spans": 2, spans: 3 }],
    ["Metrics", metrics, { "resource metrics": 1, metrics: 6, "data points": 7 }],
    ["Logs", logs, { "resource logs": 1, "log records": 2 }],
  ])("%s: one line of counts", async (message, payload, fields) => {
    const { push, lines } = start({});
    await expect(push(payload)).resolves.toEqual({});
    expect(lines).toEqual([[message, fields]]);
  });
});

describe("normal: a line per item, after the line of counts", () => {
  test.each<[string, Payload, string]>([
    [
      "traces",
      traces,
      'ResourceTraces #0 [r] a=1 b=["x"]\n' +
        "ResourceTraces #1\n" +
        'ScopeTraces #1 lib@1.2 [s] a=1 b=["x"]\n' +
        'n 0102030405060708090a0b0c0d0e0f10 0102030405060708 a=1 b=["x"]\n' +
        "bare  \n" +
        "ScopeTraces #1 @2\n" +
        "  \n",
    ],
    ["logs", logs, 'ResourceLog #0\nScopeLog #0\n{} a=1 b=["x"]\ntext \n'],
    [
      "metrics",
      metrics,
      'ResourceMetrics #0 a=1 b=["x"]\n' +
        "ScopeMetrics #0\n" +
        'g{a=1,b=["x"]} -5\n' +
        "g{} 1e+06\n" +
        "g{} \n" +
        's{a=1,b=["x"]} NaN\n' +
        'h{a=1,b=["x"]} count=3 sum=0.5 min=0 max=2 le0.25=1 2\n' +
        "e{} count=4 le0.5=1 le2=1 le4=1 zero_count0.1=1\n" +
        "q{} count=2 sum=3.000000 q0.5=1.5\n",
    ],
  ])("%s", async (_, payload, text) => {
    const { push, lines } = start({ verbosity: "normal" });
    await push(payload);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toEqual([text, undefined]);
  });
});

describe("detailed", () => {
  test("the text is one entry, after the line of counts", async () => {
    const { push, lines } = start({ verbosity: "Detailed" });
    await push(logs);
    expect(lines[0]![0]).toBe("Logs");
    expect(lines[1]![0]).toMatch(/^ResourceLog #0\n.*Body: Map\(\{\}\)\n/s);
  });

  test("a large payload is printed in slices, and stops when the service does", async () => {
    const records = Array.from({ length: 500 }, (_, i) => ({ body: { intValue: i } }));
    const payload = payloadOf("logs", { resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] });
    let ms = 0;
    let pauses = 0;
    const abort = new AbortController();
    const slicer = {
      now: () => ms++,
      pause: () => {
        if (++pauses === 60) abort.abort();
        return Promise.resolve();
      },
    };
    const parsed = config.parse({ verbosity: "detailed" });
    const exporter = new DebugExporter(parsed, testSettings(), process, slicer);
    await expect(exporter.push(payload, context, abort.signal)).rejects.toMatchObject({
      code: "SHUTTING_DOWN",
      retryable: true,
    });
    expect(pauses).toBe(60);
  });
});

describe("sampling", () => {
  test("in each second the first lines pass and then every n-th", async () => {
    const clock = new FakeClock();
    const { push, lines } = start({ sampling_initial: 2, sampling_thereafter: 3 }, clock);
    for (let i = 0; i < 10; i++) await push(logs);
    // The first two, the fifth and the eighth.
    expect(lines).toHaveLength(4);
    await push(traces);
    expect(lines).toHaveLength(5);
    await clock.advance(1000);
    await push(logs);
    expect(lines).toHaveLength(6);
  });

  test("thereafter 0 writes no more in that second", async () => {
    const { push, lines } = start({ sampling_initial: 1, sampling_thereafter: 0 });
    for (let i = 0; i < 10; i++) await push(logs);
    expect(lines).toHaveLength(1);
  });
});

describe("outputs of its own", () => {
  test("lines have neither time nor level", async () => {
    const { push, out, lines, exporter } = start({
      use_internal_logger: false,
      verbosity: "normal",
    });
    await exporter.start();
    await push(logs);
    await exporter.shutdown();
    await exporter.shutdown();
    expect(lines).toEqual([]);
    expect(out).toEqual([
      'stdout: Logs\t{"resource logs": 1, "log records": 2}\n',
      'stdout: ResourceLog #0\nScopeLog #0\n{} a=1 b=["x"]\ntext \n\n',
    ]);
  });

  test("files are added to, and several outputs get the same", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "debug-exporter-")), "out.txt");
    const input = { use_internal_logger: false, output_paths: ["stderr", path] };
    for (let run = 0; run < 2; run++) {
      const { push, out, exporter } = start(input);
      await exporter.start();
      await push(traces);
      await exporter.shutdown();
      expect(out).toEqual(['stderr: Traces\t{"resource spans": 2, "spans": 3}\n']);
    }
    expect(readFileSync(path, "utf8")).toBe(
      'Traces\t{"resource spans": 2, "spans": 3}\n'.repeat(2),
    );
  });

  test("a file that cannot be opened shows at start", async () => {
    const { exporter } = start({ use_internal_logger: false, output_paths: ["/missing/file"] });
    await expect(exporter.start()).rejects.toThrow(/^open sink "\/missing\/file"/);
  });

  test("a stream that is full makes the push wait", async () => {
    const writes: (() => void)[] = [];
    const slow = new Writable({
      highWaterMark: 8,
      write: (_chunk, _encoding, done) => void writes.push(done),
    });
    const exporter = new DebugExporter(
      config.parse({ use_internal_logger: false }),
      testSettings(),
      {
        stdout: slow,
        stderr: slow,
      },
    );
    const settled: string[] = [];
    const pushed = exporter.push(logs, context, never).then(() => settled.push("written"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toEqual([]);
    writes[0]!();
    await pushed;
    expect(settled).toEqual(["written"]);
  });
});

describe("config", () => {
  test("has the Collector's defaults", () => {
    expect(config.parse({})).toEqual({
      verbosity: "basic",
      sampling_initial: 2,
      sampling_thereafter: 1,
      use_internal_logger: true,
      output_paths: ["stdout"],
    });
  });

  test.each([
    ["none", 'verbosity level "None" is not supported'],
    ["loud", 'verbosity level "Loud" is not supported'],
  ])("verbosity %s is refused", (verbosity, message) => {
    const issues = config.safeParse({ verbosity }).error?.issues ?? [];
    expect(issues.map((issue) => issue.message)).toEqual([message]);
  });
});
