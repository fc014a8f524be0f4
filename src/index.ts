/** The public API of the package: what a plug-in component is declared with. */
export { systemClock } from "./clock.ts";
export type {
  Component,
  ComponentId,
  Consumer,
  Context,
  Edge,
  Exporter,
  Factory,
  Payload,
  PushResult,
  Settings,
  Signal,
  Stage,
  Transform,
} from "./component.ts";
export {
  defineConnector,
  defineExporter,
  defineExtension,
  defineProcessor,
  defineReceiver,
} from "./component.ts";
export { TelemetryError } from "./errors.ts";
