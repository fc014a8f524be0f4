/** SIGHUP as an operator sends it: a process, real connections before it, foreign backends behind it. */
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createPayload } from "../../src/pdata/payload.ts";
import { portOf } from "../support/grpc-backend.ts";
import { GrpcSink } from "../support/grpc-sink.ts";
import { GrpcLogClient, HttpLogClient, scrapeNumbers } from "../support/log-client.ts";
import { bodiesOf } from "../support/payloads.ts";
import { ServiceProcess } from "../support/run-service.ts";

let sink: GrpcSink;
let other: GrpcSink;
let service: ServiceProcess | undefined;
const closers: (() => void)[] = [];

beforeEach(async () => {
  sink = await GrpcSink.start();
  other = await GrpcSink.start();
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await service?.stop();
  service = undefined;
  sink.stop();
  other.stop();
});

interface Parts {
  readonly grpc?: string;
  readonly http?: string;
  readonly httpMore?: string;
  readonly batch?: string;
  readonly exporters?: string;
  readonly uses?: string;
}

const quick = "retry_on_failure: { initial_interval: 20ms, max_interval: 100ms }";
const otlp = (name: string, { port }: GrpcSink, more = quick) =>
  `${name}: { endpoint: "127.0.0.1:${port}", tls: { insecure: true }, ${more} }`;

function yaml(parts: Parts): string {
  return `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "${parts.grpc ?? "127.0.0.1:0"}" }
      http: { endpoint: "${parts.http ?? "127.0.0.1:0"}" ${parts.httpMore ?? ""} }
processors:
  batch: { ${parts.batch ?? "timeout: 20ms"} }
exporters:
  ${parts.exporters ?? otlp("otlp", sink)}
service:
  telemetry:
    metrics:
      level: detailed
      readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: 0 } } } }]
  pipelines:
    logs: { receivers: [otlp], processors: [batch], exporters: [${parts.uses ?? "otlp"}] }
`;
}

async function reload(text: string, says = "Reloaded the configuration."): Promise<void> {
  const from = service!.stderr.length;
  writeFileSync(service!.configPath, text);
  service!.signal("SIGHUP");
  await service!.waitFor(says, from);
}

function http(): HttpLogClient {
  const client = new HttpLogClient(service!.address("receiver otlp", "http"));
  closers.push(() => client.close());
  return client;
}

function grpc(): GrpcLogClient {
  const client = new GrpcLogClient(service!.address("receiver otlp", "grpc"));
  closers.push(() => client.close());
  return client;
}

const namesAt = ({ received }: GrpcSink) =>
  received.flatMap(({ body }) => bodiesOf(createPayload("logs", [body], [0])));

