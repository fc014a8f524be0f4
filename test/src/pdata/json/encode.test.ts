import { describe, expect, test } from "@jest/globals";
import { decodeJson, messageFromJson } from "../../../../src/pdata/json/decode.ts";
import {
  encodeJson,
  encodeJsonBytes,
  encodeJsonParts,
  messageToJson,
} from "../../../../src/pdata/json/encode.ts";
import { createPayload } from "../../../../src/pdata/payload.ts";
import { Writer } from "../../../../src/pdata/wire.ts";

/** Bytes of one message, written by hand. */
function bytesOf(write: (w: Writer) => void): Uint8Array {
  const w = new Writer();
  write(w);
  return w.take();
}

const attribute = (key: string) => bytesOf((w) => w.string(1, key));
const resource = (count: number, ...keys: string[]) =>
  bytesOf((w) => {
    for (const key of keys) w.lengthDelimited(1, attribute(key));
    w.tag(2, 0);
    w.varint(count);
  });

const request = (name: string) =>
  messageFromJson(
    "ExportLogsServiceRequest",
    Buffer.from(`{"resourceLogs":[{"schemaUrl":"${name}"},{}]}`),
  );

describe("unusual but valid protobuf", () => {
  test("occurrences of a singular message merge, wherever they stand", () => {
    const bytes = bytesOf((w) => {
      w.lengthDelimited(1, resource(7, "a"));
      w.string(3, "url");
      w.lengthDelimited(1, resource(0, "b"));
    });
    expect(messageToJson("ResourceSpans", bytes)).toBe(
      '{"resource":{"attributes":[{"key":"a"},{"key":"b"}]},"schemaUrl":"url"}',
    );
  });

  test("of a scalar that stands twice the last counts", () => {
    const bytes = bytesOf((w) => {
      w.string(2, "first");
      w.string(2, "last");
    });
    expect(messageToJson("Status", bytes)).toBe('{"message":"last"}');
  });

  test("of a oneof the last member counts, replacing an earlier one of the same kind", () => {
    const gauge = (flags: number) =>
      bytesOf((w) => {
        const point = w.begin(1);
        w.tag(8, 0);
        w.varint(flags);
        w.end(point);
      });
    const bytes = bytesOf((w) => {
      w.lengthDelimited(5, gauge(1));
      w.lengthDelimited(7, gauge(2));
      w.lengthDelimited(5, gauge(3));
      w.lengthDelimited(5, gauge(4));
    });
    expect(messageToJson("Metric", bytes)).toBe('{"gauge":{"dataPoints":[{"flags":4}]}}');
  });

  test("elements of a list may be scattered, packed and unpacked", () => {
    const bytes = bytesOf((w) => {
      w.tag(2, 0);
      w.varint(1);
      w.tag(1, 0);
      w.varint(3);
      w.lengthDelimited(2, Uint8Array.of(2, 0x80, 0x01));
      w.lengthDelimited(2, new Uint8Array(0));
      w.tag(2, 0);
      w.varint(4);
    });
    expect(messageToJson("Buckets", bytes)).toBe(
      '{"offset":-2,"bucketCounts":["1","2","128","4"]}',
    );
  });

  test("an empty packed list is an absent list", () => {
    const bytes = bytesOf((w) => w.lengthDelimited(2, new Uint8Array(0)));
    expect(messageToJson("Buckets", bytes)).toBe("{}");
  });

  test("the old scope list counts where the new one is absent", () => {
    const scope = (url: string) => bytesOf((w) => w.string(3, url));
    const old = bytesOf((w) => w.lengthDelimited(1000, scope("old")));
    expect(messageToJson("ResourceLogs", old)).toBe('{"scopeLogs":[{"schemaUrl":"old"}]}');
    const both = bytesOf((w) => {
      w.lengthDelimited(1000, scope("old"));
      w.lengthDelimited(2, scope("new"));
    });
    expect(messageToJson("ResourceLogs", both)).toBe('{"scopeLogs":[{"schemaUrl":"new"}]}');
  });

  test("unknown fields vanish", () => {
    const bytes = bytesOf((w) => {
      w.string(9, "unknown");
      w.tag(3000, 5);
      w.fixed32(1);
      w.string(2, "known");
    });
    expect(messageToJson("Status", bytes)).toBe('{"message":"known"}');
  });

  test("overlong varints and bits above 64 are read as the Collector reads them", () => {
    const overlong = Uint8Array.of(
      0x18,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0x7f,
    );
    expect(messageToJson("AnyValue", overlong)).toBe('{"intValue":"-1"}');
    expect(messageToJson("Status", Uint8Array.of(0x18, 0x80, 0x00))).toBe("{}");
  });
});

describe("text", () => {
  test("what JSON must escape is escaped, the rest is kept", () => {
    const message = '"\\/\b\f\n\r\t\u0000\u001f\u007f\u2028é😀';
    const json = messageToJson(
      "Status",
      bytesOf((w) => w.string(2, message)),
    );
    expect(json).toBe('{"message":"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u007f\u2028é😀"}');
    expect(JSON.parse(json)).toEqual({ message });
  });

  test("invalid UTF-8 becomes U+FFFD", () => {
    const bytes = Uint8Array.of(0x12, 4, 0x61, 0xff, 0xc3, 0x22);
    expect(messageToJson("Status", bytes)).toBe('{"message":"a\ufffd\ufffd\\""}');
  });
});

describe("requests", () => {
  test("the parts of a payload become one request", () => {
    const payload = createPayload("logs", [request("a"), request("b")], [0, 0]);
    expect(encodeJson(payload)).toBe(
      '{"resourceLogs":[{"schemaUrl":"a"},{},{"schemaUrl":"b"},{}]}',
    );
  });

  test("a payload without parts is an empty request", () => {
    expect(encodeJson(createPayload("traces", [], []))).toBe('{"resourceSpans":[]}');
  });
});

describe("large requests", () => {
  const records = Array.from({ length: 20_000 }, (_, i) => ({
    body: { stringValue: `record ${i}: ${"é\n".repeat(i % 50)}` },
  }));
  const json = JSON.stringify({
    resourceLogs: [{ resource: {}, scopeLogs: [{ logRecords: records, schemaUrl: "s" }] }],
  });

  test("are written in chunks of bounded size that join to the same text", async () => {
    const bytes = await decodeJson("logs", Buffer.from(json));
    const chunks = [...encodeJsonParts("logs", [bytes])];
    expect(chunks.join("")).toBe(json);
    expect(chunks.length).toBeGreaterThan(json.length / 80_000);
    expect(Math.max(...chunks.map((chunk) => Buffer.byteLength(chunk)))).toBeLessThan(70_000);
  });

  test("are written to bytes with pauses in between", async () => {
    const bytes = await decodeJson("logs", Buffer.from(json));
    let ms = 0;
    let pauses = 0;
    const slicer = {
      now: () => ms++,
      pause: () => {
        pauses++;
        return Promise.resolve();
      },
    };
    const written = await encodeJsonBytes("logs", [bytes, bytes], slicer);
    expect(Buffer.from(written).toString()).toBe(
      json.replace(/^(\{"resourceLogs":\[)(.*)(\]\})$/s, "$1$2,$2$3"),
    );
    expect(pauses).toBeGreaterThan(written.length / 80_000 / 6);
  });
});
