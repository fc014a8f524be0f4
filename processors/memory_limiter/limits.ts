import type { MemoryLimiterConfig } from "./config.ts";

export interface Limits {
  /** Above: memory is collected by force where Node allows it. */
  readonly hardBytes: number;
  /** Above: data is refused. */
  readonly softBytes: number;
}

const mebibyte = 2 ** 20;
/** Of the hard limit, where no spike limit is given. */
const defaultSpikeShare = 0.2;

/** The limits in bytes; limit_mib wins over limit_percentage, as in the Collector. */
export function limitsOf(config: MemoryLimiterConfig, totalBytes: number): Limits {
  const inMebibytes = config.limit_mib > 0;
  const hardBytes = inMebibytes
    ? config.limit_mib * mebibyte
    : Math.floor((config.limit_percentage * totalBytes) / 100);
  const given = inMebibytes
    ? config.spike_limit_mib * mebibyte
    : Math.floor((config.spike_limit_percentage * totalBytes) / 100);
  const spikeBytes = given > 0 ? given : Math.floor(hardBytes * defaultSpikeShare);
  return { hardBytes, softBytes: hardBytes - spikeBytes };
}
