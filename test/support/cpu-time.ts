/** Milliseconds of CPU that this process has used since: for bounds against runaway work, on a busy machine too. */
export function cpuTimer(): () => number {
  const start = process.cpuUsage();
  return () => process.cpuUsage(start).user / 1000;
}
