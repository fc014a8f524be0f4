/** What a person sees first: what listens where, which pipelines, how to send a first metric. */
import type { ResolvedConfig } from "../config/service-config.ts";

export interface BoundAddress {
  readonly owner: string;
  readonly kind: string;
  readonly protocol: "grpc" | "http";
  readonly addresses: readonly string[];
}

export function startupText(bound: readonly BoundAddress[], config: ResolvedConfig): string {
  const lines = ["", "Listening:"];
  const owners = bound.map(({ kind, owner }) => `${kind} ${owner}`);
  const pipelineIds = config.pipelines.map(({ id }) => id);
  const width = Math.max(...[...owners, ...pipelineIds].map(({ length }) => length)) + 2;
  for (const [i, { protocol, addresses }] of bound.entries()) {
    lines.push(`  ${owners[i]!.padEnd(width)}${protocol.padEnd(6)}${addresses.join(", ")}`);
  }
  lines.push("Pipelines:");
  for (const { id, receivers, processors, exporters } of config.pipelines) {
    const stations = [receivers, processors, exporters].filter((ids) => ids.length > 0);
    lines.push(`  ${id.padEnd(width)}${stations.map((ids) => ids.join(", ")).join(" -> ")}`);
  }
  const endpoint = bound.find(
    ({ owner, kind, protocol }) =>
      kind === "receiver" && protocol === "http" && owner.startsWith("otlp"),
  )?.addresses[0];
  if (endpoint !== undefined) lines.push("Send a first metric:", `  ${firstMetric(endpoint)}`);
  return `${lines.join("\n")}\n\n`;
}

/** A curl line that sends one gauge point by OTLP/HTTP. */
export function firstMetric(endpoint: string): string {
  const point = { asInt: "1", timeUnixNano: "'$(date +%s)000000000'" };
  const metric = { name: "hello", gauge: { dataPoints: [point] } };
  const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
  return `curl -sS http://${endpoint}/v1/metrics -H 'Content-Type: application/json' -d '${body}'`;
}
