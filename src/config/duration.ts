/** Go durations (time.ParseDuration): `300ms`, `1h30m`, `1.5s`, `.5s`, `-1s`, `0`. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds, or undefined when the text is no Go duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/u.exec(text);
  if (match === null) return undefined;
  let ms = 0;
  for (const [, digits, unit] of match[2]!.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu)) {
    ms += Number(digits) * unitMs[unit!]!;
  }
  return match[1] === "-" ? -ms : ms;
}

/** What Go says of a text that is no duration. */
export function durationProblem(text: string): string {
  const quoted = JSON.stringify(text);
  let rest = text.replace(/^[+-]/u, "");
  for (;;) {
    const number = /^(?:\d+\.?\d*|\.\d+)/u.exec(rest)?.[0];
    if (number === undefined) return `time: invalid duration ${quoted}`;
    const unit = /^[^.\d]*/u.exec(rest.slice(number.length))![0];
    if (unit === "") return `time: missing unit in duration ${quoted}`;
    if (!Object.hasOwn(unitMs, unit)) {
      return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`;
    }
    rest = rest.slice(number.length + unit.length);
  }
}

/** The shortest Go duration text: 90000 -> `1m30s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1e-3) return `${Math.round(ms * 1e6)}ns`;
  if (ms < 1) return `${trim(ms * 1e3)}us`;
  if (ms < 1000) return `${trim(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1000;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${seconds > 0 ? `${trim(seconds)}s` : ""}`;
}

const trim = (value: number) => String(Number(value.toFixed(6)));
