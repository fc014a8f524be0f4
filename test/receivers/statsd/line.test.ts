import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { isEvent, Line } from "../../../receivers/statsd/line.ts";
import { parseNumber, parseSeconds } from "../../../receivers/statsd/number.ts";
import { refusalText } from "../../../receivers/statsd/refusal-text.ts";

/** The line in the middle of other bytes, as in a packet. */
function parse(text: string): { line: Line; error: string | undefined } {
  const bytes = Buffer.from(`x:1|c\n${text}\nz:9|g`);
  const line = new Line();
  const refusal = line.parse(bytes, 6, bytes.length - 6);
  return { line, error: refusal === undefined ? undefined : refusalText(refusal, line) };
}

const textOf = (line: Line, start: number, end: number) =>
  Buffer.from(line.bytes.subarray(start, end)).toString();

function parts(text: string) {
  const { line, error } = parse(text);
  if (error !== undefined) throw new Error(error);
  return {
    name: textOf(line, line.start, line.nameEnd),
    value: textOf(line, line.valueStart, line.valueEnd),
    values: line.values.slice(0, line.valueCount),
    type: line.typeCode,
    rate: line.rate,
    tags: textOf(line, line.tagsStart, line.tagsEnd),
    container: textOf(line, line.containerStart, line.containerEnd),
    timestamp: line.timestamp,
  };
}

const plain = { rate: 1, tags: "", container: "", timestamp: 0 };

