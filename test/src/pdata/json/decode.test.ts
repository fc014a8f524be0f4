/* oxlint-disable typescript/no-unsafe-type-assertion -- What is asserted is checked by an expectation. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../../../src/errors.ts";
import { decodeJson, messageFromJson } from "../../../../src/pdata/json/decode.ts";
import { messageToJson } from "../../../../src/pdata/json/encode.ts";
import type { Slicer } from "../../../../src/pdata/json/slices.ts";
import { type MessageName, requestMessages } from "../../../../src/pdata/otlp-schema.ts";
import type { Signal } from "../../../../src/pdata/payload.ts";
import { verify } from "../../../../src/pdata/verify.ts";
import { decodePlain, encodePlain } from "./reflection.ts";

const decode = (name: MessageName, json: string) =>
  decodePlain(name, messageFromJson(name, Buffer.from(json)));

const lower = (text: string) =>
  text.replace(/"(\w+[iI]d)":"([0-9A-F]+)"/g, (_, key, id) => `"${key}":"${id.toLowerCase()}"`);

/** A log body of array values; each level adds an ArrayValue and an AnyValue. */
const nested = (levels: number) => {
  const body = `${'{"arrayValue":{"values":['.repeat(levels)}{}${"]}}".repeat(levels)}`;
  return Buffer.from(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${body}}]}]}]}`);
};

const unknownNested = (levels: number) => `{"x":${"[".repeat(levels)}${"]".repeat(levels)}}`;

/** Origin: opentelemetry-proto examples/, copied. */
const samples = join(__dirname, "../../../testdata/collector/otlp-json");

test.each<[string, Signal, number]>([
  ["trace.json", "traces", 1],
  ["metrics.json", "metrics", 4],
  ["logs.json", "logs", 1],
  ["events.json", "logs", 1],
])("%s of the specification is read whole and verified", async (file, signal, items) => {
  const body = readFileSync(join(samples, file));
  const bytes = await decodeJson(signal, body);
  expect(verify(signal, bytes)).toBe(items);
  // Ids may be upper case in the file and zeros written; nothing else differs.
  const written = JSON.parse(messageToJson(requestMessages[signal], bytes));
  expect(written).toEqual(
    JSON.parse(
      lower(JSON.stringify(JSON.parse(body.toString())).replace(/"(scale|zeroThreshold)":0,/g, "")),
    ),
  );
});

describe("values", () => {
  test.each<[MessageName, string, Record<string, unknown>]>([
    ["Span", '{"kind":"SPAN_KIND_SERVER"}', { kind: 2 }],
    ["Span", '{"kind":3}', { kind: 3 }],
    ["Status", '{"code":"STATUS_CODE_ERROR"}', { code: 2 }],
    ["LogRecord", '{"severityNumber":"SEVERITY_NUMBER_FATAL4"}', { severityNumber: 24 }],
    ["LogRecord", '{"severity_number":"SEVERITY_NUMBER_TRACE"}', { severityNumber: 1 }],
    [
      "Sum",
      '{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE"}',
      { aggregationTemporality: 2 },
    ],
    [
      "Span",
      '{"startTimeUnixNano":1544712660000000001}',
      { startTimeUnixNano: 1544712660000000001n },
    ],
    ["Span", '{"startTimeUnixNano":"18446744073709551615"}', { startTimeUnixNano: 2n ** 64n - 1n }],
    ["Span", '{"startTimeUnixNano":1.5447e18}', { startTimeUnixNano: 1544700000000000000n }],
    ["Span", '{"startTimeUnixNano":"20e2"}', { startTimeUnixNano: 2000n }],
    ["AnyValue", '{"intValue":"-9223372036854775808"}', { intValue: -(2n ** 63n) }],
    ["AnyValue", '{"intValue":-9223372036854775808}', { intValue: -(2n ** 63n) }],
    ["AnyValue", '{"intValue":12.0}', { intValue: 12n }],
    ["AnyValue", '{"intValue":0e9999999999}', { intValue: 0n }],
    ["AnyValue", '{"intValue":-0}', { intValue: 0n }],
    ["AnyValue", '{"doubleValue":"NaN"}', { doubleValue: Number.NaN }],
    ["AnyValue", '{"doubleValue":"+Inf"}', { doubleValue: Number.POSITIVE_INFINITY }],
    ["AnyValue", '{"doubleValue":"-Infinity"}', { doubleValue: Number.NEGATIVE_INFINITY }],
    ["AnyValue", '{"doubleValue":"1.5e3"}', { doubleValue: 1500 }],
    ["AnyValue", '{"doubleValue":-0.0}', { doubleValue: -0 }],
    ["AnyValue", '{"bytesValue":"+/8="}', { bytesValue: Buffer.from([0xfb, 0xff]) }],
    ["AnyValue", '{"bytesValue":"-_8"}', { bytesValue: Buffer.from([0xfb, 0xff]) }],
    ["AnyValue", '{"bytesValue":"\\/\\/8="}', { bytesValue: Buffer.from([0xff, 0xff]) }],
    ["AnyValue", '{"bytesValue":""}', { bytesValue: Buffer.alloc(0) }],
    ["AnyValue", '{"boolValue":false}', { boolValue: false }],
    [
      "SpanLink",
      '{"spanId":"00fFA0000000000b"}',
      { spanId: Buffer.from("00ffa0000000000b", "hex") },
    ],
    ["SpanLink", '{"traceId":"","flags":0,"traceState":null}', {}],
    ["ExponentialHistogramDataPoint", '{"scale":-2147483648}', { scale: -2147483648 }],
    ["HistogramDataPoint", '{"sum":0,"min":null}', { sum: 0 }],
    [
      "Buckets",
      '{"bucketCounts":["1",2,3e0],"bucket_counts":[4]}',
      { bucketCounts: [1n, 2n, 3n, 4n] },
    ],
    ["Status", '{"message":"a","code":1,"message":"b"}', { message: "b", code: 1 }],
    ["Status", '{"code":2,"code":0}', { code: 0 }],
    ["AnyValue", '{"intValue":1,"stringValue":"x"}', { stringValue: "x" }],
    [
      "KeyValue",
      '{"value":{"intValue":"1"},"value":null,"key":"k"}',
      { key: "k", value: { intValue: 1n } },
    ],
    ["ArrayValue", '{"values":[null,{}]}', { values: [{}, {}] }],
    ["ArrayValue", '{"values":null}', {}],
    [
      "ResourceSpans",
      '{"resource":{"droppedAttributesCount":1},"resource":{"attributes":[{"key":"a"}]}}',
      {
        resource: { attributes: [{ key: "a" }], droppedAttributesCount: 1 },
      },
    ],
    [
      "Status",
      ' \n\t{ "message" : "\\u0041\\n\\"\\/\\ud83d\\ude00é" } \r',
      { message: 'A\n"/😀é' },
    ],
    ["Status", '{"message":"\\ud83dx\\ude00\\ud83d\\u0041"}', { message: "\ufffdx\ufffd\ufffdA" }],
    ["Status", '{"m\\u0065ssage":"x","\\u0063ode":1}', { message: "x", code: 1 }],
    [
      "Status",
      '{"other":{"a":[1,-2.5e+3,"}",true,null,{}],"b":{}},"message":"x"}',
      { message: "x" },
    ],
    ["Status", "null", {}],
  ])("%s %s", (name, json, expected) => {
    expect(decode(name, json)).toEqual(expected);
  });

  test("a zero without presence is not written", () => {
    const json = '{"name":"","kind":0,"flags":0,"startTimeUnixNano":"0","traceId":""}';
    expect(messageFromJson("Span", Buffer.from(json))).toHaveLength(0);
  });

  test("a string keeps bytes that are no UTF-8, as in protobuf", () => {
    const body = Buffer.concat([
      Buffer.from('{"message":"a'),
      Buffer.from([0xff, 0xc3, 0x22, 0x7d]),
    ]);
    const bytes = messageFromJson("Status", body);
    expect(Buffer.from(bytes).toString("hex")).toBe("120361ffc3");
  });

  test("lists of text are read", () => {
    const json = '{"idKeys":["a","","c"],"type":"service"}';
    expect(decode("EntityRef", json)).toEqual({ type: "service", idKeys: ["a", "", "c"] });
  });
});

describe("malformed input is refused with its byte offset", () => {
  test.each<[MessageName, string, string]>([
    ["Status", "", "expected '{', found the end at offset 0"],
    ["Status", "[]", "expected '{', found '[' at offset 0"],
    ["Status", '{"message":"a"', "expected ',' or '}', found the end at offset 14"],
    ["Status", '{"message":"a"}x', "expected the end, found 'x' at offset 15"],
    ["Status", '{"message":"a",}', "expected a key, found '}' at offset 15"],
    ["Status", '{,"message":"a"}', "expected a key, found ',' at offset 1"],
    ["Status", '{"message" "a"}', "expected ':', found '\"' at offset 11"],
    ["Status", '{"message":"a" "code":1}', "expected ',' or '}', found '\"' at offset 15"],
    ["Status", '{"message":"a', "unterminated string at offset 13"],
    ["Status", '{"message":"a\n"}', "control character in string at offset 13"],
    ["Status", '{"message":"\\x"}', "invalid escape at offset 12"],
    ["Status", '{"message":"\\u00g0"}', "invalid \\u escape at offset 12"],
    ["Status", '{"message":"\\u00', "invalid \\u escape at offset 12"],
    ["Status", '{"message":1}', "expected a string for message, found '1' at offset 11"],
    ["Status", '{"message":nul}', "invalid literal at offset 11"],
    ["Status", '{"code":"STATUS_CODE_NONE"}', "code is not a value of its enum at offset 9"],
    ["Status", '{"code":2147483648}', "code is out of range at offset 8"],
    ["Status", '{"code":1.5}', "code is not a value of its enum at offset 8"],
    ["Status", '{"code":01}', "expected ',' or '}', found '1' at offset 9"],
    ["Status", '{"code":+1}', "expected a value, found '+' at offset 8"],
    ["Status", '{"code":1.}', "expected a value, found '}' at offset 10"],
    ["Status", '{"code":-}', "expected a value, found '}' at offset 9"],
    ["Status", '{"code":{}}', "expected a value, found '{' at offset 8"],
    ["Status", "{\"x\":{'a':1}}", "expected a key, found ''' at offset 6"],
    ["Status", '{"x":[1,]}', "expected a value, found ']' at offset 8"],
    ["Status", '{"x":[1}', "expected ',' or ']', found '}' at offset 7"],
    ["Status", '{"x":tru}', "invalid literal at offset 5"],
    ["Status", '{"x":undefined}', "expected a value, found 'u' at offset 5"],
    ["Span", '{"traceId":"0102"}', "traceId is not 16 bytes in hexadecimal at offset 12"],
    ["Span", '{"spanId":"0102030405060x08"}', "spanId is not hexadecimal at offset 23"],
    ["Span", '{"spanId":"AQIDBAUGBwg="}', "spanId is not 8 bytes in hexadecimal at offset 11"],
    ["Span", '{"flags":-1}', "flags is out of range at offset 9"],
    ["Span", '{"flags":4294967296}', "flags is out of range at offset 9"],
    [
      "Span",
      '{"endTimeUnixNano":"18446744073709551616"}',
      "endTimeUnixNano is out of range at offset 20",
    ],
    ["Span", '{"endTimeUnixNano":""}', "endTimeUnixNano is not an integer at offset 20"],
    ["Span", '{"endTimeUnixNano":"1 "}', "endTimeUnixNano is not an integer at offset 20"],
    ["Span", '{"endTimeUnixNano":1e-1}', "endTimeUnixNano is not an integer at offset 19"],
    ["Span", '{"endTimeUnixNano":true}', "expected a value, found 't' at offset 19"],
    ["Span", '{"attributes":{}}', "expected '[', found '{' at offset 14"],
    ["Span", '{"attributes":[1]}', "expected '{', found '1' at offset 15"],
    ["AnyValue", '{"intValue":9223372036854775808}', "intValue is out of range at offset 12"],
    ["AnyValue", '{"intValue":"-9223372036854775809"}', "intValue is out of range at offset 13"],
    ["AnyValue", '{"intValue":1e400}', "intValue is out of range at offset 12"],
    [
      "AnyValue",
      '{"boolValue":"true"}',
      "expected true or false for boolValue, found '\"' at offset 13",
    ],
    ["AnyValue", '{"boolValue":1}', "expected true or false for boolValue, found '1' at offset 13"],
    ["AnyValue", '{"doubleValue":"x"}', "doubleValue is not a number at offset 16"],
    ["AnyValue", '{"doubleValue":1e999}', "doubleValue is out of range at offset 15"],
    ["AnyValue", '{"bytesValue":"a"}', "bytesValue is not base64 at offset 15"],
    ["AnyValue", '{"bytesValue":"a*b="}', "bytesValue is not base64 at offset 15"],
    ["Buckets", '{"bucketCounts":[null]}', "expected a value, found 'n' at offset 17"],
    ["Buckets", '{"bucketCounts":[1,]}', "expected a value, found ']' at offset 19"],
    ["Buckets", '{"bucketCounts":5}', "expected '[', found '5' at offset 16"],
  ])("%s %s", (name, json, message) => {
    const error = errorOf(() => messageFromJson(name, Buffer.from(json)));
    expect(error.message).toBe(`cannot decode JSON: ${message}`);
    expect(error).toMatchObject({ code: "MALFORMED_DATA", retryable: false });
  });
});

describe("nesting", () => {
  test("an attribute value is accepted as deep as verify accepts it, and no deeper", async () => {
    const bytes = await decodeJson("logs", nested(49));
    expect(verify("logs", bytes)).toBe(1);
    await expect(decodeJson("logs", nested(50))).rejects.toThrow(
      "cannot decode JSON: attribute values are nested 100 deep at offset",
    );
  });

  test("an unknown value may be nested 1000 deep and no deeper", () => {
    expect(messageFromJson("Status", Buffer.from(unknownNested(1000)))).toHaveLength(0);
    expect(() => messageFromJson("Status", Buffer.from(unknownNested(1001)))).toThrow(
      "values are nested 1000 deep at offset 1005",
    );
  });
});

describe("slices", () => {
  /** Counts pauses; each look at the clock finds a millisecond gone. */
  class CountingSlicer implements Slicer {
    looks = 0;
    pauses = 0;
    now() {
      return this.looks++;
    }
    pause() {
      this.pauses++;
      return Promise.resolve();
    }
  }

  test("a body of 5 MB is decoded in many slices, each of a bounded amount of work", async () => {
    const one = readFileSync(join(samples, "metrics.json"), "utf8");
    const resource = JSON.stringify(JSON.parse(one).resourceMetrics[0]);
    const count = Math.ceil(5e6 / resource.length);
    const body = Buffer.from(`{"resourceMetrics":[${Array(count).fill(resource).join(",")}]}`);
    const slicer = new CountingSlicer();
    const bytes = await decodeJson("metrics", body, slicer);
    expect(verify("metrics", bytes)).toBe(count * 4);
    // The clock is looked at every 16 KiB (less than 1 ms), so a slice of 5 ms ends within 6 ms.
    expect(slicer.looks).toBeGreaterThan(body.length / (17 * 1024));
    expect(slicer.pauses).toBeGreaterThan(body.length / (17 * 1024) / 6);
  });

  test.each([
    ["an unknown value", (n: number) => `"x":[${"1,".repeat(n / 2)}1]`],
    ["a list of nulls", (n: number) => `"resourceLogs":[${"null,".repeat(n / 5)}null]`],
  ])("%s is sliced, too", async (_, filler) => {
    const slicer = new CountingSlicer();
    await decodeJson("logs", Buffer.from(`{${filler(2e6)}}`), slicer);
    expect(slicer.pauses).toBeGreaterThan(10);
  });

  test.each<[string, string, string, (n: number) => string]>([
    ["a string", "stringValue", "abcdé😀", (n) => "abcdé😀".repeat(n)],
    [
      "a string with escapes",
      "stringValue",
      "a\\u00e9\\ud83d\\ude00\\n\\/",
      (n) => "aé😀\n/".repeat(n),
    ],
    ["base64", "bytesValue", "QUJD", (n) => Buffer.from("ABC".repeat(n)).toString("base64")],
    ["base64 with escapes", "bytesValue", "\\/\\/\\/\\/", (n) => "////".repeat(n)],
  ])("%s of 2 MB is sliced and comes through whole", async (_name, member, unit, expected) => {
    const count = Math.ceil(2e6 / Buffer.byteLength(unit));
    const json = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"${member}":"${unit.repeat(count)}"},"severityText":"after"}]}]}]}`;
    const slicer = new CountingSlicer();
    const bytes = await decodeJson("logs", Buffer.from(json), slicer);
    expect(verify("logs", bytes)).toBe(1);
    const [record] = JSON.parse(messageToJson("ExportLogsServiceRequest", bytes)).resourceLogs[0]
      .scopeLogs[0].logRecords as { body: Record<string, string>; severityText: string }[];
    expect(record!.severityText).toBe("after");
    // Compared as a whole: an expectation would print two megabytes.
    expect(record!.body[member] === expected(count)).toBe(true);
    expect(slicer.looks).toBeGreaterThan(10);
    expect(slicer.pauses).toBeGreaterThan(1);
  });

  test.each([
    ["a long key", (text: string) => `{"${text}":1,"resourceLogs":[]}`],
    ["a long unknown value", (text: string) => `{"x":["${text}"],"resourceLogs":[]}`],
  ])("%s is looked through in slices", async (_name, json) => {
    const slicer = new CountingSlicer();
    const bytes = await decodeJson("logs", Buffer.from(json("x".repeat(2e6))), slicer);
    expect(bytes).toHaveLength(0);
    expect(slicer.looks).toBeGreaterThan(7);
  });

  test.each([
    ["an unterminated string", '"stringValue":"' + "x".repeat(600_000), "unterminated string"],
    [
      "a control character late in a string",
      `"stringValue":"${"x".repeat(600_000)}\n"}`,
      "control character in string",
    ],
    [
      "base64 that is none, late",
      `"bytesValue":"${"QUJD".repeat(200_000)}*"}`,
      "bytesValue is not base64",
    ],
    [
      "padding amid base64",
      `"bytesValue":"${"QUJD".repeat(50_000)}Q===${"QUJD".repeat(50_000)}"}`,
      "bytesValue is not base64",
    ],
    [
      "a long id",
      `"x":0},"traceId":"${"ab".repeat(300_000)}"`,
      "traceId is not 16 bytes in hexadecimal",
    ],
    [
      "a number of very many digits",
      `"intValue":${"1".repeat(600_000)}`,
      "a number has more than 4095 digits",
    ],
    [
      "a text of very many digits",
      `"intValue":"${"1".repeat(600_000)}"`,
      "intValue is not a number",
    ],
    [
      "a double of very many digits",
      `"doubleValue":"${"1".repeat(5000)}"`,
      "doubleValue is not a number",
    ],
    ["white space without end", `"x":${" ".repeat(1_100_000)}1`, "too much white space"],
  ])("%s is refused", async (_name, member, message) => {
    const json = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{${member}`;
    await expect(decodeJson("logs", Buffer.from(json))).rejects.toThrow(message);
  });

  test("growth is asked for before it happens, and a refusal ends the work", async () => {
    const zeros = "0,".repeat(100_000);
    const json = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[${zeros}0]}]}}]}]}]}`;
    const asked: number[] = [];
    const bytes = await decodeJson(
      "metrics",
      Buffer.from(json),
      undefined,
      (n) => void asked.push(n),
    );
    expect(bytes.length).toBeGreaterThan(800_000);
    expect(Math.max(...asked)).toBeGreaterThanOrEqual(bytes.buffer.byteLength);
    expect(asked).toEqual(asked.toSorted((a, b) => a - b));
    const refusal = new TelemetryError("TOO_LARGE", "no");
    const admit = (n: number) => {
      if (n > 400_000) throw refusal;
    };
    await expect(decodeJson("metrics", Buffer.from(json), undefined, admit)).rejects.toBe(refusal);
  });

  test("bytes that wrong length guesses move count as work", async () => {
    const levels = 45;
    const text = "x".repeat(200_000);
    const value = `${'{"arrayValue":{"values":['.repeat(levels)}{"stringValue":"${text}"}${"]}}".repeat(levels)}`;
    const json = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${value}}]}]}]}`;
    const slicer = new CountingSlicer();
    await decodeJson("logs", Buffer.from(json), slicer);
    expect(slicer.pauses).toBeGreaterThan(10);
  });
});

test("protobufjs reads what is decoded", () => {
  const json =
    '{"key":"k","value":{"kvlistValue":{"values":[{"key":"n","value":{"intValue":7}}]}}}';
  const expected = {
    key: "k",
    value: { kvlistValue: { values: [{ key: "n", value: { intValue: 7n } }] } },
  };
  const bytes = messageFromJson("KeyValue", Buffer.from(json));
  expect(decodePlain("KeyValue", bytes)).toEqual(expected);
  expect(Buffer.from(bytes).equals(encodePlain("KeyValue", expected))).toBe(true);
});

function errorOf(act: () => unknown): TelemetryError {
  try {
    act();
  } catch (error) {
    if (error instanceof TelemetryError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
