import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { config } from "../../../receivers/statsd/config.ts";
import { StatsdReceiver } from "../../../receivers/statsd/receiver.ts";
import { askForBuffer } from "../../../receivers/statsd/udp.ts";
import type { z } from "../../../src/config/fields.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { ScriptedEdge } from "../../support/scripted-edge.ts";
import { testSettings } from "../../support/settings.ts";
import { sentPoints, shortly, TestLog } from "./support.ts";

class Running {
  readonly clock = new FakeClock();
  readonly log = new TestLog();
  readonly settings = testSettings({ id: "statsd", clock: this.clock, log: this.log });
  readonly edge = new ScriptedEdge<"metrics">();
  readonly receiver: StatsdReceiver;
  #udp: UdpSocket | undefined;

  constructor(keys: z.input<typeof config>) {
    const parsed = config.parse({ endpoint: "127.0.0.1:0", ...keys });
    this.receiver = new StatsdReceiver(parsed, this.edge, this.settings);
  }

  async start(): Promise<this> {
    await this.receiver.start();
    return this;
  }

  port(i = 0): number {
    return Number(/:(\d+)$/u.exec(this.receiver.addresses[i]!)![1]);
  }

  /** Resolves when the packet was read. */
  async send(text: string, address = "127.0.0.1", port = this.port()): Promise<void> {
    const lines = this.lines + text.split("\n").filter((line) => line !== "").length;
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    this.#udp = socket;
    await new Promise((resolve) => socket.send(text, port, address, resolve));
    await this.untilLines(lines);
    socket.close();
    this.#udp = undefined;
  }

  get lines(): number {
    return this.settings.meter.value("rmt_statsd_lines", { receiver: "statsd" });
  }

  async untilLines(lines: number): Promise<void> {
    while (this.lines < lines) await this.clock.advance(5);
  }

  get sent(): string[] {
    return shortly(sentPoints(...this.edge.payloads));
  }

  async stop(abort = new AbortController().signal): Promise<void> {
    this.#udp?.close();
    await this.receiver.shutdown(abort);
  }
}

let running: Running | undefined;
afterEach(async () => {
  await running?.stop(AbortSignal.abort(new Error("the test ended")));
  running = undefined;
});

async function start(keys: z.input<typeof config> = {}): Promise<Running> {
  running = new Running({ aggregation_interval: "10s", socket_buffer_size: 65_536, ...keys });
  return running.start();
}

const refusal = () =>
  new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });

