/** `repomind-telemetry/instrument`: what an application imports to measure itself (docs/instrument.md). */
export { setErrorType, setRoute } from "./http/requests.ts";
export { instrumentHttp, start } from "./telemetry.ts";
export type {
  Adder,
  Attributes,
  Counter,
  FlushResult,
  HistogramOptions,
  HttpOptions,
  Instrument,
  InstrumentOptions,
  Meter,
  Observe,
  ObservedKind,
  Of,
  Problem,
  Recorder,
  StartOptions,
  Stats,
  Telemetry,
  Value,
} from "./types.ts";
