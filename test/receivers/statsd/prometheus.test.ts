/** statsd -> prometheus and nothing else: what a user sees with an empty configuration. */
import { createSocket } from "node:dgram";
import { afterEach, describe, expect, test } from "@jest/globals";
import { factory as prometheus } from "../../../exporters/prometheus/factory.ts";
import { factory as statsd } from "../../../receivers/statsd/factory.ts";
import { MemoryBudget } from "../../../src/engine/budget.ts";
import { Service } from "../../../src/engine/service.ts";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { resolve } from "../../src/config/support.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { httpTestServer } from "../../support/http-listen.ts";
import { registryOf } from "../../support/nop-registry.ts";
import { TestLog } from "./support.ts";

const intervalMs = 2000;

class Pipeline {
  readonly clock = new FakeClock();
  readonly log = new TestLog();
  readonly meters = new MeterRegistry();
  readonly #server = httpTestServer();
  readonly #service = new Service({
    clock: this.clock,
    log: this.log,
    budget: new MemoryBudget(2 ** 30),
    meters: this.meters,
    listen: (_, spec) => this.#server.listen(spec),
    shutdownTimeoutMs: 5000,
    recentErrors: () => [],
  });

  async start(keys: object = {}): Promise<this> {
    await this.#service.start(await this.#configOf(keys));
    return this;
  }

  async reload(keys: object): Promise<void> {
    await this.#service.reload(await this.#configOf(keys));
  }

  async #configOf(keys: object) {
    const yaml = JSON.stringify({
      receivers: { statsd: { endpoint: "127.0.0.1:0", aggregation_interval: "2s", ...keys } },
      exporters: { prometheus: { endpoint: "127.0.0.1:0" } },
      service: { pipelines: { metrics: { receivers: ["statsd"], exporters: ["prometheus"] } } },
    });
    const { config } = await resolve(yaml, registryOf([statsd, prometheus]));
    return config!;
  }

  get port(): number {
    const said = this.log.lines.findLast(({ message }) => message === "Listening for StatsD.")!;
    return Number(/:(\d+)$/u.exec(String(said.fields["endpoint"]))![1]);
  }

  metric(name: string, labels: Record<string, string>): number {
    for (const snapshot of this.meters.snapshot("detailed", () => {})) {
      if (snapshot.name !== name || snapshot.type === "histogram") continue;
      const point = snapshot.points.find((candidate) =>
        Object.entries(labels).every(([key, value]) => candidate.labels[key] === value),
      );
      if (point !== undefined) return point.value;
    }
    return 0;
  }

  /** A packet from a socket of its own; resolves when it was read. */
  async send(...packets: string[]): Promise<void> {
    for (const packet of packets) {
      const lines = this.#lines + packet.split("\n").length;
      const socket = createSocket("udp4");
      await new Promise((done) => socket.send(packet, this.port, "127.0.0.1", done));
      socket.close();
      while (this.#lines < lines) await this.clock.advance(5);
    }
  }

  get #lines(): number {
    return this.metric("rmt_statsd_lines", { receiver: "statsd" });
  }

  /** Moves time by 3 s, more than an interval. */
  wait(): Promise<void> {
    return this.clock.advance(1.5 * intervalMs);
  }

  /** Lines of the page that begin with the text. */
  async page(prefix = ""): Promise<string[]> {
    const response = await fetch(`${this.#server.url()}/metrics`);
    const lines = (await response.text()).split("\n");
    return lines.filter((line) => line !== "" && !line.startsWith("#") && line.startsWith(prefix));
  }

  async stop(): Promise<void> {
    await this.#service.stop();
  }
}

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

async function start(keys: object = {}): Promise<Pipeline> {
  pipeline = new Pipeline();
  return pipeline.start(keys);
}