describe("over UDP", () => {
  test("packets are aggregated and sent on every interval, as transport udp", async () => {
    const r = await start();
    await r.send("a:1|c\nb:2|g");
    await r.send("a:3|c");
    expect(r.sent).toEqual([]);
    await r.clock.advance(10_000);
    expect(r.sent).toEqual(["a{} 4", "b{} 2"]);
    expect(r.edge.contexts[0]).toMatchObject({ transport: "udp" });
    await r.clock.advance(10_000);
    expect(r.edge.calls).toBe(1);
  });

  test("what was received before a flush is in it", async () => {
    const r = await start();
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.send("a:1|c", r.port(), "127.0.0.1", resolve));
    // Received, but not read yet.
    while (r.clock.pending < 3) await new Promise((resolve) => setImmediate(resolve));
    socket.close();
    await r.stop();
    expect(r.sent).toEqual(["a{} 1"]);
  });

  test("localhost is IPv4 and IPv6, on one port", async () => {
    const r = await start({ endpoint: "localhost:0" });
    await r.send("a:1|c");
    expect(r.receiver.addresses[0]).toBe(`127.0.0.1:${r.port()}`);
    if (r.receiver.addresses.length === 1) return;
    expect(r.receiver.addresses[1]).toBe(`[::1]:${r.port()}`);
    await r.send("a:1|c", "::1");
    await r.clock.advance(10_000);
    expect(r.sent).toEqual(["a{} 2"]);
  });

  test("udp4 and udp6 are one of both", async () => {
    const r = await start({ endpoint: "localhost:0", transport: "udp4" });
    expect(r.receiver.addresses).toEqual([`127.0.0.1:${r.port()}`]);
  });

  test("senders are told apart when ignore_host is false", async () => {
    const r = await start({ ignore_host: false });
    await r.send("a:1|c");
    await r.send("a:2|c");
    await r.clock.advance(10_000);
    expect(r.sent).toEqual(["a{} 1", "a{} 2"]);
    expect(r.edge.payloads[0]!.seams).toEqual([0, 1]);
  });

  test("a receive buffer that the kernel caps is said, with what to do", async () => {
    const r = await start({ socket_buffer_size: 2 ** 30 });
    expect(r.log.warnings.join()).toContain("net.core.rmem_max");
    const { asked_bytes: asked, granted_bytes: granted } = r.log.lines[0]!.fields;
    expect(asked).toBe(2 ** 30);
    expect(granted).toBeLessThan(2 ** 30);
  });

  test("where the system refuses a receive buffer, half of it is asked for, and so on", () => {
    const asked: number[] = [];
    const setRecvBufferSize = (bytes: number) => {
      asked.push(bytes);
      if (bytes > 3_000_000) throw new Error("ENOBUFS");
    };
    askForBuffer({ setRecvBufferSize }, 2 ** 23);
    expect(asked).toEqual([2 ** 23, 2 ** 22, 2 ** 21]);
  });

  test("a receive buffer that no system has is asked for as far as it goes", async () => {
    const r = await start({ socket_buffer_size: 5e9 });
    await r.send("a:1|c");
    expect(r.log.warnings.join()).toContain("net.core.rmem_max");
  });

  test("a port that is taken is an error that says what to do", async () => {
    const r = await start();
    const other = new Running({ endpoint: `127.0.0.1:${r.port()}` });
    await expect(other.start()).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
      message: expect.stringContaining("move the component with its endpoint key"),
    });
    await other.stop();
  });

  test.each([["nowhere.invalid:8125"], ["203.0.113.1:8125"]])(
    "%s is no address to listen on",
    async (endpoint) => {
      const other = new Running({ endpoint });
      await expect(other.start()).rejects.toMatchObject({ code: "LISTEN_FAILED" });
      await other.stop();
    },
  );

  test("all interfaces are warned about, once", async () => {
    const r = await start({ endpoint: ":0" });
    expect(r.receiver.addresses[0]).toMatch(/^0\.0\.0\.0:/u);
    await r.send("a:1|c");
    expect(r.log.warnings).toHaveLength(1);
    expect(r.log.warnings.join()).toContain("Using the 0.0.0.0 address exposes this server");
  });
});

describe("over TCP", () => {
  async function connected(r: Running) {
    const socket = connect(r.port(), "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    return socket;
  }

  test("lines end with a newline, the last one with the stream", async () => {
    const r = await start({ transport: "tcp" });
    const socket = await connected(r);
    socket.write("a:1|c\nb:");
    await r.untilLines(1);
    socket.write("2|g\nc:3");
    await r.untilLines(2);
    socket.end("|c");
    await r.untilLines(3);
    await r.clock.advance(10_000);
    expect(r.sent).toEqual(["a{} 1", "b{} 2", "c{} 3"]);
    expect(r.edge.contexts[0]).toMatchObject({ transport: "tcp" });
  });

  test("a connection that is cut when the receiver stops gives its last line, and the flush has it", async () => {
    const r = await start({ transport: "tcp" });
    const socket = await connected(r);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write("a:1|c\nb:2|c");
    await r.untilLines(1);
    await r.stop();
    await closed;
    expect(r.sent).toEqual(["a{} 1", "b{} 2"]);
    expect(r.settings.budget.usedBytes).toBe(0);
  });

  test("a connection without data for five minutes is closed", async () => {
    const r = await start({ transport: "tcp" });
    const socket = await connected(r);
    socket.write("a:1|c\n");
    await r.untilLines(1);
    await r.clock.advance(290_000);
    socket.write("a:1|c\nb:");
    await r.untilLines(2);
    await r.clock.advance(290_000);
    expect(socket.readyState).toBe("open");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await r.clock.advance(20_000);
    await closed;
    expect(r.settings.meter.value("rmt_statsd_lines", { receiver: "statsd" })).toBe(3);
  });

  test("a port that is taken is an error", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const other = new Running({ endpoint: `127.0.0.1:${port}`, transport: "tcp" });
    await expect(other.start()).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
    await other.stop();
    server.close();
  });
});

