/** `rmt demo` as its users run it, on free ports. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { DemoProcess, movedListeners } from "../support/demo-process.ts";
import { ServiceProcess } from "../support/run-service.ts";

const root = join(__dirname, "..", "..");
const main = join(root, "src", "main.ts");

/** The shipped pipelines.yaml with every listener moved, and the one of its own metrics off. */
const freePorts = [...movedListeners, "--set", "service.telemetry.metrics.level=none"];

const smallConfig = `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters: { prometheus: { endpoint: "127.0.0.1:0" } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], exporters: [prometheus] } }
`;

const running = new Set<DemoProcess>();
function startDemo(args: readonly string[]): DemoProcess {
  const demo = new DemoProcess(args);
  running.add(demo);
  return demo;
}

/** What a failed test leaves behind; the processes of a demo end with it. */
afterEach(() => {
  for (const demo of running) demo.kill();
  running.clear();
});

const isAlive = (pid: number) => existsSync(`/proc/${pid}`);
async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
}

const table = `
  http_server_request_duration_seconds_count repomind_api_request_latency_seconds_count
  repomind_api_request_latency_p50_seconds repomind_api_request_latency_p95_seconds repomind_api_request_latency_p99_seconds
  http_server_active_requests repomind_rate_limit_requests_total repomind_rate_limit_utilization_ratio
  gen_ai_client_operation_duration_seconds_count gen_ai_client_operation_time_to_first_chunk_seconds_count
  gen_ai_client_token_usage_count repomind_llm_tokens_total repomind_llm_retries_total repomind_llm_cost_total
  repomind_cache_requests_total repomind_cache_evictions_total repomind_cache_usage_bytes repomind_cache_limit_bytes
  repomind_cache_entries repomind_cache_operation_duration_seconds_count repomind_cache_saved_time_seconds_total
  process_memory_usage_bytes process_cpu_time_seconds_total process_cpu_utilization_ratio
  nodejs_eventloop_delay_p50_seconds nodejs_eventloop_delay_p99_seconds nodejs_eventloop_delay_max_seconds
  v8js_gc_duration_seconds_count repomind_server_active_connections repomind_queue_size repomind_queue_capacity
  repomind_query_duration_seconds_count repomind_query_feedback_total repomind_api_request_duration_seconds_bucket
`;
/** Each with a label that it needs. */
const rare = [
  /^http_server_request_duration_seconds_count\{error_type="500",.*http_route="\/repos".* 1$/mu,
  /^http_server_request_duration_seconds_count\{error_type="502",.*http_route="\/ask"/mu,
  /^http_server_request_duration_seconds_count\{error_type="aborted",.*http_route="\/ask"/mu,
  /^http_server_request_duration_seconds_count\{http_request_method="GET",http_response_status_code="404",(instance|job|url)/mu,
  /^repomind_rate_limit_requests_total\{.*rate_limit_result="limited".* [1-9]/mu,
  /^gen_ai_client_operation_duration_seconds_count\{error_type="server_error",.*anthropic.* [1-9]/mu,
  /^repomind_llm_retries_total\{error_type="rate_limit",.*openai.* [1-9]/mu,
  /^repomind_llm_tokens_total\{.*token_kind="reasoning".* [1-9]/mu,
  /^repomind_query_duration_seconds_count\{.*outcome="empty".* [1-9]/mu,
  /^repomind_query_duration_seconds_count\{.*outcome="cancelled".* [1-9]/mu,
  /^repomind_query_feedback_total\{.*rating="down".* [1-9]/mu,
  /^repomind_api_request_duration_seconds_bucket\{endpoint="\/repos",(?=.*method="GET").*le="0\.005"\} \d+$/mu,
];

test("--duration 15: every row of the table has data, and all that was sent arrived", async () => {
  const demo = startDemo([...freePorts, "--duration", "15"]);
  const [, url] = await demo.says(/^ {2}metrics {2}(\S+)$/mu);
  await demo.says(/^Every metric has data after/mu);
  await demo.says(/^The percentiles too after/mu);
  const page = await (await fetch(url!)).text();
  const without = table
    .trim()
    .split(/\s+/u)
    .filter((name) => !new RegExp(`^${name}\\{`, "mu").test(page));
  expect(without).toEqual([]);
  expect(rare.filter((pattern) => !pattern.test(page)).map(String)).toEqual([]);
  expect(await demo.exited).toBe(0);
  const rows = demo.output.match(/^ {2}(same {7}|DIFFERENT {2}).*$/gmu);
  expect(rows).toHaveLength(10);
  expect(rows!.filter((row) => !row.includes("same "))).toEqual([]);
  expect(demo.output).toMatch(/requests by route and status \(\d{3}\)/u);
  expect(demo.output).toMatch(/\nEnded\.\n$/u);
});

test("Ctrl-C ends the demo's processes in order; --config is the service's", async () => {
  const configPath = join(mkdtempSync(join(tmpdir(), "rmt-e2e-")), "mine.yaml");
  writeFileSync(configPath, smallConfig.replaceAll("otlp", "otlp/mine"));
  const demo = startDemo(["--config", configPath]);
  await demo.says(/^Every metric has data/mu);
  const { outside, app, service } = demo.children;
  expect([outside, app, service].every((pid) => pid !== undefined && isAlive(pid))).toBe(true);
  demo.interrupt();
  await gone([outside!]);
  expect(isAlive(service!)).toBe(true);
  await gone([app!]);
  expect(await demo.exited).toBe(0);
  expect(isAlive(service!)).toBe(false);
  expect(demo.output).toMatch(/\nEnding the traffic, the app, the service\.\nEnded\.\n$/u);
});

test("the processes of a demo that was killed end by themselves", async () => {
  const demo = startDemo(freePorts);
  await demo.says(/^Knobs: /mu);
  const pids = Object.values(demo.children);
  expect(pids).toHaveLength(3);
  const directory = readlinkSync(`/proc/${demo.children["service"]}/cwd`);
  expect(existsSync(join(directory, "data", "metrics.jsonl"))).toBe(true);
  demo.kill();
  await gone(pids);
  expect(existsSync(directory)).toBe(false);
});

test("a service that cannot start is told in its own words", async () => {
  const { port, free } = await takePort();
  const taken = `exporters.prometheus.endpoint=127.0.0.1:${port}`;
  const demo = startDemo([...freePorts, "--set", taken]);
  expect(await demo.exited).toBe(1);
  expect(demo.output).toMatch(/^Error: the service could not start:/u);
  expect(demo.output).toContain(String(port));
  free();
});

async function takePort(): Promise<{ port: number; free: () => void }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, free: () => server.close() };
}

describe("with a service that runs already", () => {
  let service: ServiceProcess;
  let endpoint: string[];
  let scrape: string[];
  beforeAll(async () => {
    service = await ServiceProcess.start(smallConfig);
    endpoint = ["--endpoint", `http://${service.address("receiver otlp", "http")}`];
    scrape = ["--scrape", `http://${service.address("exporter prometheus", "http")}/metrics`];
  });
  afterAll(() => service.stop());

  test("it is used as it is, and goes on, and a second demo finds its own series there", async () => {
    for (const seed of ["1", "2"]) {
      const demo = startDemo([...endpoint, ...scrape, "--duration", "1", "--seed", seed]);
      expect(await demo.exited).toBe(0);
      expect(demo.output).toMatch(/^ {2}service {2}http\S+, was there before$/mu);
      expect(demo.output).toMatch(/^ {2}same {7}requests by route and status/mu);
      expect(demo.output).toMatch(/\nEnded; the service at http:\S+ goes on\.\n$/u);
    }
  });

  test("a page without what was sent is a difference", async () => {
    const { port, free } = await takePort();
    free();
    const nowhere = ["--scrape", `http://127.0.0.1:${port}/metrics`];
    const demo = startDemo([...endpoint, ...nowhere, "--duration", "1"]);
    expect(await demo.exited).toBe(1);
    expect(demo.output).toMatch(/^ {2}DIFFERENT {2}http\S+\/metrics\n.*ECONNREFUSED/mu);
  });

  test("knobs are turned at the start and while it runs; Ctrl-C before the duration is over is no success", async () => {
    const demo = startDemo([...endpoint, ...scrape, "--errors", "1", "--duration", "10m"]);
    const [, app] = await demo.says(/^ {2}app {6}(\S+)\/repos$/mu);
    await demo.says(/^Knobs: rps=30 latency=x1 errors=1 cache-collapse=off/mu);
    const { port } = new URL(app!);
    const set = spawn(process.execPath, [main, "demo", "set", "llm-outage", "--port", port], {
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const setEnded = once(set, "close");
    await demo.says(/^Knobs: .* llm-outage=on/mu);
    expect(await setEnded).toEqual([0, null]);
    demo.interrupt();
    expect(await demo.exited).toBe(1);
    expect(demo.output).not.toContain("Sent by the demo");
  });

  test("a process that ends by itself ends the demo, with its last words", async () => {
    const demo = startDemo([...endpoint, ...scrape]);
    await demo.says(/^Knobs: /mu);
    process.kill(demo.children["app"]!, "SIGKILL");
    expect(await demo.exited).toBe(1);
    expect(demo.output).toContain(`Error: the process "app" ended by itself (SIGKILL)`);
  });

  test("a port that is taken is told with what to do", async () => {
    const { port, free } = await takePort();
    const demo = startDemo([...endpoint, ...scrape, "--port", String(port)]);
    expect(await demo.exited).toBe(1);
    expect(demo.output).toContain(`Error: port ${port} is taken, perhaps by another demo: end it`);
    free();
  });
});
