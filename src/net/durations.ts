/** What the durations of servers and of clients have in common: histograms by labels, labels of calls. */
import { type CatalogueName, notMeasured } from "../catalogue.ts";
import type { Labels, Meter } from "../component.ts";
import { grpcCodeName } from "./grpc-code.ts";

/** Statuses are a backend's own choice: beyond so many, handles are no longer kept here. */
const maxBound = 1000;

/** The histograms of one metric by their labels, bound at first use. */
export class Durations {
  readonly #meter: Meter;
  readonly #name: CatalogueName;
  readonly #bound = new Map<string, { record(value: number): void }>();

  constructor(meter: Meter, name: CatalogueName) {
    this.#meter = meter;
    this.#name = name;
  }

  /** `key` stands for the labels. False: the metric is above the level that is collected, and will be. */
  record(ms: number, key: string, labels: () => Labels): boolean {
    let histogram = this.#bound.get(key);
    if (histogram === undefined) {
      histogram = this.#meter.histogram(this.#name, labels());
      if (histogram === notMeasured) return false;
      if (this.#bound.size < maxBound) this.#bound.set(key, histogram);
    }
    histogram.record(ms / 1000);
    return true;
  }
}

/** As otelgrpc names them; `isError`: the code is a failure of the side that measures. */
export function rpcLabels(path: string, code: number, isError: boolean): Labels {
  const name = grpcCodeName(code);
  return {
    "rpc.method": path.replace(/^\//u, ""),
    "rpc.system.name": "grpc",
    "rpc.response.status_code": name,
    ...(isError ? { "error.type": name } : {}),
  };
}