/** Asks again and again, for at most 10 s: what another process does gives no event. */
async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`never came:\n${service!.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const unavailable = () => ({ code: 14, message: "not now" });

test("what did not change keeps its port and its open connections", async () => {
  service = await ServiceProcess.start(yaml({}));
  const h = http();
  const g = grpc();
  expect(await h.send("h1")).toMatchObject({ status: 200, isReused: false });
  expect(await g.send("g1")).toMatchObject({ code: 0 });
  await reload(yaml({ batch: "timeout: 30ms", exporters: otlp("otlp", sink, "timeout: 7s") }));
  expect(await h.send("h2")).toMatchObject({ status: 200, isReused: true });
  expect(await g.send("g2")).toMatchObject({ code: 0 });
  expect(g.session.closed).toBe(false);
  expect(await service.stop()).toBe(0);
  expect(namesAt(sink).toSorted()).toEqual(["g1", "g2", "h1", "h2"]);
});

test("a changed receiver listens on the same port again", async () => {
  service = await ServiceProcess.start(yaml({}));
  const addresses = {
    grpc: service.address("receiver otlp", "grpc"),
    http: service.address("receiver otlp", "http"),
  };
  const h = http();
  expect((await h.send("a")).status).toBe(200);
  await reload(yaml(addresses));
  await reload(yaml({ ...addresses, httpMore: ", max_request_body_size: 64" }));
  expect((await h.send("b")).status).toBe(200);
  expect((await h.send("x".repeat(100))).status).toBe(413);
  expect(await grpc().send("c")).toMatchObject({ code: 0 });
  expect(await service.stop()).toBe(0);
  expect(namesAt(sink).toSorted()).toEqual(["a", "b", "c"]);
});

test("what a changed exporter could not deliver goes to its successor, and to its new backend", async () => {
  sink.answer = unavailable;
  service = await ServiceProcess.start(yaml({}));
  const h = http();
  for (const name of ["a", "b", "c"]) expect((await h.send(name)).status).toBe(200);
  await reload(yaml({ exporters: otlp("otlp", other) }));
  await until(() => other.items === 3);
  expect(namesAt(other)).toEqual(["a", "b", "c"]);
  expect(await service.stop()).toBe(0);
  expect(sink.items).toBe(0);
});

test("a removed exporter delivers its rest while the new one already works", async () => {
  sink.answer = unavailable;
  service = await ServiceProcess.start(yaml({}));
  const h = http();
  expect((await h.send("old")).status).toBe(200);
  await service.waitFor("Exporting failed. Will retry the request after interval.");
  await reload(yaml({ exporters: otlp("otlp/new", other), uses: "otlp/new" }));
  expect((await h.send("new")).status).toBe(200);
  await until(() => other.items === 1);
  expect(sink.items).toBe(0);
  sink.answer = () => undefined;
  await until(() => sink.items === 1);
  expect([namesAt(sink), namesAt(other)]).toEqual([["old"], ["new"]]);
  expect(await service.stop()).toBe(0);
});

describe("a start that fails", () => {
  let occupant: Server;
  beforeEach(async () => {
    occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", () => resolve()));
  });
  afterEach(() => {
    occupant.close();
  });

  test.each(["an exporter", "the receiver"])(
    "because %s cannot listen puts the old graph back; nothing held is lost",
    async (who) => {
      sink.answer = unavailable;
      service = await ServiceProcess.start(yaml({}));
      const h = http();
      for (const name of ["a", "b"]) expect((await h.send(name)).status).toBe(200);
      const taken = `127.0.0.1:${portOf(occupant)}`;
      const bad =
        who === "the receiver"
          ? yaml({ http: taken, batch: "timeout: 1h", exporters: otlp("otlp", other) })
          : yaml({
              batch: "timeout: 1h",
              exporters: `${otlp("otlp", other)}\n  prometheus: { endpoint: "${taken}" }`,
              uses: "otlp, prometheus",
            })
              .replace(
                "logs:",
                "metrics: { receivers: [otlp], exporters: [prometheus] }\n    logs:",
              )
              .replace("[otlp, prometheus]", "[otlp]");
      await reload(bad, "The new configuration was not taken; the old one keeps running.");
      expect(service.stderr).toContain("going back to the configuration that ran before");
      expect(service.stderr).toMatch(/cannot start .*the address is already in use/u);
      sink.answer = () => undefined;
      await until(() => sink.items === 2);
      expect(await service.stop()).toBe(0);
      expect(namesAt(sink)).toEqual(["a", "b"]);
      expect(other.items).toBe(0);
    },
  );
});

test("many SIGHUPs in a row under load lose nothing, refuse nothing and end with the last configuration", async () => {
  service = await ServiceProcess.start(yaml({}));
  const g = grpc();
  const h = http();
  const outcomes = new Set<number>();
  const sent: string[] = [];
  let isOver = false;
  const load = async (kind: string) => {
    for (let i = 0; !isOver; i++) {
      const name = `${kind}${i}`;
      sent.push(name);
      if (kind === "g") outcomes.add((await g.send(name)).code);
      else outcomes.add((await h.send(name)).status);
    }
  };
  const loads = [load("g"), load("h"), load("i")];
  const from = service.stderr.length;
  for (let i = 1; i <= 6; i++) {
    const backend = i % 2 === 0 ? sink : other;
    writeFileSync(
      service.configPath,
      yaml({ batch: `timeout: ${i}ms`, exporters: otlp("otlp", backend, `timeout: ${i}s`) }),
    );
    service.signal("SIGHUP");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const reloaded = () =>
    service!.stderr.slice(from).split("Reloaded the configuration.").length - 1;
  // Signals that arrive together may be one.
  await until(() => reloaded() >= 1);
  await reload(yaml({ batch: "timeout: 1ms", exporters: otlp("otlp", sink) }));
  isOver = true;
  await Promise.all(loads);
  expect(outcomes).toEqual(new Set([0, 200]));
  expect(await h.send("last")).toMatchObject({ status: 200, isReused: true });
  expect(await service.stop()).toBe(0);
  const arrived = [...namesAt(sink), ...namesAt(other)];
  expect(arrived.toSorted()).toEqual([...sent, "last"].toSorted());
  expect(namesAt(sink)).toContain("last");
});

test("self-metrics of what is carried over, and of what is replaced, never go back", async () => {
  service = await ServiceProcess.start(yaml({}));
  const [, metricsAddress] = /service::telemetry\S*\s+http\s+(\S+)/u.exec(service.stderr)!;
  const numbers = () => scrapeNumbers(`http://${metricsAddress!.replace(",", "")}/metrics`);
  const find = (all: Map<string, number>, name: string) =>
    [...all].find(([key]) => key.startsWith(name))?.[1];
  const h = http();
  for (let i = 0; i < 5; i++) await h.send(`a${i}`);
  await until(() => sink.items === 5);
  const before = await numbers();
  await reload(yaml({ batch: "timeout: 10ms", exporters: otlp("otlp", sink, "timeout: 9s") }));
  await h.send("b");
  await until(() => sink.items === 6);
  const after = await numbers();
  for (const name of [
    "otelcol_receiver_accepted_log_records",
    "otelcol_processor_incoming_items",
    "otelcol_processor_outgoing_items",
    "otelcol_exporter_sent_log_records",
  ]) {
    expect([name, find(before, name), find(after, name)]).toEqual([name, 5, 6]);
  }
  expect(await service.stop()).toBe(0);
});

test("a SIGHUP during the shutdown changes nothing, and one before it is finished first", async () => {
  sink.answer = unavailable;
  service = await ServiceProcess.start(yaml({}));
  expect((await http().send("a")).status).toBe(200);
  writeFileSync(service.configPath, yaml({ exporters: otlp("otlp", other) }));
  service.signal("SIGHUP");
  await service.waitFor("Config updated, restart service");
  service.signal("SIGTERM");
  await service.waitFor("Starting shutdown...");
  service.signal("SIGHUP");
  expect(await service.exited()).toBe(0);
  expect([...namesAt(sink), ...namesAt(other)]).toEqual(["a"]);
});
