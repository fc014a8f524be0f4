/**
 * Lines as the Collector's logger (zap) writes them, without the caller column, and with the time in UTC:
 *
 *     console   time TAB level TAB message [TAB {"key": "value", …}]       fields as JSON with spaces
 *                   further lines of the message
 *     json      {"level":"info","ts":"2026-11-24T13:59:18.123Z","msg":"…","key":"value",…}
 */
import type { LogLevel } from "../log.ts";

export type Fields = Readonly<Record<string, unknown>>;

export type LogEncoder = (atMs: number, level: LogLevel, message: string, fields: Fields) => string;

export const encodeConsole: LogEncoder = (atMs, level, message, fields) => {
  const head = `${new Date(atMs).toISOString()}\t${level}\t${printable(message)}`;
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return `${head}\n`;
  const texts = entries.map(([key, value]) => `${JSON.stringify(key)}: ${spacedJson(value)}`);
  return `${head}\t{${texts.join(", ")}}\n`;
};

export const encodeJson: LogEncoder = (atMs, level, message, fields) => {
  const line: Record<string, unknown> = {
    level,
    ts: new Date(atMs).toISOString(),
    msg: message,
  };
  for (const [key, value] of Object.entries(fields)) {
    // A field must not shadow the line's own keys; a JSON reader would keep the last.
    line[key in line ? `${key}_` : key] = value;
  }
  return `${safeJson(line)}\n`;
};

/**
 * Peers can influence messages (a backend's status text, what the debug exporter shows): no control character
 * reaches a terminal, and a line break, which texts to look at are full of, begins no line like the log's own.
 */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    if (character === "\n") return "\n    ";
    const quoted = JSON.stringify(character).slice(1, -1);
    return quoted === character
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
      : quoted;
  });
}

function spacedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`;
  if (typeof value !== "object" || value === null || "toJSON" in value) return safeJson(value);
  const entries = Object.entries(value).map(
    ([key, inner]) => `${JSON.stringify(key)}: ${spacedJson(inner)}`,
  );
  return `{${entries.join(", ")}}`;
}

/** JSON has no NaN, infinities or bigint; zap writes the former as texts too. */
function safeJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner === "bigint") return inner.toString();
      return typeof inner === "number" && !Number.isFinite(inner) ? goFloat(inner) : inner;
    }) ?? "null"
  );
}

function goFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}
