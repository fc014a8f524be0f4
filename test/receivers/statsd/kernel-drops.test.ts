import { createSocket } from "node:dgram";
import { existsSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { dropsOf, hexAddress, kernelDrops } from "../../../receivers/statsd/kernel-drops.ts";

/** From a Linux 6 machine. */
const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  305: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 1507
  306: 0100007F:1FBE 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12346 2 0000000000000000 9
  307: 00000000000000000000000001000000:1FBD 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12347 2 0000000000000000 3
`;

test("addresses as the kernel prints them", () => {
  expect(hexAddress("127.0.0.1")).toBe("0100007F");
  expect(hexAddress("::1")).toBe("00000000000000000000000001000000");
  expect(hexAddress("::")).toBe("0".repeat(32));
  expect(hexAddress("fe80::1:2%eth0")).toBe("000080FE000000000000000002000100");
  expect(hexAddress("2001:db8:1:2:3:4:5:6")).toBe("B80D0120020001000400030006000500");
});

test("drops of the wanted sockets are added up", () => {
  const wanted = new Set(["0100007F:1FBD", "00000000000000000000000001000000:1FBD"]);
  expect(dropsOf(table, wanted)).toBe(1510);
  expect(dropsOf(table, new Set(["0100007F:0001"]))).toBe(0);
});

test("packets that overflow a socket's buffer are seen", async () => {
  if (!existsSync("/proc/net/udp")) {
    expect(await kernelDrops([{ address: "127.0.0.1", port: 1 }])).toBeUndefined();
    return;
  }
  const socket = createSocket({ type: "udp4", recvBufferSize: 1 });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { address, port } = socket.address();
  const sender = createSocket("udp4");
  // Nobody listens for messages yet, so nothing is read.
  const packet = Buffer.alloc(1000);
  for (let i = 0; i < 50; i++) {
    await new Promise((resolve) => sender.send(packet, port, address, resolve));
  }
  expect(await kernelDrops([{ address, port }])).toBeGreaterThan(0);
  sender.close();
  socket.close();
});
