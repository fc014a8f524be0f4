/** `otelcol_exporter_send_failed_*`: items by the kind of the error, as exporterhelper's obs_report_sender.go has it. */
import type { CatalogueName } from "../catalogue.ts";
import type { Labels, Meter } from "../component.ts";
import { TelemetryError } from "../errors.ts";
import { grpcCode, grpcCodeText } from "../net/grpc-code.ts";

export class SendFailed {
  readonly #meter: Meter;
  readonly #name: CatalogueName;
  readonly #labels: Labels;
  /** By error.type and error.permanent: few. */
  readonly #bound = new Map<string, { add(n: number): void }>();

  constructor(meter: Meter, name: CatalogueName, labels: Labels) {
    this.#meter = meter;
    this.#name = name;
    this.#labels = labels;
    // There from the start: a rate of what has never happened is 0.
    meter.counter(name, labels);
  }

  add(items: number, error: TelemetryError): void {
    const type = errorType(error);
    const permanent = String(!error.retryable);
    const key = `${type} ${permanent}`;
    let counter = this.#bound.get(key);
    if (counter === undefined) {
      const labels = { ...this.#labels, "error.type": type, "error.permanent": permanent };
      counter = this.#meter.counter(this.#name, labels);
      this.#bound.set(key, counter);
    }
    counter.add(items);
  }
}

/** The status that the destination gave, or why it gave none. */
function errorType(error: TelemetryError): string {
  const chain = chainOf(error);
  if (chain.some(({ code }) => code === "SHUTTING_DOWN")) return "Shutdown";
  const status = chain.find((one) => one.status !== undefined)?.status;
  if (status !== undefined) return isKnown(status.code) ? grpcCodeText(status.code) : "_OTHER";
  return chain.some(({ code }) => code === "TIMEOUT") ? "Deadline_Exceeded" : "_OTHER";
}

/** A destination may answer any number; each would be a series of its own. */
const isKnown = (code: number) => code >= 0 && code <= grpcCode.UNAUTHENTICATED;

function chainOf(error: TelemetryError): TelemetryError[] {
  const { cause } = error;
  return cause instanceof TelemetryError ? [error, ...chainOf(cause)] : [error];
}
