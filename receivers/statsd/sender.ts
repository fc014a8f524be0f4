import type { StatsdConfig } from "./config.ts";

/** What is aggregated apart: the name of a sender. */
export type SenderName = (address: string, port: number) => string;

/** All senders are one unless the config tells them apart, as the Collector always does without ignore_host. */
export function senderNameOf(config: StatsdConfig): SenderName {
  if (config.ignore_host ?? !config.enable_ip_only_aggregation) return () => "";
  if (config.enable_ip_only_aggregation) return (address) => address;
  return (address, port) => `${address} ${port}`;
}
