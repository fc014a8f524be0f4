/**
 * `node bench/net-server.ts [--calls N]`: CPU of the gRPC server per unary call, user and system, for bodies of
 * 14, 55 and 200 KB. The clients run in a child process on node:http2, so that their CPU is not counted.
 */
import { spawn } from "node:child_process";
import { connect } from "node:http2";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { systemClock } from "../src/clock.ts";
import { MemoryBudget } from "../src/engine/budget.ts";
import { silentLogger } from "../src/log.ts";
import { Listeners } from "../src/net/listeners.ts";
import type { GrpcServerSpec, UnaryCall } from "../src/transport.ts";

const path = "/bench.Service/Export";
const connections = 2;
const inFlight = 8;

function serverSpec(handler: (call: UnaryCall) => void): GrpcServerSpec {
  const reply = Promise.resolve({ status: { code: 0, message: "" }, body: new Uint8Array(0) });
  return {
    kind: "grpc",
    endpoint: "127.0.0.1:0",
    transport: "tcp",
    maxMessageBytes: 64 << 20,
    maxConcurrentStreams: 0,
    keepalive: {
      maxConnectionIdleMs: 0,
      maxConnectionAgeMs: 0,
      maxConnectionAgeGraceMs: 0,
      timeMs: 7_200_000,
      timeoutMs: 20_000,
      minTimeMs: 300_000,
      permitWithoutStream: false,
    },
    methods: new Map([
      [
        path,
        (call) => {
          handler(call);
          return reply;
        },
      ],
    ]),
  };
}

/** Keeps `inFlight` calls running on each connection until `calls` were answered. */
async function sendCalls(port: number, bodyBytes: number, calls: number): Promise<void> {
  const message = Buffer.alloc(bodyBytes + 5, 1);
  message[0] = 0;
  message.writeUInt32BE(bodyBytes, 1);
  let left = calls;
  const lane = async (session: ReturnType<typeof connect>) => {
    while (left-- > 0) {
      await new Promise<void>((resolve, reject) => {
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
          "user-agent": "bench",
        });
        stream.on("error", reject);
        stream.on("close", resolve);
        stream.resume();
        stream.end(message);
      });
    }
  };
  const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${port}`));
  await Promise.all(
    sessions.flatMap((session) => Array.from({ length: inFlight }, () => lane(session))),
  );
  for (const session of sessions) session.close();
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
  const listeners = new Listeners({
    log: silentLogger,
    clock: systemClock,
    budget: new MemoryBudget(1 << 30),
  });
  const owner = { kind: "receiver", type: "bench", text: "bench" } as const;
  const listener = await listeners.listen(
    owner,
    serverSpec((call) => {
      received += call.body.length;
      call.releaseBody();
    }),
  );
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
