/** Calls from the demo to its processes over Node's channel, and what these tell by themselves. */
import process from "node:process";

/** Parent to child. */
export interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}
/** Child to parent: the answer to a call, or an event. */
export type Message =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly event: string; readonly value: unknown };

/** What a process of the demo can be asked; each name is a call. */
export type Calls<T> = { readonly [K in keyof T]: (argument: never) => unknown };

/** The child's side: answers calls until the parent ends, and then leaves. */
export function serveCalls(calls: Calls<Record<string, unknown>>, leave: () => void): void {
  process.on("message", (call: Call) => {
    void answer(calls, call).then(send);
  });
  process.on("disconnect", leave);
}

async function answer(
  calls: Calls<Record<string, unknown>>,
  { id, name, argument }: Call,
): Promise<Message> {
  try {
    return { id, result: await calls[name]!(argument as never) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Tells the parent. */
export const tell = (event: string, value: unknown): void => send({ event, value });

/** A parent that is gone is told nothing: "disconnect" comes next. */
function send(message: Message): void {
  if (process.connected) process.send!(message, () => {});
}
