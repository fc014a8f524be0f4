/**
 * What the Collector does with each answer of a backend, over real sockets: the exporters with delivery in front,
 * against servers that are not ours, on a clock that stands still. The table is the Collector's.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { config as grpcConfig } from "../../exporters/otlp_grpc/config.ts";
import { factory as grpcFactory } from "../../exporters/otlp_grpc/factory.ts";
import { config as httpConfig } from "../../exporters/otlp_http/config.ts";
import { factory as httpFactory } from "../../exporters/otlp_http/factory.ts";
import type { Exporter, Settings, Signal } from "../../src/component.ts";
import type { DeliveryConfig } from "../../src/config/fragments/delivery.ts";
import { createDelivery, type Delivery } from "../../src/delivery/delivery.ts";
import { destinationOf } from "../../src/delivery/destination.ts";
import { silentLogger } from "../../src/log.ts";
import { grpcCode } from "../../src/net/grpc-code.ts";
import { encodeStatus } from "../../src/net/rpc-status.ts";
import { Writer } from "../../src/pdata/wire.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type GrpcAnswer, portOf, startGrpcBackend } from "../support/grpc-backend.ts";
import { logsPayload } from "../support/payloads.ts";
import { type TestSettings, testSettings } from "../support/settings.ts";

interface Table {
  readonly http: readonly {
    readonly status: number;
    readonly retry_after?: string;
    readonly retry: boolean;
    readonly delay?: string;
  }[];
  readonly grpc: {
    readonly retry: readonly string[];
    readonly retry_only_with_RetryInfo: readonly string[];
  };
}

const table: Table = JSON.parse(
  readFileSync(join(__dirname, "../testdata/collector/delivery/exporter-retry.json"), "utf8"),
);

/** The first back-off of the default config, without jitter. */
const backOffMs = 5000;
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Bench {
  readonly delivery: Delivery;
  readonly exporter: Exporter;
  readonly settings: TestSettings;
  readonly clock: FakeClock;
  /** Requests that the backend saw. */
  requests(): number;
  /** Waits for the next attempt that delivery announced. */
  retries(): number;
}

/** Lets the sockets work until something is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

type Create<C> = (args: { config: C; signals: readonly Signal[]; settings: Settings }) => Exporter;

function bench<C extends DeliveryConfig>(
  create: Create<C>,
  config: C,
  nowMs: number,
  requests: () => number,
): Bench {
  const clock = new FakeClock(nowMs);
  let retries = 0;
  const note = (message: string) => {
    if (message.includes("Will retry")) retries++;
  };
  const settings = testSettings({ clock, log: { ...silentLogger, info: note } });
  const exporter = create({ config, signals: ["logs"], settings });
  const options = { exporter, signal: "logs", config, settings, random: () => 0.5 } as const;
  const delivery = createDelivery(options);
  closers.push(async () => {
    await delivery.shutdown(AbortSignal.abort());
    await exporter.shutdown!(AbortSignal.abort());
  });
  return { delivery, exporter, settings, clock, requests, retries: () => retries };
}

const queue = { sending_queue: {} };

interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A node:http server that gives the answer once, and 200 from then on. */
async function httpBench(first: HttpAnswer, nowMs = Date.now()): Promise<Bench> {
  let requests = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const { status, headers = {}, body = "" } = requests++ === 0 ? first : { status: 200 };
      response.writeHead(status, headers);
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const config = httpConfig.parse({ endpoint: `http://127.0.0.1:${portOf(server)}`, ...queue });
  return bench(
    (args) => httpFactory.create(args),
    config,
    nowMs,
    () => requests,
  );
}

/** A grpc-js server that gives the answer once, and OK from then on. */
async function grpcBench(first: GrpcAnswer): Promise<Bench> {
  const backend = await startGrpcBackend(() => (backend.calls.length === 1 ? first : {}));
  closers.push(() => backend.close());
  const endpoint = `127.0.0.1:${backend.port}`;
  const config = grpcConfig.parse({ endpoint, tls: { insecure: true }, ...queue });
  return bench(
    (args) => grpcFactory.create(args),
    config,
    Date.now(),
    () => backend.calls.length,
  );
}

interface Outcome {
  /** Requests just before the delay was over, and after it. */
  readonly requests: readonly number[];
  readonly sent: number;
  readonly failed: number;
  readonly dropped: Readonly<Record<string, number>>;
}

