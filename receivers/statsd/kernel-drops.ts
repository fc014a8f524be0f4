/** Packets that the kernel dropped because nobody read a socket's buffer in time (Linux). */
import { readFile } from "node:fs/promises";

interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * Sum of the drop counters of these sockets; undefined: this system does not tell.
 *
 *     /proc/net/udp = sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ref pointer drops
 */
export async function kernelDrops(sockets: readonly SocketAddress[]): Promise<number | undefined> {
  const wanted = new Set(
    sockets.map(({ address, port }) => `${hexAddress(address)}:${hexPort(port)}`),
  );
  try {
    const tables = await Promise.all(
      ["/proc/net/udp", "/proc/net/udp6"].map((path) => readTable(path)),
    );
    return dropsOf(tables.join("\n"), wanted);
  } catch {
    // There is no /proc on this system.
    return undefined;
  }
}

/** A kernel without IPv6 has no such table. */
async function readTable(path: string): Promise<string> {
  if (path.endsWith("6")) return readFile(path, "latin1").catch(() => "");
  return readFile(path, "latin1");
}

export function dropsOf(table: string, wanted: ReadonlySet<string>): number {
  let drops = 0;
  for (const row of table.split("\n")) {
    const fields = row.trim().split(/\s+/u);
    if (wanted.has(fields[1] ?? "")) drops += Number(fields[12] ?? 0);
  }
  return drops;
}

const hexPort = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");

/** As the kernel prints it: words of 32 bits, each in the machine's order of bytes. */
export function hexAddress(address: string): string {
  const bytes = address.includes(":") ? ipv6Bytes(address) : address.split(".").map(Number);
  const words: string[] = [];
  for (let i = 0; i < bytes.length; i += 4) {
    const word = Buffer.from(bytes.slice(i, i + 4)).readUInt32LE(0);
    words.push(word.toString(16).toUpperCase().padStart(8, "0"));
  }
  return words.join("");
}

function ipv6Bytes(address: string): number[] {
  const [head = "", tail] = address.replace(/%.*$/u, "").split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]);
}

const groupsOf = (text: string) =>
  text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
