/**
 * `node bench/net-server.ts [--calls N]`: CPU of the gRPC server per unary call, user and system, for bodies of
 * 14, 55 and 200 KB. The clients run in a child process, so that their CPU is not counted.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { UnaryCall } from "../src/transport.ts";
import { GrpcClient, prepareFrames } from "./grpc-client.ts";
import { listenGrpc, okReply } from "./grpc-server.ts";

const path = "/bench.Service/Export";
const connections = 2;
const inFlight = 8;

/** Keeps `inFlight` calls running on each connection until `calls` were answered. */
async function sendCalls(port: number, bodyBytes: number, calls: number): Promise<void> {
  const message = Buffer.alloc(bodyBytes + 5, 1);
  message[0] = 0;
  message.writeUInt32BE(bodyBytes, 1);
  let left = calls;
  const lane = async (client: GrpcClient) => {
    const frames = prepareFrames(message);
    while (left-- > 0) {
      if (!(await client.send(frames))) throw new Error("a call was refused");
    }
  };
  const clients = Array.from({ length: connections }, () => new GrpcClient(port, path, false));
  await Promise.all(
    clients.flatMap((client) => Array.from({ length: inFlight }, () => lane(client))),
  );
  for (const client of clients) client.close();
}

function runClient(port: number, bodyBytes: number, calls: number): Promise<void> {
  const args = [port, bodyBytes, calls].map(String);
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "client", ...args], {
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`client: ${code}`))));
  });
}

async function measure(bodyBytes: number, calls: number): Promise<number> {
  let received = 0;
  const take = (call: UnaryCall) => {
    received += call.body.length;
    call.releaseBody();
    return Promise.resolve(okReply);
  };
  const listener = await listenGrpc("127.0.0.1:0", new Map([[path, take]]));
  const port = Number(listener.addresses[0]!.split(":")[1]);
  await runClient(port, bodyBytes, Math.ceil(calls / 4));
  received = 0;
  const before = process.cpuUsage();
  await runClient(port, bodyBytes, calls);
  const { user, system } = process.cpuUsage(before);
  await listener.close(AbortSignal.timeout(1000));
  if (received !== bodyBytes * calls) throw new Error(`${received} bytes of ${bodyBytes * calls}`);
  return (user + system) / calls;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { calls: { type: "string", default: "8000" } } });
  for (const kilobytes of [14, 55, 200]) {
    const micros = await measure(kilobytes * 1000, Number(values.calls));
    process.stdout.write(`${kilobytes} KB: ${micros.toFixed(0)} µs CPU a call\n`);
  }
}

if (process.argv[2] === "client") {
  const [port, bodyBytes, calls] = process.argv.slice(3).map(Number);
  await sendCalls(port!, bodyBytes!, calls!);
} else {
  await main();
}
