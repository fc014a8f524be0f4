/**
 * Outages as they are: the service as a process, real sockets, and backends that refuse, hang up, hang, throttle,
 * send their connections away and come back. What was accepted arrives; nothing is lost.
 */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { encodeStatus } from "../../src/net/rpc-status.ts";
import { freePort } from "../support/free-port.ts";
import { type GrpcAnswer, startGrpcBackend } from "../support/grpc-backend.ts";
import { answerGrpc } from "../support/h2-backend.ts";
import { logsPayload } from "../support/payloads.ts";
import { ServiceProcess } from "../support/run-service.ts";
import {
  type Backend,
  h2Backend,
  httpBackend,
  Ledger,
  Strikes,
  tcpReset,
} from "./outage-backends.ts";

/** Short waits; more consumers than the ten listeners at which Node 22 warns of a leak. */
const delivery = `
    timeout: 300ms
    compression: none
    retry_on_failure: { initial_interval: 20ms, max_interval: 100ms, max_elapsed_time: 0s }
    sending_queue: { num_consumers: 20 }`;

const yaml = (exporter: string) => `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters:
  ${exporter}${delivery}
service:
  telemetry: { metrics: { level: none }, logs: { sampling: { enabled: false } } }
  pipelines: { logs: { receivers: [otlp], exporters: [${exporter.split(":")[0]}] } }
`;

/** A backend that takes everything. */
type Healthy = (port: number, ledger: Ledger) => Promise<Backend>;

/** The service with one exporter, and the port that its backend has whenever it is there. */
class Stand {
  readonly port: number;
  readonly service: ServiceProcess;
  readonly ledger = new Ledger();
  readonly #healthy: () => Promise<Backend>;
  #sent = 0;

  private constructor(port: number, service: ServiceProcess, healthy: Healthy) {
    this.port = port;
    this.service = service;
    this.#healthy = () => healthy(port, this.ledger);
  }

  static async start(exporter: (port: number) => string, healthy: Healthy): Promise<Stand> {
    const port = await freePort();
    return new Stand(port, await ServiceProcess.start(yaml(exporter(port))), healthy);
  }

  /** So many requests of one record; resolves with their names once all are accepted, rejects otherwise. */
  async send(count: number, padding = ""): Promise<string[]> {
    const url = `http://${this.service.address("receiver otlp", "http")}/v1/logs`;
    const names = Array.from({ length: count }, () => `log-${this.#sent++}${padding}`);
    const requests = names.map(async (name) => {
      const body = Buffer.concat(logsPayload([name]).parts);
      const headers = { "content-type": "application/x-protobuf" };
      const response = await fetch(url, { method: "POST", headers, body });
      if (!response.ok) throw new Error(`not accepted: ${response.status}`);
    });
    await Promise.all(requests);
    return names;
  }

  /** Fails so often, and then all arrives on the same port; resolves with what the service complained of. */
  async recovers(
    outage: (strikes: Strikes) => Promise<Backend>,
    { failures = 2, padding = "" } = {},
  ): Promise<string[]> {
    const strikes = new Strikes();
    const ill = await outage(strikes);
    const names = await this.send(25, padding);
    await strikes.reached(failures);
    await ill.close();
    return this.arrive(names);
  }

  /** Nobody listens at first. */
  async comesLate(): Promise<string[]> {
    const names = await this.send(25);
    await this.service.waitFor("connect ECONNREFUSED");
    return this.arrive(names);
  }

  /** The backend goes and comes while data flows. */
  async restarts(): Promise<string[]> {
    const names = await this.send(10);
    for (let i = 0; i < 2; i++) {
      const backend = await this.#healthy();
      const more = await this.send(20);
      await this.ledger.holds(names);
      names.push(...more);
      await backend.close();
    }
    return this.arrive(names);
  }

  /** With a healthy backend they all do. */
  async arrive(names: readonly string[]): Promise<string[]> {
    const backend = await this.#healthy();
    await this.ledger.holds(names);
    await backend.close();
    return this.complaints;
  }

  get complaints(): string[] {
    const lines = this.service.stderr.split("\n");
    return lines.filter((line) => /Dropping data|Warning:|BUG/u.test(line));
  }

  /** Ends the service while its backend is there. */
  async stop(): Promise<number | null> {
    const backend = await this.#healthy();
    const code = await this.service.stop();
    await backend.close();
    return code;
  }
}

const grpcExporter = (port: number) =>
  `otlp_grpc:\n    endpoint: "127.0.0.1:${port}"\n    tls: { insecure: true }`;

function grpcAnswering(port: number, answer: (body: Buffer) => GrpcAnswer): Promise<Backend> {
  return startGrpcBackend((call) => answer(call.body), { address: `127.0.0.1:${port}` });
}

const healthyGrpc: Healthy = (port, ledger) =>
  grpcAnswering(port, (body) => {
    ledger.note(body);
    return {};
  });

const retryInfo = {
  "grpc-status-details-bin": Buffer.from(encodeStatus({ code: 8, message: "", retryAfterMs: 50 })),
};

