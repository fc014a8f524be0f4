import { describe, expect, test } from "@jest/globals";
import { array, assert, property, uint8Array } from "fast-check";
import { decodeFramedSnappy, encodeFramedSnappy } from "../../../src/net/snappy-framed.ts";

const start = "ff060000734e61507059";
const hex = (text: string) => Buffer.from(text, "hex");

test("what is no shorter compressed is stored, with the masked CRC-32C", () => {
  // CRC-32C of "123456789" is e3069283 (RFC 3720); rotated right by 15 and plus a282ead8 it is c78eb2f4... in full:
  const crc = 0xe3069283;
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(masked);
  const stream = encodeFramedSnappy([Buffer.from("1234"), Buffer.from("56789")]);
  expect(Buffer.from(stream).toString("hex")).toBe(
    `${start}010d0000${sum.toString("hex")}${Buffer.from("123456789").toString("hex")}`,
  );
});

test("any bytes come back, over chunk borders", () => {
  assert(
    property(array(uint8Array({ maxLength: 200 }), { maxLength: 5 }), (parts) => {
      const whole = Buffer.concat(parts);
      expect(Buffer.from(decodeFramedSnappy(encodeFramedSnappy(parts), 2000)).equals(whole)).toBe(
        true,
      );
    }),
  );
  const large = Buffer.alloc(200_000, "telemetry ");
  const stream = encodeFramedSnappy([large]);
  expect(stream.length).toBeLessThan(20_000);
  expect(Buffer.from(decodeFramedSnappy(stream, large.length)).equals(large)).toBe(true);
});

describe("refuses", () => {
  const good = Buffer.from(encodeFramedSnappy([Buffer.alloc(1000, "a")]));

  test("more than the limit", () => {
    expect(() => decodeFramedSnappy(good, 999)).toThrow("too large");
    expect(() => decodeFramedSnappy(encodeFramedSnappy([Buffer.from("abc")]), 2)).toThrow(
      "too large",
    );
  });

  test.each([
    ["no stream identifier", good.subarray(10)],
    ["another identifier", hex("ff0600007478787878787800")],
    ["a cut chunk header", good.subarray(0, 12)],
    ["a cut chunk", good.subarray(0, good.length - 1)],
    ["a chunk without a checksum", hex(`${start}00020000ffff`)],
    ["an unknown chunk type", hex(`${start}02000000`)],
    ["a wrong checksum", Buffer.concat([good.subarray(0, 14), Buffer.alloc(4), good.subarray(18)])],
  ])("%s", (_name, bytes) => {
    expect(() => decodeFramedSnappy(bytes, 10_000)).toThrow("snappy: corrupt input");
  });

  test("nothing of what may be skipped", () => {
    const padded = Buffer.concat([
      good.subarray(0, 10),
      hex("fe020000aaaa80010000aa"),
      good.subarray(10),
    ]);
    expect(decodeFramedSnappy(padded, 1000)).toHaveLength(1000);
  });
});