describe("well-formed lines", () => {
  test.each([
    ["a:1|c", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    ["a.b-c/d:-1.5|g", { name: "a.b-c/d", value: "-1.5", values: [-1.5], type: 1, ...plain }],
    ["a:1|ms", { name: "a", value: "1", values: [1], type: 2, ...plain }],
    ["a:1|h", { name: "a", value: "1", values: [1], type: 3, ...plain }],
    ["a:1|d", { name: "a", value: "1", values: [1], type: 4, ...plain }],
    ["a:some one|s", { name: "a", value: "some one", values: [], type: 5, ...plain }],
    ["a:b:c|s", { name: "a", value: "b:c", values: [], type: 5, ...plain }],
    ["a:1:2:3|d", { name: "a", value: "1:2:3", values: [1, 2, 3], type: 4, ...plain }],
    ["a:1|c|@0.1", { name: "a", value: "1", values: [1], type: 0, ...plain, rate: 0.1 }],
    ["a:1|c|@2", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    ["a:1|c|@0", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    ["a:1|c|@-1", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    ["a:1|c|#x:y,z:1", { name: "a", value: "1", values: [1], type: 0, ...plain, tags: "x:y,z:1" }],
    ["a:1|c|#", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    ["a:1|c|c:id1", { name: "a", value: "1", values: [1], type: 0, ...plain, container: "id1" }],
    ["a:1|g|T12", { name: "a", value: "1", values: [1], type: 1, ...plain, timestamp: 12 }],
    ["a:1|c|e:q|card:low", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    [
      "a:1|c|c:id|#t:v|@0.5|T9",
      {
        name: "a",
        value: "1",
        values: [1],
        type: 0,
        rate: 0.5,
        tags: "t:v",
        container: "id",
        timestamp: 9,
      },
    ],
    // An empty part ends the parts, as in the Collector.
    ["a:1|c||whatever", { name: "a", value: "1", values: [1], type: 0, ...plain }],
    ["a:1|c|", { name: "a", value: "1", values: [1], type: 0, ...plain }],
  ])("%s", (text, expected) => {
    expect(parts(text)).toEqual(expected);
  });

  test("a second tag part is kept beside the first", () => {
    const { line } = parse("a:1|c|#x:1|#y:2|#z:3");
    expect(textOf(line, line.tagsStart, line.tagsEnd)).toBe("x:1");
    expect(line.moreTags.length).toBe(4);
    expect(textOf(line, line.moreTags[2]!, line.moreTags[3]!)).toBe("z:3");
  });

  test("a line leaves nothing behind for the next one", () => {
    const line = new Line();
    const full = Buffer.from("a:1:2|c|@0.5|#x:1|#y:2|c:id|T5");
    const bare = Buffer.from("b:3|c");
    line.parse(full, 0, full.length);
    line.parse(bare, 0, bare.length);
    const { valueCount, rate, tagsEnd, containerEnd, timestamp, moreTags } = line;
    expect({ valueCount, rate, tagsEnd, containerEnd, timestamp, moreTags }).toEqual({
      valueCount: 1,
      rate: 1,
      tagsEnd: 0,
      containerEnd: 0,
      timestamp: 0,
      moreTags: [],
    });
  });

  test("signs are those of each value", () => {
    const { line } = parse("a:1:+2:-3|g");
    expect(line.areSigned.slice(0, line.valueCount)).toEqual([false, true, true]);
  });
});

describe("malformed lines, in the Collector's words", () => {
  test.each([
    ["bad", "invalid message format: bad"],
    ["a:1", "invalid message format: a:1"],
    ["bad|c", "invalid <name>:<value> format: bad"],
    [":1|c", "empty metric name"],
    ["a:|c", "empty metric value"],
    ["a:1:|c", "empty metric value"],
    ["a::1|c", "empty metric value"],
    ["a:1|", "unsupported metric type: "],
    ["a:1|q", "unsupported metric type: q"],
    ["a:1|cc|@1", "unsupported metric type: cc"],
    ["a:1|m", "unsupported metric type: m"],
    ["a:1|msx", "unsupported metric type: msx"],
    ["a:x|c", "parse metric value string: x"],
    ["a:1:x:3|c", "parse metric value string: x"],
    ["a:1e|c", "parse metric value string: 1e"],
    ["a:0x10|c", "parse metric value string: 0x10"],
    ["a:1_000|c", "parse metric value string: 1_000"],
    ["a:NaN|g", 'discarding metric "a": invalid NaN value'],
    ["a:-inf|g", 'discarding metric "a": invalid infinite value'],
    ["a:1e400|g", 'discarding metric "a": invalid infinite value'],
    ["a:1|c|@x", "parse sample rate: x"],
    ["a:1|c|@", "parse sample rate: "],
    ["a:1|c|@NaN", "parse sample rate: NaN"],
    ["a:1|c|@inf", "parse sample rate: inf"],
    ["a:1|c|@1e-300", "parse sample rate: 1e-300"],
    ["a:1|h|T5", "only GAUGE and COUNT metrics support a timestamp"],
    ["a:1|c|T", "invalid timestamp: "],
    ["a:1|c|T1.5", "invalid timestamp: 1.5"],
    ["a:1|c|T99999999999", "invalid timestamp: 99999999999"],
    ["a:1|c|x", "unrecognized message part: x"],
    ["a:1|c|c", "unrecognized message part: c"],
    ["a:1|c|car", "unrecognized message part: car"],
  ])("%s", (text, error) => {
    expect(parse(text).error).toBe(error);
  });

  test("a text shows at most 200 bytes of the line", () => {
    const { error } = parse("x".repeat(100_000));
    expect(error).toHaveLength("invalid message format: ".length + 201);
  });
});

test("events and service checks of DogStatsD", () => {
  const event = (text: string) => isEvent(Buffer.from(text), 0, text.length);
  expect(["_e{5,4}:title|text", "_sc|name|0"].map(event)).toEqual([true, true]);
  expect(["_exporter:1|c", "_scrapes:1|c", "a_e{:1|c", "_sc", "_e:1|c"].map(event)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});

describe("numbers", () => {
  const number = (text: string) => parseNumber(Buffer.from(text), 0, Buffer.byteLength(text));

  test("every double's shortest text gives that double", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        expect(number(String(value))).toBe(Object.is(value, -0) ? 0 : value);
      }),
    );
  });

  test("decimals as Number reads them", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[+-]?\d{0,20}(?:\.\d{0,20})?$/u), (text) => {
        const isNumber = /\d/u.test(text);
        expect(number(text)).toBe(isNumber ? Number(text) : Number.NaN);
      }),
    );
  });

  test.each([
    "",
    "+",
    "-",
    ".",
    "+.",
    "1.2.3",
    "1-",
    "--1",
    " 1",
    "1 ",
    "١",
    "1e",
    "e5",
    "nan",
    "0b1",
  ])("%p is none", (text) => {
    expect(number(text)).toBeNaN();
  });

  test("infinities are numbers here: the caller says what is wrong with them", () => {
    expect(["inf", "-Infinity", "+INF", "1e999"].map(number)).toEqual([
      Infinity,
      -Infinity,
      Infinity,
      Infinity,
    ]);
  });

  test("a text as long as a packet is refused without work", () => {
    expect(number("9".repeat(65_000))).toBeNaN();
  });

  test("seconds are digits, within what nanoseconds hold", () => {
    const seconds = (text: string) => parseSeconds(Buffer.from(text), 0, text.length);
    expect(["0", "1656581400", "18446744073"].map(seconds)).toEqual([
      0, 1_656_581_400, 18_446_744_073,
    ]);
    expect(["", "-1", "1.5", "18446744074", "000000000001", "x"].map(seconds)).toEqual(
      Array.from({ length: 6 }, () => Number.NaN),
    );
  });
});