describe("a pipeline that refuses", () => {
  test("retryably: one payload is offered again, lines are aggregated on, nothing is lost or doubled", async () => {
    const r = await start();
    r.edge.refusal = refusal();
    await r.send("a:1|c");
    await r.clock.advance(10_000);
    expect(r.edge.calls).toBe(1);
    const heldBefore = r.settings.budget.usedBytes;
    await r.send("a:2|c");
    await r.clock.advance(30_000);
    expect(r.edge.calls).toBeGreaterThan(20);
    expect(r.settings.budget.usedBytes).toBe(heldBefore);
    r.edge.refusal = undefined;
    await r.clock.advance(1000);
    expect(r.sent).toEqual(["a{} 1"]);
    await r.clock.advance(10_000);
    expect(r.sent).toEqual(["a{} 1", "a{} 2"]);
    const [first, second] = sentPoints(...r.edge.payloads);
    expect(second!.startMs).toBeGreaterThanOrEqual(first!.timeMs);
    expect(r.log.warnings).toHaveLength(1);
    expect(r.settings.dropped.size).toBe(0);
  });

  test("for good: the payload is dropped and counted", async () => {
    const r = await start();
    r.edge.refusal = new TelemetryError("BACKEND_REJECTED", "no", { retryable: false });
    await r.send("a:1|c\nb:1|c");
    await r.clock.advance(10_000);
    expect(r.settings.dropped).toEqual(new Map([["refused", 2]]));
    r.edge.refusal = undefined;
    await r.send("a:1|c");
    await r.clock.advance(10_000);
    expect(r.sent).toEqual(["a{} 1"]);
  });

  test("at the end: what nobody takes in time is dropped and counted", async () => {
    const r = await start();
    r.edge.refusal = refusal();
    await r.send("a:1|c");
    await r.clock.advance(10_000);
    await r.send("b:1|c");
    const abort = new AbortController();
    const stopped = r.stop(abort.signal);
    abort.abort(new Error("the shutdown timeout passed"));
    await stopped;
    expect(r.settings.dropped).toEqual(new Map([["shutdown", 2]]));
    expect(r.settings.budget.usedBytes).toBe(0);
  });
});

describe("stopping", () => {
  test("flushes, ends all timers and releases the budget", async () => {
    const r = await start();
    await r.send("a:1|c\nt:1|ms\ns:x|s\ng:1|g");
    await r.stop();
    expect(r.edge.payloads).toHaveLength(1);
    expect(r.edge.payloads[0]!.itemCount).toBe(4);
    expect(r.clock.pending).toBe(0);
    expect(r.settings.budget.usedBytes).toBe(0);
  });

  test("reads what the kernel has received already", async () => {
    const r = await start({ socket_buffer_size: 200_000 });
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.connect(r.port(), "127.0.0.1", resolve));
    // Connected, it sends at once: all of them wait in the kernel when the receiver stops.
    for (let i = 0; i < 200; i++) socket.send("a:1|c");
    await r.stop();
    socket.close();
    expect(r.sent).toEqual(["a{} 200"]);
  });

  test("waits for a flush that is on its way, and sends what came after it", async () => {
    const r = await start();
    r.edge.isSlow = true;
    await r.send("a:1|c");
    await r.clock.advance(10_000);
    expect(r.edge.waiting).toBe(1);
    await r.send("a:2|c");
    const stopped = r.stop();
    r.edge.isSlow = false;
    r.edge.answer();
    await stopped;
    expect(r.sent).toEqual(["a{} 1", "a{} 2"]);
  });
});

test("types that a written mapping leaves out are said at start", async () => {
  const r = await start({
    timer_histogram_mapping: [{ statsd_type: "timer", observer_type: "gauge" }],
  });
  expect(r.log.lines).toContainEqual({
    level: "warn",
    message: "timer_histogram_mapping leaves types out; their lines are dropped.",
    fields: { types: "histogram, distribution" },
  });
});
