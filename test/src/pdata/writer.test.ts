import { describe, expect, test } from "@jest/globals";
import { Writer } from "../../../src/pdata/wire.ts";

describe("a nested message keeps its bytes wherever the buffer ends", () => {
  const capacities = Array.from({ length: 40 }, (_, i) => 3 + i);
  const guesses = [1, 2, 3];
  const lengths = [0, 1, 2, 5, 9, 127, 128, 200];
  test.each(capacities)("at %d bytes", (capacity) => {
    for (const guess of guesses) {
      for (const length of lengths) {
        const writer = new Writer(capacity);
        const content = Buffer.alloc(length, "abcdefg");
        const handle = writer.begin(3, guess);
        writer.raw(content);
        writer.end(handle);
        const prefix = length < 128 ? [0x1a, length] : [0x1a, (length & 127) | 128, 1];
        expect(Buffer.from(writer.take())).toEqual(Buffer.concat([Buffer.from(prefix), content]));
      }
    }
  });
});
