/** Timestamps as clients write them: RFC 3339 or Unix seconds. */
import { limits } from "./custom-limits.ts";

const rfc3339 =
  /^(\d{4}-\d{2}-\d{2})[Tt ]((?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2})$/u;

/** Nanoseconds since 1970, or what is wrong with it. */
export function parseTimestamp(timestamp: unknown, nowMs: number): bigint | string {
  const ns = typeof timestamp === "string" ? fromText(timestamp) : fromNumber(timestamp);
  if (typeof ns === "string") return ns;
  if (ns <= 0n) return "timestamp must be after 1970";
  if (ns > BigInt(Math.round(nowMs + limits.aheadMs)) * 1_000_000n) {
    return "timestamp is more than 10 minutes ahead";
  }
  return ns;
}

function fromText(text: string): bigint | string {
  const match = rfc3339.exec(text);
  const [, date, time, fraction = "", zone] = match ?? [];
  const ms = match === null ? Number.NaN : Date.parse(`${date}T${time}${zone!.toUpperCase()}`);
  if (Number.isNaN(ms) || !isOnCalendar(date!)) {
    return "timestamp must be RFC 3339 (2026-01-31T12:00:00Z) or Unix seconds";
  }
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Date.parse takes the 31st of any month. */
function isOnCalendar(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
}

/** A double of seconds has a tenth of a microsecond; cut to whole ones. */
function fromNumber(seconds: unknown): bigint | string {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) {
    return "timestamp must be RFC 3339 or Unix seconds";
  }
  if (seconds > limits.largestSeconds) {
    return "timestamp looks like milliseconds: Unix seconds are expected";
  }
  return BigInt(Math.round(seconds * 1e6)) * 1000n;
}
