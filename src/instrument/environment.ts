/** Options from the environment: OTEL_EXPORTER_OTLP_METRICS_* before OTEL_EXPORTER_OTLP_*. */
import { messageOf, type Problems } from "./problems.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as unset (OpenTelemetry environment variable specification). */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === "" ? undefined : value;
}

/** The variable for metrics, or else the one for all signals. */
export function otlpVariable(env: Environment, suffix: string): string | undefined {
  return (
    variable(env, `OTEL_EXPORTER_OTLP_METRICS_${suffix}`) ??
    variable(env, `OTEL_EXPORTER_OTLP_${suffix}`)
  );
}

/** `a=1,b=2`, percent-encoded: headers and resource attributes. Pairs that are none are reported. */
export function parsePairs(
  text: string | undefined,
  source: string,
  problems: Problems,
): [string, string][] {
  const pairs: [string, string][] = [];
  for (const item of (text ?? "").split(",")) {
    if (item.trim() === "") continue;
    const equals = item.indexOf("=");
    try {
      if (equals <= 0) throw new Error("a pair is key=value");
      const [key, value] = [item.slice(0, equals), item.slice(equals + 1)];
      pairs.push([decodeURIComponent(key.trim()), decodeURIComponent(value.trim())]);
    } catch (error) {
      problems.report("invalid_option", `cannot read ${source}: ${messageOf(error)}`, source);
    }
  }
  return pairs;
}
