/** The way of one export request's bytes into the pipeline, the same for gRPC and HTTP. */
import type { Context, Edge, ReceiverNext, Signal } from "../../src/component.ts";
import { createPayload } from "../../src/pdata/payload.ts";
import { verifyAndNormalise } from "../../src/pdata/verify.ts";

/**
 * Checks a protobuf request and hands it over; resolves when somebody has taken responsibility. `release` ends
 * the transport's share of the budget and is called in the tick of the hand-over.
 * An empty request is a success and goes nowhere.
 */
export function exportRequest(
  edge: Edge,
  signal: Signal,
  body: Uint8Array,
  context: Context,
  release: () => void,
): Promise<void> {
  const { bytes, items } = verifyAndNormalise(signal, body);
  if (items === 0) return done;
  const payload = createPayload(signal, [bytes], [items]);
  release();
  return edge.consume(payload, context);
}

const done: Promise<void> = Promise.resolve();

/** The edge of a signal; undefined: no pipeline takes it. */
export const edgeOf = (next: ReceiverNext, signal: Signal): Edge | undefined => next[signal];
