import { describe, expect, test } from "@jest/globals";
import { Problems } from "../../../../src/instrument/problems.ts";
import type { Answer } from "../../../../src/instrument/sending/post.ts";
import { Sender } from "../../../../src/instrument/sending/sender.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

type Reply = Partial<Answer> | Error;

/** A sender before a service that answers as scripted, and 200 after the script. */
function senderBefore(
  script: Reply[],
  options: { mayPushOut?: boolean; maxQueueBytes?: number } = {},
) {
  const clock = new FakeClock();
  const said: string[] = [];
  const posted: string[] = [];
  let open: (() => void) | undefined;
  let isHeld = false;
  const sender = new Sender({
    service: "http://service/v1/metrics",
    post: async (body) => {
      posted.push(Buffer.from(body).toString());
      if (isHeld) await new Promise<void>((resolve) => (open = resolve));
      const reply = script.shift() ?? {};
      if (reply instanceof Error) throw reply;
      return { status: 200, retryAfterMs: undefined, body: new Uint8Array(0), ...reply };
    },
    maxQueueBytes: options.maxQueueBytes ?? 1000,
    mayPushOut: options.mayPushOut ?? true,
    clock,
    problems: new Problems(({ code }) => said.push(code)),
    random: () => 1,
  });
  const send = (text: string, points = 1) =>
    sender.enqueue({ body: Buffer.from(text), points, isGzip: false });
  const hold = () => (isHeld = true);
  const release = () => {
    isHeld = false;
    open?.();
  };
  return { clock, said, posted, sender, send, hold, release };
}

describe("what is sent", () => {
  test("requests go in order, one at a time, and are counted", async () => {
    const { sender, send, posted, clock } = senderBefore([]);
    send("a", 2);
    send("b", 3);
    expect(posted).toEqual(["a"]);
    await clock.advance(0);
    expect(posted).toEqual(["a", "b"]);
    expect(sender).toMatchObject({
      exported: 5,
      dropped: 0,
      failures: 0,
      isEmpty: true,
      queuedBytes: 0,
    });
  });

  test.each([[429], [502], [503], [504], [new Error("reset")]])(
    "%p: the same bytes again, after 1, 2, 4 s",
    async (failure) => {
      const reply = () => (failure instanceof Error ? failure : { status: failure });
      const { sender, send, posted, clock, said } = senderBefore([reply(), reply(), reply()]);
      send("a");
      await clock.advance(999);
      expect(posted).toEqual(["a"]);
      await clock.advance(1);
      expect(posted).toEqual(["a", "a"]);
      await clock.advance(1999);
      expect(posted).toHaveLength(2);
      await clock.advance(1);
      await clock.advance(4000);
      expect(posted).toEqual(["a", "a", "a", "a"]);
      expect(sender).toMatchObject({ exported: 1, dropped: 0, failures: 3 });
      expect(said).toEqual(["export_failed"]);
    },
  );

  test("waits grow to half a minute, no longer", async () => {
    const { send, posted, clock } = senderBefore(
      Array.from({ length: 50 }, () => ({ status: 503 })),
    );
    send("a");
    await clock.advance(300_000);
    const before = posted.length;
    await clock.advance(60_000);
    expect(posted.length - before).toBe(2);
  });

  test("Retry-After is kept to, also by a flush", async () => {
    const { sender, send, posted, clock } = senderBefore([{ status: 503, retryAfterMs: 7000 }]);
    send("a");
    await clock.advance(10);
    const drained = sender.drained();
    await clock.advance(6980);
    expect(posted).toHaveLength(1);
    await clock.advance(20);
    await drained;
    expect(posted).toHaveLength(2);
  });

  test("a flush does not wait for a pause of the sender's own choice", async () => {
    const { sender, send, posted, clock } = senderBefore([new Error("refused")]);
    send("a");
    await clock.advance(0);
    await sender.drained();
    expect(posted).toEqual(["a", "a"]);
  });

  test.each([400, 401, 404, 413, 500, 301])(
    "%i: dropped, counted, said, the next goes on",
    async (status) => {
      const { sender, send, posted, clock, said } = senderBefore([{ status }]);
      send("a", 4);
      send("b");
      await clock.advance(0);
      expect(posted).toEqual(["a", "b"]);
      expect(sender).toMatchObject({ exported: 1, dropped: 4, failures: 1 });
      expect(said).toEqual(["points_refused"]);
    },
  );

  test("a partial success counts what was refused", async () => {
    // PartialSuccess { rejected_data_points: 3, error_message: "old" }
    const body = Buffer.from([0x0a, 0x07, 0x08, 0x03, 0x12, 0x03, 0x6f, 0x6c, 0x64]);
    const { sender, send, clock } = senderBefore([{ body }]);
    send("a", 10);
    await clock.advance(0);
    expect(sender).toMatchObject({ exported: 7, dropped: 3, failures: 0 });
    expect(sender.lastError).toContain("old");
  });

  test("an answer that is no protobuf refuses nothing", async () => {
    for (const body of [
      Buffer.from("<html>ok</html>"),
      Buffer.from([0x0a, 0xff]),
      Buffer.from([0xff]),
    ]) {
      const { sender, send, clock } = senderBefore([{ body }]);
      send("a", 2);
      await clock.advance(0);
      expect(sender).toMatchObject({ exported: 2, dropped: 0 });
    }
  });
});

