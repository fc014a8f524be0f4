/**
 * The Collector's feature gates. Two have a meaning here; of the others a known one is accepted and said so, an unknown
 * one refused, as the Collector does.
 */
import { UsageError } from "./options.ts";

/** Gates of Collector core and of the components this version has, up to v0.165. */
const knownGates: ReadonlySet<string> = new Set([
  "confmap.enableMergeAppendOption",
  "confmap.newExpandedValueSanitizer",
  "confighttp.framedSnappy",
  "configgrpc.useDNSAsDefaultResolver",
  "exporter.PersistRequestContext",
  "exporter.prometheusexporter.DisableAddMetricSuffixes",
  "exporter.prometheusremotewritexporter.enableMultipleWorkers",
  "extension.healthcheck.useComponentStatus",
  "otelcol.printInitialConfig",
  "pdata.useCustomProtoEncoding",
  "pdata.useProtoPooling",
  "pkg.exporterhelper.queueBatchEnabled",
  "pkg.translator.prometheus.NormalizeName",
  "pkg.translator.prometheus.PermissiveLabelSanitization",
  "processor.batch.propertyBasedBatching",
  "processor.resourcedetection.hostCPUSteppingAsString",
  "receiver.statsd.monotonicCounterDefault",
  "receiver.prometheusreceiver.EnableNativeHistograms",
  "receiverhelper.newReceiverMetrics",
  "service.AllowNoPipelines",
  "service.noopTracerProvider",
  "service.partialReload",
  "service.profilesSupport",
  "telemetry.UseLocalHostAsDefaultMetricsAddress",
  "telemetry.disableAddressFieldForInternalTelemetry",
  "telemetry.disableHighCardinalityMetrics",
  "telemetry.newPipelineTelemetry",
  "telemetry.useOtelForInternalMetrics",
  "telemetry.useOtelWithSDKConfigurationForInternalTelemetry",
]);

const mergeAppend = "confmap.enableMergeAppendOption";
const receiverRequests = "receiverhelper.newReceiverMetrics";

export interface GateSettings {
  /** Merging configurations appends to some lists. */
  readonly mergeAppend: boolean;
  /** `otelcol_receiver_requests` is counted. */
  readonly receiverRequests: boolean;
  /** What to log at start. */
  readonly notes: readonly string[];
}

/** Checks `a,-b,+c`; throws UsageError for a gate that the Collector does not have. */
export function applyFeatureGates(gates: readonly string[]): GateSettings {
  const on = new Map([
    [mergeAppend, false],
    [receiverRequests, false],
  ]);
  const notes: string[] = [];
  for (const gate of gates) {
    const id = gate.replace(/^[+-]/u, "");
    if (!knownGates.has(id)) throw new UsageError(`no such feature gate "${id}"`);
    if (on.has(id)) on.set(id, !gate.startsWith("-"));
    else notes.push(`Feature gate "${id}" is known and changes nothing in this version.`);
  }
  return {
    mergeAppend: on.get(mergeAppend) === true,
    receiverRequests: on.get(receiverRequests) === true,
    notes,
  };
}
