/** Where an exporter sends to, as labels of its metrics (exporterhelper's WithAttrs). */
import type { Exporter, Labels, Signal } from "../component.ts";

export interface NamesDestination {
  /** `server.address`, `server.port`, `url.path`: of one signal, which it can serve. */
  destination(signal: Signal): Labels;
}

/** Nothing of an exporter that does not say. */
export function destinationOf(exporter: Exporter, signal: Signal): Labels {
  return namesDestination(exporter) ? exporter.destination(signal) : {};
}

const namesDestination = (exporter: Exporter): exporter is Exporter & NamesDestination =>
  "destination" in exporter && typeof exporter.destination === "function";
