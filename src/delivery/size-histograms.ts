/** How large requests are when they come to the sending queue, and how large batches when they leave. */
import type { Labels, Payload, Settings } from "../component.ts";

export class SizeHistograms {
  readonly #offered: Histogram;
  readonly #offeredBytes: Histogram;
  readonly #sent: Histogram | undefined;
  readonly #sentBytes: Histogram | undefined;

  /** `destination`: labels of what is sent; present where requests are joined, only then are sends measured. */
  constructor({ meter, id }: Settings, destination: Labels | undefined) {
    const own = { exporter: id.text };
    this.#offered = meter.histogram("otelcol_exporter_enqueue_size", own);
    this.#offeredBytes = meter.histogram("otelcol_exporter_enqueue_size_bytes", own);
    if (destination === undefined) return;
    const labels = { ...own, ...destination };
    this.#sent = meter.histogram("otelcol_exporter_queue_batch_send_size", labels);
    this.#sentBytes = meter.histogram("otelcol_exporter_queue_batch_send_size_bytes", labels);
  }

  /** To the queue, whether it takes it or not. */
  offered({ itemCount, byteLength }: Payload): void {
    this.#offered.record(itemCount);
    this.#offeredBytes.record(byteLength);
  }

  sent({ itemCount, byteLength }: Payload): void {
    this.#sent?.record(itemCount);
    this.#sentBytes?.record(byteLength);
  }
}

interface Histogram {
  record(value: number): void;
}
