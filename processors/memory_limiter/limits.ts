import type { MemoryLimiterConfig } from "./config.ts";

export interface Limits {
  /** From here on memory is collected by force as often as the config allows. */
  readonly hardBytes: number;
  /** From here on data is refused. */
  readonly softBytes: number;
}

const mebibyte = 2 ** 20;
/** The spike where none is given is a fifth of the hard limit. */
const defaultSpikeDivisor = 5;

/** The limits in bytes; limit_mib wins over limit_percentage, as in the Collector. */
export function limitsOf(config: MemoryLimiterConfig, totalBytes: number): Limits {
  const inMebibytes = config.limit_mib > 0;
  const hardBytes = inMebibytes
    ? config.limit_mib * mebibyte
    : Math.floor((config.limit_percentage * totalBytes) / 100);
  const given = inMebibytes
    ? config.spike_limit_mib * mebibyte
    : Math.floor((config.spike_limit_percentage * totalBytes) / 100);
  const spikeBytes = given > 0 ? given : Math.floor(hardBytes / defaultSpikeDivisor);
  return { hardBytes, softBytes: hardBytes - spikeBytes };
}
