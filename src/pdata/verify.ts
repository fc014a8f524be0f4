/**
 * The check at birth: walks a request's structure down to the leaves, once, at the receiver, and accepts and
 * refuses what the Collector's pdata does (two exceptions, both refused here: groups, and tags of more than
 * 32 bits). Not checked: UTF-8, enum values.
 *
 * It is the hottest loop of the service. What makes it fast, each worth a factor:
 * - one flat loop with an explicit stack and no call inside: after a call V8 loads and checks the array again;
 * - one load of an opcode table says what a tag is in its message (verify-table.ts);
 * - opcodes are literals, checked by `satisfies`: V8 does not fold imported constants (-20 %);
 * - `| 0` keeps positions small integers without overflow checks;
 * - one bounds test a field ("a field has at least two bytes"): fixed-width fields only advance, and
 *   overshooting is noticed at the end of the message;
 * - attributes with a short key and a short scalar are passed in one step, key first (SDKs) or value first
 *   (the Collector).
 * Whatever is rare (unknown fields, long tags, huge lengths) leaves the loop with its state saved, passes
 * through the walker, and the loop is entered again.
 */
import { TelemetryError } from "../errors.ts";
import { requestMessages } from "./otlp-schema.ts";
import type { Signal } from "./payload.ts";
import { normalise } from "./regular.ts";
import {
  messageIndex,
  type opAttribute,
  type opContainer,
  opcodes,
  type opData,
  type opFixed32,
  type opFixed64,
  type opId8,
  type opId16,
  type opItem,
  type opLeaf,
  type opNestedValue,
  type opOnce,
  type opPackedFixed64,
  type opPackedVarint,
  type opRootValue,
  type opSpanFlags,
  type opVarint,
  recursionLimit,
  seenAdded,
  seenBit,
  seenData,
  seenKept,
} from "./verify-table.ts";
import { emptyTally, type Tally, walkField, walkMessage } from "./verify-walker.ts";

/**
 * Checks a request; returns its number of items (spans, data points, log records). Throws TelemetryError
 * MALFORMED_DATA, permanent, with the Collector's text and the offset.
 */
export function verify(signal: Signal, bytes: Uint8Array): number {
  return check(signal, bytes).items;
}

/**
 * As `verify`, and brings the few legal shapes that readers understand differently (a metric with two data
 * members, a resource given twice, the scope list of OTLP before 0.19) into the one form with the same meaning.
 * Receivers call this; `bytes` of the result are the given ones unless such a shape occurs.
 */
export function verifyAndNormalise(
  signal: Signal,
  bytes: Uint8Array,
): { readonly bytes: Uint8Array; readonly items: number } {
  const { items, irregular } = check(signal, bytes);
  return { bytes: irregular ? normalise(signal, bytes) : bytes, items };
}

function check(signal: Signal, bytes: Uint8Array): Tally {
  const root = messageIndex(requestMessages[signal]);
  tally = emptyTally();
  top = 0;
  from = 0;
  ends[0] = bytes.length;
  messages[0] = root << 8;
  for (;;) {
    const outcome = bytes.length === 0 ? done : scan(bytes);
    if (outcome === done) return tally;
    if (outcome === bad) throw explain(root, bytes);
    const message = messages[top]! >> 8;
    const depth = isValue(message) ? top - state[baseAt]! : -1;
    from = walkField(bytes, from, ends[top]!, { message, depth }, tally);
  }
}

const firstValue = messageIndex("KeyValue");
const lastValue = messageIndex("KeyValueList");
/** The four value messages stand side by side in the schema. */
const isValue = (message: number) => message >= firstValue && message <= lastValue;

/** What is wrong: the walker goes through the whole request again, in order. */
function explain(root: number, bytes: Uint8Array): TelemetryError {
  try {
    walkMessage(bytes, 0, bytes.length, { message: root, depth: -1 }, emptyTally());
  } catch (error) {
    if (error instanceof TelemetryError) return error;
    throw error;
  }
  return new TelemetryError("INTERNAL", "BUG: the two halves of the check disagree");
}

