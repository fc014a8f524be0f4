/**
 * Telemetry travels as the bytes it arrived in: a payload is one or more serialized OTLP export requests.
 *
 * An export request is `repeated Resource{Spans,Metrics,Logs} = 1` at its top, so requests are joined by
 * concatenation:
 *
 *     payload   = part part part …          each part a whole number of top-level fields
 *     part      = 0x0a <length> <ResourceX> 0x0a <length> <ResourceX> …
 *     seam      = a part at which one client's request begins
 *
 * Payloads are immutable, and well-formed by construction: bytes are verified once, at the receiver
 * (`verify`), and nobody checks again.
 */
export type Signal = "traces" | "metrics" | "logs";
export const signals: readonly Signal[] = ["traces", "metrics", "logs"];

/** What the self-metrics call an item of each signal. */
export const itemNames: Readonly<Record<Signal, string>> = {
  traces: "spans",
  metrics: "metric_points",
  logs: "log_records",
};

export interface Payload<S extends Signal = Signal> {
  readonly signal: S;
  /** Spans, data points or log records. */
  readonly itemCount: number;
  /** Bytes on the wire: the sum of the parts' lengths. */
  readonly byteLength: number;
  /** Bytes of the buffers that the parts keep alive; at most twice byteLength (see `createPayload`). */
  readonly heldBytes: number;
  /** Their concatenation is a valid export request; each is one on its own. */
  readonly parts: readonly Uint8Array[];
  /** Items in each part. */
  readonly partItems: readonly number[];
  /** Indices into parts at which a client's request begins; the first is 0. Empty when there are no parts. */
  readonly seams: readonly number[];
}

class BytesPayload<S extends Signal> implements Payload<S> {
  readonly signal: S;
  readonly itemCount: number;
  readonly byteLength: number;
  readonly heldBytes: number;
  readonly parts: readonly Uint8Array[];
  readonly partItems: readonly number[];
  readonly seams: readonly number[];

  constructor(
    signal: S,
    parts: readonly Uint8Array[],
    partItems: readonly number[],
    seams: readonly number[],
  ) {
    let items = 0;
    let bytes = 0;
    let held = 0;
    let previous: ArrayBufferLike | undefined;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      items += partItems[i]!;
      bytes += part.byteLength;
      // Parts of one buffer stand side by side: counting a buffer once per run is exact in practice.
      if (part.buffer !== previous) held += part.buffer.byteLength;
      previous = part.buffer;
    }
    this.signal = signal;
    this.itemCount = items;
    this.byteLength = bytes;
    this.heldBytes = held;
    this.parts = parts;
    this.partItems = partItems;
    this.seams = seams;
  }
}

/** Small payloads may live in shared buffers (Node's pool); copying them would cost more than it frees. */
const compactAboveBytes = 16 * 1024;

/**
 * Makes a payload of verified parts. Copies the bytes together when they use less than half of the buffers
 * that they would keep alive.
 */
export function createPayload<S extends Signal>(
  signal: S,
  parts: readonly Uint8Array[],
  partItems: readonly number[],
  seams: readonly number[] = parts.length > 0 ? [0] : [],
): Payload<S> {
  const payload = new BytesPayload(signal, parts, partItems, seams);
  if (payload.heldBytes <= compactAboveBytes || payload.byteLength * 2 >= payload.heldBytes) {
    return payload;
  }
  return new BytesPayload(signal, compact(parts, payload.byteLength), partItems, seams);
}

/** The same parts, side by side in one new buffer. */
function compact(parts: readonly Uint8Array[], byteLength: number): Uint8Array[] {
  const buffer = Buffer.allocUnsafeSlow(byteLength);
  const copies: Uint8Array[] = [];
  let at = 0;
  for (const part of parts) {
    buffer.set(part, at);
    copies.push(buffer.subarray(at, at + part.byteLength));
    at += part.byteLength;
  }
  return copies;
}
