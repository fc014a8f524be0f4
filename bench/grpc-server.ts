/** Our gRPC server by itself, without a pipeline: as a backend, and to be measured. */
import { systemClock } from "../src/clock.ts";
import { MemoryBudget } from "../src/engine/budget.ts";
import { silentLogger } from "../src/log.ts";
import { Listeners } from "../src/net/listeners.ts";
import type { Listener, UnaryHandler, UnaryReply } from "../src/transport.ts";

const budgetBytes = 2 ** 30;
const maxMessageBytes = 256 << 20;

export const okReply: UnaryReply = { status: { code: 0, message: "" }, body: new Uint8Array(0) };

export function listenGrpc(
  endpoint: string,
  methods: ReadonlyMap<string, UnaryHandler>,
): Promise<Listener> {
  const budget = new MemoryBudget(budgetBytes);
  const listeners = new Listeners({ log: silentLogger, clock: systemClock, budget });
  const owner = { kind: "receiver", type: "bench", text: "bench" } as const;
  return listeners.listen(owner, {
    kind: "grpc",
    endpoint,
    transport: "tcp",
    maxMessageBytes,
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
    methods,
  });
}
