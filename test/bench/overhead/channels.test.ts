import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "@jest/globals";
import {
  noOpsLike,
  subscribeAll,
  subscriptionsOf,
  unsubscribeAll,
} from "../../../bench/overhead/channels.ts";

const noOp = () => {};

test("subscriptions are found, however they are made and whoever listens already", () => {
  const seen: unknown[] = [];
  const listener = (message: unknown) => void seen.push(message);
  subscribe("bench.test.used", noOp);
  const found = subscriptionsOf(() => {
    subscribe("bench.test.one", listener);
    channel("bench.test.two").subscribe(noOp);
    subscribe("bench.test.two", listener);
    subscribe("bench.test.used", listener);
  });
  expect(found).toEqual([
    { channel: "bench.test.one", listener },
    { channel: "bench.test.two", listener: noOp },
    { channel: "bench.test.two", listener },
    { channel: "bench.test.used", listener },
  ]);
  channel("bench.test.two").publish("stays");
  unsubscribeAll(found);
  channel("bench.test.two").publish("is taken back");
  expect(seen).toEqual(["stays"]);
  expect(channel("bench.test.one").hasSubscribers).toBe(false);
  expect(channel("bench.test.used").hasSubscribers).toBe(true);
  unsubscribe("bench.test.used", noOp);
});

test("afterwards nothing is found any more, also where it failed", () => {
  const found = subscriptionsOf(() => {});
  expect(() =>
    subscriptionsOf(() => {
      throw new Error("no helper");
    }),
  ).toThrow("no helper");
  subscribe("bench.test.later", noOp);
  unsubscribe("bench.test.later", noOp);
  expect(found).toEqual([]);
});

test("subscribers that do nothing come and go, one a channel", () => {
  const like = [
    { channel: "bench.test.three", listener: noOp },
    { channel: "bench.test.three", listener: noOp },
    { channel: "bench.test.four", listener: noOp },
  ];
  const [held, switched] = [noOpsLike(like), noOpsLike(like)];
  expect(held.map(({ channel: name }) => name)).toEqual(["bench.test.three", "bench.test.four"]);
  subscribeAll(held);
  subscribeAll(switched);
  unsubscribeAll(switched);
  expect(channel("bench.test.three").hasSubscribers).toBe(true);
  unsubscribeAll(held);
  expect(channel("bench.test.three").hasSubscribers).toBe(false);
});