describe("with an empty configuration", () => {
  test("counters of several senders add up, without labels", async () => {
    const p = await start();
    await p.send("foo:1|c", "foo:1|c", "foo:1|c");
    await p.wait();
    await p.send("foo:1|c", "foo:1|c", "foo:1|c");
    await p.wait();
    expect(await p.page()).toEqual(["foo_total 6"]);
  });

  test("a relative gauge goes on from what was sent before", async () => {
    const p = await start();
    await p.send("g:10|g");
    await p.wait();
    await p.send("g:+5|g");
    await p.wait();
    expect(await p.page()).toEqual(["g 15"]);
  });

  test("fractions of counters and of weights are not lost", async () => {
    const p = await start();
    const halves = Array.from({ length: 5 }, () => "h:0.5|c").join("\n");
    await p.send(halves);
    await p.wait();
    await p.send(halves, "t:10|ms|@0.3\nt:10|ms|@0.3\nt:10|ms|@0.3");
    await p.wait();
    expect(await p.page("h_total")).toEqual(["h_total 5"]);
    expect(await p.page("t_count")).toEqual(["t_count 10"]);
  });

  test("a bad line harms no neighbour", async () => {
    const p = await start();
    await p.send("a:1|c\nbad\n:1|c\nb:2:3|c|#x:y|c:id1|e:q|card:low\n_e{1,1}:a|b");
    await p.wait();
    expect(await p.page()).toEqual(["a_total 1", 'b_total{container_id="id1",x="y"} 5']);
    const refused = (reason: string) =>
      p.metric("rmt_statsd_refused_lines", { receiver: "statsd", reason });
    expect([refused("format"), refused("empty_name")]).toEqual([1, 1]);
    expect(p.metric("rmt_statsd_events", { receiver: "statsd" })).toBe(1);
    const accepted = { receiver: "statsd", transport: "udp" };
    expect(p.metric("otelcol_receiver_accepted_metric_points", accepted)).toBe(2);
  });

  test("a negative counter line is refused", async () => {
    const p = await start();
    await p.send("q:5|c\nq:-2|c");
    await p.wait();
    expect(await p.page()).toEqual(["q_total 5"]);
    const labels = { receiver: "statsd", reason: "negative_counter" };
    expect(p.metric("rmt_statsd_refused_lines", labels)).toBe(1);
  });

  test("timers have buckets that quantiles can be read from", async () => {
    const p = await start();
    await p.send(Array.from({ length: 100 }, (_, i) => `t:${i + 1}|ms`).join("\n"));
    await p.wait();
    const buckets = (await p.page("t_bucket")).map((line) => {
      const [, le, count] = /le="([^"]+)"\} (\d+)/u.exec(line)!;
      return { le: Number(le!.replace("+Inf", "Infinity")), count: Number(count) };
    });
    for (const { le, count } of buckets) {
      if (le < Infinity) expect(count).toBe(Math.min(Math.floor(le + 1e-9), 100));
    }
    expect(buckets.length).toBeGreaterThan(40);
    expect(await p.page("t_sum")).toEqual(["t_sum 5050"]);
  });
});

test("is_monotonic_counter: false makes a gauge that goes up and down", async () => {
  const p = await start({ is_monotonic_counter: false });
  await p.send("q:5|c\nq:-2|c");
  await p.wait();
  await p.send("q:1|c");
  await p.wait();
  expect(await p.page()).toEqual(["q 4"]);
});

test("a reload that changes the receiver flushes what it has and listens on the same port", async () => {
  const p = await start();
  const endpoint = `127.0.0.1:${p.port}`;
  await p.reload({ endpoint });
  await p.send("a:1|c");
  await p.reload({ endpoint, is_monotonic_counter: false });
  expect(await p.page()).toEqual(["a_total 1"]);
  await p.send("b:1|c\nb:-2|c");
  await p.wait();
  expect(await p.page("b")).toEqual(["b -1"]);
});

test("a reload that leaves the receiver as it is keeps what it has aggregated", async () => {
  const p = await start();
  await p.send("g:10|g\na:1|c");
  await p.reload({});
  await p.wait();
  await p.send("g:+5|g");
  await p.wait();
  expect(await p.page()).toEqual(["a_total 1", "g 15"]);
});
