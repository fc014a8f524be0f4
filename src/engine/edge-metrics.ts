/** `rmt_edge_items` and `rmt_edge_bytes`: read from the edges when somebody collects. */
import type { EdgeCounts } from "../component.ts";
import type { InstanceMeter, MeterRegistry } from "../self-telemetry/meter.ts";

interface CountedEdge {
  counts(): EdgeCounts;
}

export class EdgeMetrics {
  readonly #meters: MeterRegistry;
  #meter: InstanceMeter | undefined;

  constructor(meters: MeterRegistry) {
    this.#meters = meters;
  }

  /** Reads these edges from now on, and no others. */
  watch(edges: readonly CountedEdge[]): void {
    this.#meter?.dispose();
    const meter = this.#meters.meterFor({});
    for (const edge of edges) {
      const { from, to, pipeline, signal } = edge.counts();
      const labels = { from, to, pipeline, otel_signal: signal };
      meter.gauge("rmt_edge_items", () => edge.counts().items, labels);
      meter.gauge("rmt_edge_bytes", () => edge.counts().bytes, labels);
    }
    this.#meter = meter;
  }
}
