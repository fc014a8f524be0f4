/** What a person sees first: what listens where, which pipelines, how to send a first metric. */
import type { ResolvedConfig } from "../config/service-config.ts";

export interface BoundAddress {
  readonly owner: string;
  readonly kind: string;
  readonly protocol: "grpc" | "http" | "udp" | "tcp";
  readonly addresses: readonly string[];
  readonly tls: boolean;
}

export function startupText(bound: readonly BoundAddress[], config: ResolvedConfig): string {
  const lines = ["", "Listening:"];
  const owners = bound.map(labelOf);
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
  const endpoint = openForMetrics(bound, config);
  if (endpoint !== undefined) lines.push("Send a first metric:", `  ${firstMetric(endpoint)}`);
  return `${lines.join("\n")}\n\n`;
}

/** What no component owns is named by its place in the configuration. */
const labelOf = ({ kind, owner }: BoundAddress) =>
  owner.startsWith("service::") ? owner : `${kind} ${owner}`;

/** Where a metric can be sent without a certificate: an otlp receiver of a metrics pipeline. */
function openForMetrics(
  bound: readonly BoundAddress[],
  { pipelines, components }: ResolvedConfig,
): string | undefined {
  const takers = pipelines.filter(({ signal }) => signal === "metrics");
  const found = bound.find(
    ({ owner, kind, protocol, tls }) =>
      kind === "receiver" &&
      protocol === "http" &&
      !tls &&
      components.get(`receiver:${owner}`)?.id.type === "otlp" &&
      takers.some(({ receivers }) => receivers.includes(owner)),
  );
  return found?.addresses.find((address) => /:\d+$/u.test(address));
}

/** A curl line that sends one gauge point by OTLP/HTTP. */
export function firstMetric(endpoint: string): string {
  const point = { asInt: "1", timeUnixNano: "'$(date +%s)000000000'" };
  const metric = { name: "hello", gauge: { dataPoints: [point] } };
  const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
  return `curl -sS http://${endpoint}/v1/metrics -H 'Content-Type: application/json' -d '${body}'`;
}
