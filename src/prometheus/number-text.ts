/** Numbers as Go's strconv writes them ('g', shortest), which is what every Prometheus client prints. */

/** The text format's number. */
export function floatText(value: number): string {
  if (Number.isInteger(value)) {
    if (value < 1e6 && value > -1e6) return String(value);
    // Counters are often large integers: String is five times faster than toExponential.
    return Number.isSafeInteger(value) ? largeInteger(value) : exponential(value);
  }
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(value);
  if (Number.isNaN(value)) return "NaN";
  if (magnitude === Infinity) return value > 0 ? "+Inf" : "-Inf";
  return exponential(value);
}

/** OpenMetrics' number: a float has a point or an exponent (`1.0`). */
export function openMetricsFloat(value: number): string {
  const text = floatText(value);
  return Number.isInteger(value) && value < 1e6 && value > -1e6 ? `${text}.0` : text;
}

function largeInteger(value: number): string {
  const digits = String(Math.abs(value));
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 48) end--;
  const exponent = digits.length - 1;
  const fraction = end > 1 ? `.${digits.slice(1, end)}` : "";
  const sign = value < 0 ? "-" : "";
  return `${sign}${digits[0]}${fraction}e+${exponent < 10 ? "0" : ""}${exponent}`;
}

/** JS writes `1.5e-7` where Go writes `1.5e-07`. */
function exponential(value: number): string {
  return value.toExponential().replace(/e([+-])(\d)$/u, "e$10$2");
}