describe("the queue", () => {
  test("cumulative: the oldest that is not under way makes room, counted and said", async () => {
    const { sender, send, posted, clock, said, hold, release } = senderBefore([], {
      maxQueueBytes: 3,
    });
    hold();
    for (const text of ["a", "b", "c", "d", "e"]) send(text);
    expect(sender.queuedBytes).toBe(3);
    expect(sender.dropped).toBe(2);
    release();
    await clock.advance(0);
    expect(posted).toEqual(["a", "d", "e"]);
    expect(said).toEqual(["queue_full"]);
  });

  test("one that is larger than the queue is sent all the same", async () => {
    const { sender, send, clock } = senderBefore([], { maxQueueBytes: 3 });
    await sender.room(100);
    send("x".repeat(100));
    await clock.advance(0);
    expect(sender).toMatchObject({ exported: 1, dropped: 0 });
  });

  test("room is waited for while sending goes on", async () => {
    const { sender, send, clock, hold, release } = senderBefore([], { maxQueueBytes: 3 });
    hold();
    send("abc");
    let isRoom = false;
    const room = sender.room(2).then(() => (isRoom = true));
    await clock.advance(0);
    expect(isRoom).toBe(false);
    release();
    await room;
  });

  test("while sending fails, cumulative points do not wait for room; delta points do", async () => {
    for (const mayPushOut of [true, false]) {
      const failing = Array.from({ length: 9 }, () => ({ status: 503 }));
      const { sender, send, clock } = senderBefore(failing, { mayPushOut, maxQueueBytes: 3 });
      send("abc");
      await clock.advance(0);
      let isRoom = false;
      const room = sender.room(2).then(() => (isRoom = true));
      await clock.advance(0);
      expect(isRoom).toBe(mayPushOut);
      sender.close();
      await room;
    }
  });

  test("closing gives up what waits and counts it", async () => {
    const { sender, send, clock } = senderBefore([{ status: 503 }]);
    send("a", 5);
    await clock.advance(0);
    sender.close();
    send("b", 2);
    expect(sender.dropped).toBe(7);
    expect(clock.pending).toBe(0);
    await sender.drained();
  });

  test("what arrives after closing counts as exported, not as dropped", async () => {
    const { sender, send, clock, hold, release } = senderBefore([]);
    hold();
    send("a", 5);
    sender.close();
    release();
    await clock.advance(0);
    expect(sender).toMatchObject({ exported: 5, dropped: 0 });
  });
});
