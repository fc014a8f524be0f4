import { beforeEach, describe, expect, test } from "@jest/globals";
import { Room } from "../../../src/delivery/room.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const late = new TelemetryError("QUEUE_FULL", "late", { retryable: true });

let clock: FakeClock;
let room: Room;
let events: string[];

/** Waits as a caller does: takes its room when it is let in. */
function wait(name: string, size: number, deadlineMs?: number): void {
  room.wait(size, deadlineMs, late, (error) => {
    events.push(error === undefined ? `${name} in` : `${name} ${error.message}`);
    if (error === undefined) room.take(size);
  });
}

beforeEach(() => {
  clock = new FakeClock(0);
  room = new Room(10, clock);
  events = [];
});

describe("Room", () => {
  test("lets in first come, first served, as far as there is room", () => {
    room.take(10);
    for (const [name, size] of [
      ["a", 4],
      ["b", 4],
      ["c", 4],
    ] as const)
      wait(name, size);
    room.give(4);
    expect(events).toEqual(["a in"]);
    room.give(6);
    expect(events).toEqual(["a in", "b in"]);
    expect(room.used).toBe(8);
    room.give(4);
    expect(events).toEqual(["a in", "b in", "c in"]);
  });

  test("nobody overtakes one who waits, however small", () => {
    room.take(9);
    wait("large", 5);
    expect(room.fits(1)).toBe(false);
    room.give(1);
    expect(events).toEqual([]);
    room.give(3);
    expect(events).toEqual(["large in"]);
    expect(room.fits(0)).toBe(true);
  });

  test("who waited too long is refused, and those behind are let in at once", async () => {
    room.take(5);
    wait("large", 8, 100);
    wait("small", 2);
    await clock.advance(99);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual(["large late", "small in"]);
    expect(clock.pending).toBe(0);
  });

  test("a deadline ends with the wait", async () => {
    room.take(10);
    wait("a", 1, 100);
    room.give(1);
    await clock.advance(1000);
    expect(events).toEqual(["a in"]);
    expect(clock.pending).toBe(0);
  });

  test("refuseWaiting refuses all of them once", async () => {
    room.take(10);
    wait("a", 1, 100);
    wait("b", 1);
    room.refuseWaiting(new TelemetryError("SHUTTING_DOWN", "stop", { retryable: true }));
    room.give(10);
    await clock.advance(1000);
    expect(events).toEqual(["a stop", "b stop"]);
  });
});
