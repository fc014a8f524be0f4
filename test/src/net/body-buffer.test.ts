import { describe, expect, test } from "@jest/globals";
import { array, assert, boolean, nat, property, uint8Array } from "fast-check";
import { BodyBuffer } from "../../../src/net/body-buffer.ts";
import { Reservation } from "../../../src/net/reservation.ts";
import { testBudget } from "../../support/settings.ts";

const made = (limitBytes?: number, chunksStay = true) => {
  const budget = testBudget(limitBytes);
  const reservation = new Reservation(budget);
  return { budget, reservation, buffer: new BodyBuffer(reservation, { chunksStay }) };
};

test("chunks come out joined, in any sizes, announced or not", () => {
  assert(
    property(
      array(uint8Array({ maxLength: 3000 }), { maxLength: 12 }),
      boolean(),
      (chunks, says) => {
        const { budget, reservation, buffer } = made();
        const whole = Buffer.concat(chunks);
        for (const chunk of chunks) {
          expect(buffer.add(Buffer.from(chunk), says ? whole.length : 0)).toBe(true);
          expect(budget.usedBytes).toBeGreaterThanOrEqual(buffer.length);
        }
        expect(buffer.length).toBe(whole.length);
        expect(Buffer.from(buffer.take())).toEqual(whole);
        reservation.release();
        expect(budget.usedBytes).toBe(0);
      },
    ),
  );
});

test("whatever is announced, what is reserved follows what has come", () => {
  assert(
    property(nat(2 ** 32 - 1), nat(200_000), (announced, bytes) => {
      const { budget, buffer } = made();
      buffer.add(Buffer.alloc(bytes), announced);
      expect(budget.usedBytes).toBeLessThanOrEqual(Math.max(bytes * 16, 128 * 1024));
    }),
  );
});

test("pieces of one byte cost no more than twice their bytes", () => {
  const { budget, buffer } = made();
  for (let n = 0; n < 100_000; n++) buffer.add(Buffer.from([n & 255]), 0);
  expect(budget.usedBytes).toBeLessThan(262_145);
  expect(buffer.take()[99_999]).toBe(99_999 & 255);
});

test("a whole body in one chunk of its own is not copied", () => {
  const { buffer } = made();
  const chunk = Buffer.alloc(100_000, 1);
  buffer.add(chunk, chunk.length);
  expect(buffer.take().buffer).toBe(chunk.buffer);
});

test("chunks that do not stay are copied", () => {
  const { buffer } = made(undefined, false);
  const chunk = Buffer.alloc(10_000, 1);
  buffer.add(chunk, chunk.length);
  chunk.fill(2);
  expect(buffer.take().every((byte) => byte === 1)).toBe(true);
});

test("a large body in frames of HTTP/2 takes a small array and one of its size", () => {
  const { budget, buffer } = made(undefined, false);
  let before = 0;
  const growths: number[] = [];
  for (let at = 0; at < 300_000; at += 16_384) {
    buffer.add(Buffer.alloc(Math.min(16_384, 300_000 - at)), 300_000);
    if (budget.usedBytes !== before) growths.push(budget.usedBytes);
    before = budget.usedBytes;
  }
  expect(growths).toEqual([32_768, 300_000]);
});

test("a small view of a large buffer is copied, and its neighbours are not kept", () => {
  const { budget, buffer } = made();
  const chunk = Buffer.from(new ArrayBuffer(65_536), 1000, 50);
  buffer.add(chunk, 50);
  expect(buffer.take().buffer.byteLength).toBeLessThan(2000);
  expect(budget.usedBytes).toBeLessThan(2000);
});

test("a chunk that was taken as it is, is not written to", () => {
  const { buffer } = made();
  const chunk = Buffer.alloc(10_000, 1);
  buffer.add(chunk, 0);
  buffer.add(Buffer.from([2, 2]), 0);
  expect(chunk.every((byte) => byte === 1)).toBe(true);
  expect(buffer.take().subarray(9999)).toEqual(Buffer.from([1, 2, 2]));
});

test("when the budget is full nothing is taken", () => {
  const { budget, buffer } = made(5000);
  expect(buffer.add(Buffer.alloc(3000, 1), 0)).toBe(true);
  expect(buffer.add(Buffer.alloc(3000, 2), 0)).toBe(false);
  expect(buffer.length).toBe(3000);
  expect(budget.usedBytes).toBeLessThanOrEqual(5000);
});

describe("a reservation", () => {
  test("ends once, and gives nothing more afterwards", () => {
    const { budget, reservation } = made();
    expect(reservation.tryAdd(100)).toBe(true);
    reservation.release();
    reservation.release();
    expect(budget.usedBytes).toBe(0);
    expect(reservation.tryAdd(1)).toBe(false);
    expect(reservation.hasEnded).toBe(true);
    expect(budget.usedBytes).toBe(0);
  });

  test("gives a part back", () => {
    const { budget, reservation } = made();
    reservation.tryAdd(100);
    reservation.shrink(40);
    expect([reservation.bytes, budget.usedBytes]).toEqual([60, 60]);
    reservation.release();
    expect(budget.usedBytes).toBe(0);
  });
});
