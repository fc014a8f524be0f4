/** Header compression against the examples of RFC 7541, appendix C, and against node:http2's encoder. */
import { describe, expect, test } from "@jest/globals";
import { ConnectionError } from "../../../../src/net/http2/frame.ts";
import { encodeHeaders, HpackDecoder } from "../../../../src/net/http2/hpack.ts";
import { huffmanLengths } from "../../../../src/net/http2/hpack-static.ts";
import { decodeHuffman } from "../../../../src/net/http2/huffman.ts";

const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");

function decode(decoder: HpackDecoder, hex: string): string[] {
  const fields: string[] = [];
  decoder.decode(bytes(hex), ({ name, value }) => fields.push(`${name}: ${value}`));
  return fields;
}

const first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const third = [
  ":method: GET",
  ":scheme: https",
  ":path: /index.html",
  ":authority: www.example.com",
  "custom-key: custom-value",
];

describe("RFC 7541, appendix C", () => {
  test.each([
    [
      "C.2.1",
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      "custom-key: custom-header",
    ],
    ["C.2.2", "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path"],
    ["C.2.3", "1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret"],
    ["C.2.4", "82", ":method: GET"],
  ])("%s", (_name, hex, field) => {
    expect(decode(new HpackDecoder(), hex)).toEqual([field]);
  });

  test.each([
    [
      "C.3, plain",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4, Huffman",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ])("%s: three requests on one connection", (_name, [a, b, c]) => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, a!)).toEqual(first);
    expect(decode(decoder, b!)).toEqual([...first, "cache-control: no-cache"]);
    expect(decode(decoder, c!)).toEqual(third);
  });
});

describe("the dynamic table", () => {
  const entry = (name: string, value: string) =>
    Buffer.concat([
      Buffer.from([0x40, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]).toString("hex");

  test("evicts the oldest at 4096 bytes", () => {
    const decoder = new HpackDecoder();
    // Each costs 100 + 32 bytes: 31 fit.
    for (let i = 0; i < 40; i++) decode(decoder, entry("n".repeat(10), `${i}`.padStart(90, "x")));
    expect(decode(decoder, (0x80 | 62).toString(16))[0]).toMatch(/x39$/u);
    expect(decode(decoder, (0x80 | 92).toString(16))[0]).toMatch(/x9$/u);
    expect(() => decode(decoder, (0x80 | 93).toString(16))).toThrow("index 93");
  });

  test("an entry larger than the table empties it", () => {
    const decoder = new HpackDecoder();
    decode(decoder, entry("a", "b"));
    decode(decoder, `40 01 61 7f 81 1f ${"62".repeat(4096)}`);
    expect(() => decode(decoder, "be")).toThrow("index 62");
  });

  test("shrinks to 0 and grows again", () => {
    const decoder = new HpackDecoder();
    decode(decoder, entry("a", "b"));
    expect(() => decode(decoder, `20 ${entry("c", "d")} be`)).toThrow("index 62");
    expect(decode(decoder, `3f e1 1f ${entry("c", "d")} be`)).toEqual(["c: d", "c: d"]);
  });

  test.each([
    ["a size beyond what was offered", "3f e2 1f"],
    ["a size update behind a field", "82 20"],
    ["index 0", "80"],
    ["an index beyond the tables", "be"],
    ["an integer that never ends", "ff ff ff ff ff ff ff"],
    ["an integer that is cut", "ff"],
    ["a string that is cut", "40 05 61"],
    ["no string", "40"],
    ["padding of the wrong bits", "40 81 00 81 1f"],
    ["padding of more than seven bits", "40 01 61 82 1f ff"],
    ["the end-of-string code", "40 01 61 84 ff ff ff ff"],
  ])("refuses %s", (_name, hex) => {
    expect(() => decode(new HpackDecoder(), hex)).toThrow(ConnectionError);
  });
});

test("every octet survives the Huffman code", () => {
  // Canonical codes, as appendix B orders them.
  const codes: string[] = [];
  let code = 0n;
  let previous = 0;
  const order = huffmanLengths
    .map((length, symbol) => ({ length, symbol }))
    .toSorted((a, b) => a.length - b.length || a.symbol - b.symbol);
  for (const { length, symbol } of order) {
    code <<= BigInt(length - previous);
    previous = length;
    codes[symbol] = code.toString(2).padStart(length, "0");
    code++;
  }
  expect(codes[48]).toBe("00000");
  expect(codes[255]).toBe("11111111111111111111101110");
  const text = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  let bits = codes.slice(0, 256).join("");
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  const coded = Uint8Array.from(bits.match(/.{8}/gu)!, (octet) => Number.parseInt(octet, 2));
  expect(decodeHuffman(coded, 0, coded.length)).toBe(text);
});

test("what is encoded here is decoded as it was", () => {
  const headers = {
    ":status": 200,
    "grpc-message": "ü".repeat(200),
    "grpc-status-details-bin": "A".repeat(20_000),
  };
  const fields: [string, string][] = [];
  new HpackDecoder().decode(encodeHeaders(headers), ({ name, value }) =>
    fields.push([name, value]),
  );
  expect(Object.fromEntries(fields)).toEqual({ ...headers, ":status": "200" });
});