const done = 0;
const bad = 1;
const aside = 2;

/** The loop's state while it is left. Checking is synchronous and never nested, so one set is enough. */
let tally: Tally = emptyTally();
/** Where to go on. */
let from = 0;
/** Index of the open message. */
let top = 0;
/** Ends of the open messages, and which they are (index << 8). Seven lie around a value, 100 within. */
const ends = new Int32Array(128);
const messages = new Int32Array(128);
/** What the loop seldom needs lies here, so that the rest fits into registers. */
const state = new Int32Array(4);
const seenAt = 0;
const beforeDataAt = 1;
const irregularAt = 2;
/** Index of the message at which the open value (attribute or body) begins: depth 0. */
const baseAt = 3;

/* oxlint-disable complexity, max-lines-per-function, max-depth -- One flat loop is the point: 7x faster than
   the same in functions (see the head of this file). */
function scan(b: Uint8Array): number {
  const table = opcodes;
  const end = ends;
  const msg = messages;
  let p = from | 0;
  let sp = top | 0;
  let items = tally.items | 0;
  let e = end[sp]! | 0;
  let m = msg[sp]! | 0;
  let outcome = bad;
  state[seenAt] = tally.seen;
  state[beforeDataAt] = tally.itemsBeforeData;
  state[irregularAt] = tally.irregular ? 1 : 0;
  // Never true: reading each array once, unconditionally, moves their checks out of the loop (-20 %).
  if ((b[0]! | table[0]! | end[0]! | msg[0]! | state[seenAt]) < 0) return bad;

  for (;;) {
    if (((p + 1) | 0) >= e) {
      if (p !== e) break;
      if (sp === 0) {
        outcome = done;
        break;
      }
      sp = (sp - 1) | 0;
      e = end[sp]! | 0;
      m = msg[sp]! | 0;
      continue;
    }
    const t = m | b[p]!;
    const entry = table[t]!;
    const o = entry & 255;

    if (o === (1 satisfies typeof opFixed64)) {
      p = (p + 9) | 0;
      continue;
    }
    let n = b[(p + 1) | 0]! | 0;
    p = (p + 2) | 0;
    if (o < (5 satisfies typeof opLeaf)) {
      if (o === (2 satisfies typeof opVarint)) {
        if (n > 127) {
          const last = (p + 9) | 0;
          do {
            if (p >= e || p === last) n = -1;
            else n = b[p]!;
            p = (p + 1) | 0;
          } while (n > 127);
          if (n < 0) break;
        }
        continue;
      }
      if (o === (3 satisfies typeof opFixed32)) {
        p = (p + 3) | 0;
        continue;
      }
      if (o === (4 satisfies typeof opSpanFlags) && n === 1) {
        p = (p + 4) | 0;
        continue;
      }
      outcome = aside;
      p = (p - 2) | 0;
      break;
    }

    if (n > 127) {
      // Up to four bytes of length; what is longer is overlong or past any body's end.
      if (p >= e) break;
      let c = b[p]! | 0;
      p = (p + 1) | 0;
      n = (n & 127) | ((c & 127) << 7);
      if (c > 127) {
        if (p >= e) break;
        c = b[p]! | 0;
        p = (p + 1) | 0;
        n = n | ((c & 127) << 14);
        if (c > 127) {
          if (p >= e) break;
          c = b[p]! | 0;
          p = (p + 1) | 0;
          n = n | ((c & 127) << 21);
          if (c > 127) {
            outcome = aside;
            p = (p - 5) | 0;
            break;
          }
        }
      }
    }

    if (o === (5 satisfies typeof opLeaf)) {
      p = (p + n) | 0;
      continue;
    }
    const q = (p + n) | 0;
    if (q > e) break;

    if (o === (6 satisfies typeof opAttribute)) {
      // In both orders: key and value must fill [p, q) exactly, with lengths of one byte, which a longer
      // length cannot do; the value is [v, v + vn).
      if (n < 128 && n >= 4) {
        const length = b[(p + 1) | 0]! | 0;
        const second = (p + 2 + length) | 0;
        if (((second + 2) | 0) <= q) {
          const other = b[(second + 1) | 0]! | 0;
          if (((second + 2 + other) | 0) === q) {
            const order = (b[p]! << 8) | b[second]!;
            let v = (second + 2) | 0;
            let vn = other;
            if (order !== 0x0a12) {
              v = (p + 2) | 0;
              vn = order === 0x120a ? length : -1;
            }
            if (vn >= 2) {
              const kind = b[v]! | 0;
              const c = b[(v + 1) | 0]! | 0;
              if (kind === 0x0a) {
                if (((c + 2) | 0) === vn) {
                  p = q;
                  continue;
                }
              } else if (kind === 0x18) {
                // All bytes of an integer but the last go on.
                const last = (v + vn - 1) | 0;
                let i = (v + 1) | 0;
                while (i < last && b[i]! > 127) i = (i + 1) | 0;
                if (i === last && b[i]! < 128 && vn <= 11) {
                  p = q;
                  continue;
                }
              } else if (
                kind === 0x3a
                  ? ((c + 2) | 0) === vn
                  : kind === 0x21
                    ? vn === 9
                    : kind === 0x10 && c < 128 && vn === 2
              ) {
                p = q;
                continue;
              }
            }
          }
        }
      }
      state[baseAt] = (sp + 1) | 0;
    } else {
      if (o === (7 satisfies typeof opItem)) items = (items + 1) | 0;
      else
        switch (o) {
          case 8 satisfies typeof opId16:
            if (n !== 16 && n !== 0) {
              n = -1;
              break;
            }
            p = q;
            continue;
          case 9 satisfies typeof opId8:
            if (n !== 8 && n !== 0) {
              n = -1;
              break;
            }
            p = q;
            continue;
          case 11 satisfies typeof opRootValue:
            state[baseAt] = (sp + 1) | 0;
            break;
          case 12 satisfies typeof opNestedValue:
            if (((sp + 1 - state[baseAt]!) | 0) >= recursionLimit) n = -1;
            break;
          case 13 satisfies typeof opPackedFixed64:
            if ((n & 7) !== 0) {
              n = -1;
              break;
            }
            p = q;
            continue;
          case 14 satisfies typeof opPackedVarint: {
            // Each varint must end within [p, q) after at most ten bytes.
            let run = 0;
            for (let i = p; i < q; i = (i + 1) | 0) {
              run = b[i]! > 127 ? (run + 1) | 0 : 0;
              if (run === 10) n = -1;
            }
            if (run !== 0) n = -1;
            if (n < 0) break;
            p = q;
            continue;
          }
          case 15 satisfies typeof opContainer: {
            const child = entry >> 8;
            state[seenAt] = (state[seenAt] & seenKept[child]!) | seenAdded[child]!;
            break;
          }
          case 16 satisfies typeof opOnce: {
            const bit = seenBit[entry >> 8]! | 0;
            if ((state[seenAt] & bit) !== 0) state[irregularAt] = 1;
            state[seenAt] |= bit;
            break;
          }
          case 17 satisfies typeof opData:
            if ((state[seenAt] & seenData) === 0) {
              state[seenAt] |= seenData;
              state[beforeDataAt] = items;
            } else {
              state[irregularAt] = 1;
              items = state[beforeDataAt] | 0;
            }
            break;
          default:
            break;
        }
      if (n < 0) break;
    }
    sp = (sp + 1) | 0;
    end[sp] = e = q;
    msg[sp] = m = entry & 0xff00;
  }

  from = p;
  top = sp;
  tally.items = items;
  tally.seen = state[seenAt];
  tally.itemsBeforeData = state[beforeDataAt];
  tally.irregular = state[irregularAt] === 1;
  return outcome;
}
/* oxlint-enable complexity, max-lines-per-function, max-depth */
