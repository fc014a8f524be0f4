/** Numbers, times and enum names as Go prints them. */

/** `%f`: six decimals, exact ties to the even digit. */
export function formatFixed(value: number): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  if (Object.is(value, -0)) return "-0.000000";
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}.000000`;
  // A double is an exact tie at the seventh decimal only if it is an odd multiple of 1/128.
  const eighths = Math.abs(value) * 128;
  if (eighths < Number.MAX_SAFE_INTEGER && eighths % 2 === 1) {
    const truncated = value.toFixed(7).slice(0, -1);
    const lastDigit = truncated.charCodeAt(truncated.length - 1) - 0x30;
    if (lastDigit % 2 === 0) return truncated;
  }
  return value.toFixed(6);
}

/** `%v`: shortest form, with an exponent below 1e-4 and from 1e6 on. */
export function formatGeneral(value: number): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", exponentText = ""] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  // JavaScript itself writes exponents only below 1e-6.
  if (exponent >= -4 && exponent < 6) return String(value);
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
}

/** A double within text, as encoding/json writes it (which is as JavaScript does, but for -0). */
export const formatJsonNumber = (value: number): string =>
  Object.is(value, -0) ? "-0" : String(value);

/** What no JSON number exists for; the text is that of Go's encoding/json error. */
export function formatAttributeDouble(value: number): string {
  if (Number.isFinite(value)) return formatJsonNumber(value);
  return `json: unsupported value: ${formatSpecial(value)}`;
}

function formatSpecial(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

/** Nanoseconds since 1970 as `2006-01-02 15:04:05.999999999 +0000 UTC`, without trailing zeros. */
export function formatTimestamp(nanoseconds: string): string {
  // Go keeps the value as a signed 64-bit integer.
  const value = BigInt.asIntN(64, BigInt(nanoseconds));
  const fraction = ((value % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((value - fraction) / 1_000_000_000n);
  const [day = "", time = ""] = new Date(seconds * 1000).toISOString().split("T");
  const digits = fraction.toString().padStart(9, "0").replace(/0+$/, "");
  return `${day} ${time.slice(0, 8)}${digits === "" ? "" : `.${digits}`} +0000 UTC`;
}

const severities = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"].flatMap((name) => [
  name,
  `${name}2`,
  `${name}3`,
  `${name}4`,
]);

const names = {
  severity: ["Unspecified", ...severities],
  spanKind: ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"],
  statusCode: ["Unset", "Ok", "Error"],
  temporality: ["Unspecified", "Delta", "Cumulative"],
} as const;

/** The name of an enum's value; empty for a value without one. */
export const enumName = (kind: keyof typeof names, value = 0): string => names[kind][value] ?? "";