describe("otlp_grpc", () => {
  let stand: Stand;
  beforeAll(async () => {
    stand = await Stand.start(grpcExporter, healthyGrpc);
  });
  afterAll(() => stand.service.stop());

  test("nobody listens", async () => {
    expect(await stand.comesLate()).toEqual([]);
  });

  test.each<[string, GrpcAnswer]>([
    ["UNAVAILABLE", { code: 14, message: "not now" }],
    ["RESOURCE_EXHAUSTED with RetryInfo", { code: 8, message: "slow down", trailers: retryInfo }],
    ["ABORTED", { code: 10, message: "again, please" }],
  ])("%s", async (_name, given) => {
    const outage = (strikes: Strikes) =>
      grpcAnswering(stand.port, () => {
        strikes.add();
        return given;
      });
    expect(await stand.recovers(outage)).toEqual([]);
  });

  test("hangs up as soon as it is spoken to", async () => {
    const outage = (strikes: Strikes) => tcpReset(stand.port, 1, strikes);
    // After each one the client waits a second or more before it connects again.
    expect(await stand.recovers(outage, { failures: 1 })).toEqual([]);
  });

  test("resets the connection in the middle of requests", async () => {
    const outage = (strikes: Strikes) =>
      h2Backend(stand.port, (_body, stream) => {
        stream.session?.destroy();
        strikes.add();
      });
    expect(await stand.recovers(outage, { padding: "x".repeat(100_000) })).toEqual([]);
  });

  test("takes requests and never answers", async () => {
    const outage = (strikes: Strikes) => h2Backend(stand.port, () => strikes.add());
    // More than there are consumers: at least one has given up waiting.
    expect(await stand.recovers(outage, { failures: 21 })).toEqual([]);
  });

  test("sends its connections away under load: GOAWAY in good order, and in anger", async () => {
    const strikes = new Strikes();
    const backend = await h2Backend(stand.port, (body, stream, index) => {
      const isAngry = index % 20 === 14;
      if (index % 10 === 4) {
        // 11: ENHANCE_YOUR_CALM; node:http2 ends the session then, the answers with it.
        stream.session?.goaway(isAngry ? 11 : 0);
        strikes.add();
      }
      if (isAngry) return;
      stand.ledger.note(body);
      answerGrpc(stream);
    });
    const names = [];
    for (let i = 0; i < 8; i++) names.push(...(await stand.send(10)));
    await strikes.reached(4);
    await stand.ledger.holds(names);
    await backend.close();
    expect(stand.complaints).toEqual([]);
  });

  test("restarts under load", async () => {
    expect(await stand.restarts()).toEqual([]);
  });

  test("stops with nothing lost", async () => {
    expect(await stand.stop()).toBe(0);
    expect(stand.complaints).toEqual([]);
  });
});

const healthyHttp: Healthy = (port, ledger) =>
  httpBackend(port, (body, response) => {
    ledger.note(body);
    response.end();
  });

describe("otlp_http", () => {
  let stand: Stand;
  beforeAll(async () => {
    const exporter = (port: number) => `otlp_http:\n    endpoint: "http://127.0.0.1:${port}"`;
    stand = await Stand.start(exporter, healthyHttp);
  });
  afterAll(() => stand.service.stop());

  test("nobody listens", async () => {
    expect(await stand.comesLate()).toEqual([]);
  });

  test.each<[number, Record<string, string>]>([
    [503, { "retry-after": "1" }],
    [503, {}],
    [429, { "retry-after": "0" }],
    [502, {}],
    [504, {}],
  ])("%i %j", async (status, headers) => {
    const outage = (strikes: Strikes) =>
      httpBackend(stand.port, (_body, response) => {
        strikes.add();
        response.writeHead(status, headers);
        response.end();
      });
    expect(await stand.recovers(outage)).toEqual([]);
  });

  test("resets the connection in the middle of the body", async () => {
    const outage = (strikes: Strikes) => tcpReset(stand.port, 100_000, strikes);
    expect(await stand.recovers(outage, { padding: "x".repeat(200_000) })).toEqual([]);
  });

  test("what a backend did not take arrives once", () => {
    expect(stand.ledger.duplicates).toEqual([]);
  });

  test("takes requests and never answers", async () => {
    const outage = (strikes: Strikes) => httpBackend(stand.port, () => strikes.add());
    expect(await stand.recovers(outage, { failures: 21 })).toEqual([]);
  });

  test("closes its connections while they are idle or in use", async () => {
    const backend = await httpBackend(stand.port, (body, response, index, request) => {
      if (index % 7 === 3) {
        request.socket.destroy();
        return;
      }
      stand.ledger.note(body);
      response.end();
      if (index % 5 === 2) response.on("close", () => request.socket.destroy());
    });
    const names = [];
    for (let i = 0; i < 5; i++) names.push(...(await stand.send(10)));
    await stand.ledger.holds(names);
    await backend.close();
    expect(stand.complaints).toEqual([]);
  });

  test("restarts under load", async () => {
    expect(await stand.restarts()).toEqual([]);
  });

  test("stops with nothing lost", async () => {
    expect(await stand.stop()).toBe(0);
    expect(stand.complaints).toEqual([]);
  });
});

test("RESOURCE_EXHAUSTED without RetryInfo is for good: dropped, counted and said", async () => {
  const stand = await Stand.start(grpcExporter, healthyGrpc);
  const bodies: Buffer[] = [];
  const backend = await grpcAnswering(stand.port, (body) => {
    bodies.push(body);
    return { code: 8, message: "quota" };
  });
  await stand.send(5);
  expect(await stand.service.stop()).toBe(0);
  await backend.close();
  expect(bodies).toHaveLength(5);
  expect(stand.complaints).toHaveLength(5);
  expect(stand.complaints[0]).toContain("rpc error: code = ResourceExhausted desc = quota");
  expect(stand.complaints[0]).toContain('"dropped_items": 1');
});
