/** Which subscribers a helper has on which diagnostics channels, and subscribers that do nothing. */
import {
  type Channel,
  type ChannelListener,
  channel,
  subscribe,
  unsubscribe,
} from "node:diagnostics_channel";

export interface Subscription {
  readonly channel: string;
  readonly listener: ChannelListener;
}

type Subscribe = (this: Channel, listener: ChannelListener) => void;

/** The subscriptions that are made meanwhile; they stay. */
export function subscriptionsOf(act: () => void): Subscription[] {
  const found: Subscription[] = [];
  const active = activePrototype();
  const original = active.subscribe;
  active.subscribe = function (listener) {
    found.push({ channel: String(this.name), listener });
    original.call(this, listener);
  };
  try {
    act();
  } finally {
    active.subscribe = original;
  }
  return found;
}

/** Channels with subscribers have a class of their own, which all subscriptions pass; Node does not export it. */
function activePrototype(): { subscribe: Subscribe } {
  const any = channel("repomind.bench");
  any.subscribe(ignore);
  const prototype = Object.getPrototypeOf(any) as { subscribe: Subscribe };
  any.unsubscribe(ignore);
  return prototype;
}

const ignore = () => {};

export function subscribeAll(subscriptions: readonly Subscription[]): void {
  for (const { channel: name, listener } of subscriptions) subscribe(name, listener);
}

export function unsubscribeAll(subscriptions: readonly Subscription[]): void {
  for (const { channel: name, listener } of subscriptions) unsubscribe(name, listener);
}

/** One for each channel that the given ones are on. */
export function noOpsLike(subscriptions: readonly Subscription[]): Subscription[] {
  const channels = new Set(subscriptions.map((subscription) => subscription.channel));
  return [...channels].map((name) => ({ channel: name, listener: () => {} }));
}