/** What becomes of one record, and whether it is sent again after exactly so long. */
async function outcomeOf(given: Bench, delayMs: number): Promise<Outcome> {
  const { delivery, clock, settings } = given;
  const isOver = () => delivery.held().items === 0;
  await delivery.consume(logsPayload(["a"]), { receivedMs: clock.monotonicMs() });
  await until(() => given.retries() === 1 || isOver());
  await clock.advance(delayMs - 1);
  const before = given.requests();
  await clock.advance(1);
  await until(isOver);
  const labels = { exporter: "test", ...destinationOf(given.exporter, "logs") };
  const counter = (name: "sent" | "send_failed") =>
    settings.meter.value(`otelcol_exporter_${name}_log_records`, labels);
  return {
    requests: [before, given.requests()],
    sent: counter("sent"),
    failed: counter("send_failed"),
    dropped: Object.fromEntries(settings.dropped),
  };
}

const delivered: Outcome = { requests: [1, 2], sent: 1, failed: 0, dropped: {} };
const dropped = (reason: string): Outcome => ({
  requests: [1, 1],
  sent: 0,
  failed: 1,
  dropped: { [reason]: 1 },
});
const taken: Outcome = { requests: [1, 1], sent: 0, failed: 0, dropped: { partial_success: 1 } };
/** Longer than max_elapsed_time. */
const longMs = 600_000;

describe("OTLP/HTTP", () => {
  test.each(table.http)("$status, Retry-After: $retry_after", async (row) => {
    const { status, retry_after: retryAfter, retry, delay } = row;
    const headers: Record<string, string> =
      retryAfter === undefined ? {} : { "retry-after": retryAfter };
    const askedMs = 20_000;
    const nowMs = delay === "until that date" ? Date.parse(retryAfter!) - askedMs : Date.now();
    const given = await httpBench({ status, headers }, nowMs);
    // 413 means too large: a single item cannot be halved.
    const reason = status === 413 ? "too_large" : "rejected";
    const delays: Record<string, number> = {
      "until that date": askedMs,
      "max(back-off,30s)": 30_000,
      "back-off": backOffMs,
    };
    const delayMs = retry ? delays[delay ?? "back-off"]! : longMs;
    expect(await outcomeOf(given, delayMs)).toEqual(retry ? delivered : dropped(reason));
  });

  test("Retry-After below the back-off does not shorten it", async () => {
    const given = await httpBench({ status: 503, headers: { "retry-after": "1" } });
    expect(await outcomeOf(given, backOffMs)).toEqual(delivered);
  });

  test("a Retry-After behind max_elapsed_time ends the retries", async () => {
    const given = await httpBench({ status: 503, headers: { "retry-after": "301" } });
    expect(await outcomeOf(given, longMs)).toEqual(dropped("retries_exhausted"));
  });

  test("partial success is never retried; its items are counted", async () => {
    const body = '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}';
    const headers = { "content-type": "application/json" };
    const given = await httpBench({ status: 200, headers, body });
    expect(await outcomeOf(given, longMs)).toEqual(taken);
  });
});

const retryInfo = (code: number, retryAfterMs: number) => ({
  "grpc-status-details-bin": Buffer.from(encodeStatus({ code, message: "", retryAfterMs })),
});

describe("OTLP/gRPC", () => {
  const codes = Object.entries(grpcCode).filter(([name]) => name !== "OK");

  test.each(codes)("%s", async (name, code) => {
    const given = await grpcBench({ code, message: "why" });
    const retry = table.grpc.retry.includes(name);
    const outcome = await outcomeOf(given, retry ? backOffMs : longMs);
    expect(outcome).toEqual(retry ? delivered : dropped("rejected"));
  });

  test.each(codes)("%s with RetryInfo of 20 s", async (name, code) => {
    const given = await grpcBench({ code, message: "why", trailers: retryInfo(code, 20_000) });
    const { retry, retry_only_with_RetryInfo: onlyWith } = table.grpc;
    const isRetried = [...retry, ...onlyWith].includes(name);
    const outcome = await outcomeOf(given, isRetried ? 20_000 : longMs);
    expect(outcome).toEqual(isRetried ? delivered : dropped("rejected"));
  });

  test("a RetryInfo below the back-off does not shorten it", async () => {
    const { UNAVAILABLE: code } = grpcCode;
    const given = await grpcBench({ code, trailers: retryInfo(code, 10) });
    expect(await outcomeOf(given, backOffMs)).toEqual(delivered);
  });

  test("partial success is never retried; its items are counted", async () => {
    const w = new Writer();
    const at = w.begin(1);
    w.tag(1, 0);
    w.varint(1);
    w.end(at);
    const given = await grpcBench({ body: w.take() });
    expect(await outcomeOf(given, longMs)).toEqual(taken);
  });
});
