/** Which diagnostics channels a helper uses, and subscribers that do nothing. */
import { Channel, subscribe, unsubscribe } from "node:diagnostics_channel";

/** The channels that get their first subscriber meanwhile. */
export function channelsUsedBy(act: () => void): string[] {
  const names: string[] = [];
  const original = Channel.prototype.subscribe;
  Channel.prototype.subscribe = function (listener) {
    names.push(String(this.name));
    original.call(this, listener);
  };
  try {
    act();
  } finally {
    Channel.prototype.subscribe = original;
  }
  return names;
}

/** Returns what takes the subscribers back. */
export function subscribeNoOps(channels: readonly string[]): () => void {
  const noOp = () => {};
  for (const name of channels) subscribe(name, noOp);
  return () => {
    for (const name of channels) unsubscribe(name, noOp);
  };
}
