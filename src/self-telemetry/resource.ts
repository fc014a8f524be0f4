/** What the service says of itself: `target_info` of a scrape, the resource of a push. */
import { randomUUID } from "../node-crypto.ts";
import type { ResourceConfig } from "./config.ts";
import type { ResourceAttributes } from "./sdk.ts";

export interface ServiceIdentity {
  /** service.name unless configured. */
  readonly name: string;
  readonly version: string;
}

/** One per process, so that a restart is seen as a new instance. */
const instanceId = randomUUID();

/** The Collector's three default attributes, overlaid by `service::telemetry::resource`; null removes one. */
export function resourceAttributes(
  identity: ServiceIdentity,
  configured: ResourceConfig,
): ResourceAttributes {
  const merged: ResourceConfig = {
    "service.name": identity.name,
    "service.version": identity.version,
    "service.instance.id": instanceId,
    ...configured,
  };
  const kept: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(merged)) if (value !== null) kept[name] = value;
  return kept;
}
